package cloud.wepp.worker.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.FaultPoint;
import cloud.wepp.worker.Worker;
import cloud.wepp.worker.testing.PythonWithRq;
import cloud.wepp.worker.testing.RecordingListener;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A worker is killed at every boundary, with another one beside it, and its timings divided by 20.
 * {@code -Dchaos.kills=N} kills so many at each, {@code -Dchaos.seed=N} repeats a run.
 */
class KillChaosIT {
  private static final int KILLS = Integer.getInteger("chaos.kills", 1);
  private static final long SEED = Long.getLong("chaos.seed", System.nanoTime());
  private static final int WATERSHEDS = 6;

  private static Fleet fleet;

  private final Random random = new Random(SEED);

  @BeforeAll
  static void servers() {
    fleet = new Fleet();
  }

  @AfterAll
  static void stop() {
    fleet.close();
  }

  @ParameterizedTest
  @EnumSource
  void ours(FaultPoint boundary, @TempDir Path folder) throws Exception {
    drills(boundary, folder, false);
  }

  /** The horse runs, or rq has ended the job in it and its event is not written. */
  @ParameterizedTest
  @EnumSource(names = {"RUNNING", "SETTLING"})
  void inPython(FaultPoint boundary, @TempDir Path folder) throws Exception {
    drills(boundary, folder, true, python());
  }

  private static String[] python() throws Exception {
    return new String[] {
      "python.enabled=true",
      "routing.native-queues=",
      "python.command=" + PythonWithRq.interpreter("1.16.2"),
      "recovery.again=drill.*"
    };
  }

  /** What the dead worker left is taken over by ours, and run again by either. */
  @Test
  void besideOneOfRqsOwn(@TempDir Path folder) throws Exception {
    Watersheds work = Watersheds.layOut(folder, WATERSHEDS, "0.3");
    fleet.invariants.forget();
    Process rq = fleet.rqWorker(PythonWithRq.interpreter("1.16.2"), "own", work);
    long byRq;
    try {
      drill(FaultPoint.RUNNING, work, true, fleet.settings(work, python()));
      byRq = Long.parseLong(fleet.redis.ask("HGET", "rq:worker:own", "successful_job_count"));
    } finally {
      rq.destroy();
      assertThat(rq.waitFor(60, TimeUnit.SECONDS)).isTrue();
    }
    assertThat(byRq).as("jobs of rq's worker").isPositive();
    fleet.invariants.carryEvents();
    fleet.invariants.assertEachFinishedOnce(work.jobs(), byRq);
    work.assertEachRan();
    Invariants.assertNothingRunsIn(folder);
  }

  private void drills(FaultPoint boundary, Path folder, boolean python, String... more)
      throws Exception {
    try (Tally tally = new Tally(boundary + (python ? " (Python)" : ""), SEED)) {
      for (int kill = 0; kill < KILLS; kill++) {
        // Who leaves must still have something to end, however slowly it hears of the signal.
        String seconds = boundary == FaultPoint.LEAVING ? "1" : "0.3";
        Watersheds work = Watersheds.layOut(folder.resolve("kill-" + kill), WATERSHEDS, seconds);
        fleet.invariants.forget();
        try {
          Instant died = drill(boundary, work, python, fleet.settings(work, more));
          fleet.invariants.carryEvents();
          fleet.invariants.assertEachFinishedOnce(work.jobs());
          work.assertEachRan();
          Invariants.assertNothingRunsIn(work.folder());
          tally.addPassed();
          noteRecovery(tally, died);
        } finally {
          tally.add(fleet.invariants.toll(work));
        }
      }
    }
  }

  /** Kills a worker, and returns its death when another one has done all that it left. */
  private Instant drill(FaultPoint boundary, Watersheds work, boolean python, List<String> settings)
      throws Exception {
    int times = boundary == FaultPoint.LEAVING ? 1 : 1 + random.nextInt(3);
    List<String> arming = List.of("-Drq-worker.fault-point=%s:%d".formatted(boundary, times));
    String drill = "%s:%d, seed %d".formatted(boundary, times, SEED);
    List<String> jobs;
    Worker beside = null;
    Process victim = null;
    try {
      if (boundary.name().startsWith("RECLAIM")) {
        // There must be something to reclaim, and nobody else to do it.
        jobs = work.enqueue(fleet.client, python);
        jobs.subList(0, 4).forEach(fleet::takeAndDie);
        victim = Fleet.program(arming, settings);
      } else {
        RecordingListener listener = new RecordingListener();
        beside = Fleet.worker(settings, listener);
        if (!Fleet.FAST) { // as in a fleet that has been up for a while
          listener.await(RecordingListener.Beat.class, 8, beat -> true);
        }
        victim = Fleet.program(arming, settings);
        jobs = work.enqueue(fleet.client, python);
      }
      if (boundary == FaultPoint.LEAVING) {
        fleet.invariants.awaitResults(jobs.subList(0, 1));
        victim.toHandle().destroy();
      }
      assertThat(victim.waitFor(60, TimeUnit.SECONDS)).as(drill + " was not reached").isTrue();
      Instant died = Instant.now();
      assertThat(victim.exitValue()).as(drill).isEqualTo(128 + 9);
      if (beside == null) {
        beside = Fleet.worker(settings);
      }
      fleet.invariants.awaitResults(jobs);
      fleet.invariants.awaitNoClaim();
      return died;
    } finally {
      if (victim != null) {
        victim.destroyForcibly();
      }
      if (beside != null) {
        beside.close();
      }
    }
  }

  /** From the death to the start of the last job that it had held. */
  private static void noteRecovery(Tally tally, Instant died) throws Exception {
    long started =
        fleet.invariants.ask(
            "select coalesce(max(extract(epoch from later.started_at) * 1000), 0) from execution"
                + " lost join execution later on later.job = lost.job and later.started_at >"
                + " lost.started_at where lost.cause = 'lost' and lost.worker <> '%s'"
                    .formatted(Fleet.DEAD));
    if (started > 0) {
      tally.addRecovery(started - died.toEpochMilli());
    }
  }
}
