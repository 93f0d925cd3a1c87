package cloud.wepp.worker.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.FaultPoint;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.worker.Worker;
import cloud.wepp.worker.testing.PythonWithRq;
import cloud.wepp.worker.testing.RecordingListener;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
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

  private static final Map<String, List<Long>> RECOVERIES = new TreeMap<>(); // ms by boundary
  private static Fleet fleet;

  private final Random random = new Random(SEED);

  @BeforeAll
  static void servers() {
    fleet = new Fleet();
  }

  @AfterAll
  static void report() {
    fleet.close();
    System.out.printf("%-24s %6s %10s %10s%n", "killed at", "kills", "p50 ms", "p99 ms");
    RECOVERIES.forEach((boundary, times) -> {
      Collections.sort(times);
      System.out.printf(
          "%-24s %6d %10d %10d%n",
          boundary, KILLS, times.get(times.size() / 2), times.get(times.size() * 99 / 100));
    });
  }

  @ParameterizedTest
  @EnumSource
  void ours(FaultPoint boundary, @TempDir Path folder) throws Exception {
    for (int kill = 0; kill < KILLS; kill++) {
      drill(boundary, folder.resolve("kill-" + kill), false);
    }
  }

  /** The horse runs, or rq has ended the job in it and its event is not written. */
  @ParameterizedTest
  @EnumSource(names = {"RUNNING", "SETTLING"})
  void inPython(FaultPoint boundary, @TempDir Path folder) throws Exception {
    String interpreter = PythonWithRq.interpreter("1.16.2");
    for (int kill = 0; kill < KILLS; kill++) {
      drill(
          boundary,
          folder.resolve("kill-" + kill),
          true,
          "python.enabled=true",
          "routing.native-queues=",
          "python.command=" + interpreter,
          "recovery.again=drill.*");
    }
  }

  private void drill(FaultPoint boundary, Path folder, boolean python, String... more)
      throws Exception {
    Invariants invariants = fleet.invariants;
    invariants.forget();
    Watersheds work = Watersheds.layOut(folder, WATERSHEDS, "0.3");
    List<String> settings = fleet.settings(work, more);
    boolean reclaims = boundary.name().startsWith("RECLAIM");
    int times = boundary == FaultPoint.LEAVING ? 1 : 1 + random.nextInt(3);
    String arming = "-Drq-worker.fault-point=%s:%d".formatted(boundary, times);
    String drill = "%s:%d, seed %d".formatted(boundary, times, SEED);
    List<String> jobs = new ArrayList<>();
    Instant died;
    try (JobQueue client = fleet.client(Duration.ofMillis(1))) {
      Process victim;
      Worker beside = null;
      try {
        if (reclaims) { // there must be something to reclaim, and nobody else to do it
          jobs.addAll(work.enqueue(client, python));
          jobs.subList(0, 4)
              .forEach(job ->
                  assertThat(client.take(client.request("default", "gone.1", List.of(job))))
                      .isPresent());
          victim = Fleet.program(List.of(arming), settings);
        } else {
          RecordingListener listener = new RecordingListener();
          beside = Fleet.worker(settings, listener);
          if (!Fleet.FAST) { // as in a fleet that has been up for a while
            listener.await(RecordingListener.Beat.class, 8, beat -> true);
          }
          victim = Fleet.program(List.of(arming), settings);
          jobs.addAll(work.enqueue(client, python));
        }
        if (boundary == FaultPoint.LEAVING) {
          invariants.awaitResults(jobs.subList(0, 1));
          victim.toHandle().destroy();
        }
        assertThat(victim.waitFor(60, TimeUnit.SECONDS)).as(drill + " was not reached").isTrue();
        died = Instant.now();
        assertThat(victim.exitValue()).as(drill).isEqualTo(128 + 9);
        if (beside == null) {
          beside = Fleet.worker(settings);
        }
        invariants.awaitResults(jobs);
        invariants.awaitNoClaim();
      } finally {
        if (beside != null) {
          beside.close();
        }
      }
    }
    invariants.carryEvents();
    work.assertEachRan();
    invariants.assertEachFinishedOnce(jobs);
    Invariants.assertNothingRunsIn(folder);
    note(boundary + (python ? " (Python)" : ""), died);
  }

  /** From the death to the start of the last job that it had held. */
  private static void note(String boundary, Instant died) throws Exception {
    long started =
        fleet.invariants.ask(
            "select coalesce(max(extract(epoch from later.started_at) * 1000), 0) from execution"
                + " lost join execution later on later.job = lost.job and later.started_at >"
                + " lost.started_at where lost.cause = 'lost' and lost.worker <> 'gone.1'");
    if (started > 0) {
      RECOVERIES
          .computeIfAbsent(boundary, name -> new ArrayList<>())
          .add(started - died.toEpochMilli());
    }
  }
}
