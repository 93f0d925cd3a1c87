package cloud.wepp.worker.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.FaultPoint;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.Worker;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.InvalidConfig;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.testing.PostgresServer;
import cloud.wepp.worker.testing.PythonWithRq;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
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
  private static final Path JAR = Path.of("target/worker.jar").toAbsolutePath();
  private static final int KILLS = Integer.getInteger("chaos.kills", 1);
  private static final long SEED = Long.getLong("chaos.seed", System.nanoTime());
  private static final int WATERSHEDS = 6;

  private static final Map<String, List<Long>> RECOVERIES = new TreeMap<>(); // ms by boundary
  private static RedisServer redis;
  private static PostgresServer postgres;
  private static RedisAccess access;
  private static Invariants invariants;

  private final Random random = new Random(SEED);

  @BeforeAll
  static void servers() {
    redis = RedisServer.start();
    postgres = PostgresServer.start();
    access = new RedisAccess(redis.url(), null, -1);
    invariants = new Invariants(redis, postgres);
  }

  @AfterAll
  static void report() {
    access.close();
    postgres.close();
    redis.close();
    System.out.printf("%-24s %6s %10s %10s%n", "killed at", "kills", "p50 ms", "p99 ms");
    RECOVERIES.forEach((boundary, times) -> {
      Collections.sort(times);
      System.out.printf(
          "%-24s %6d %10d %10d%n",
          boundary, KILLS, times.get(times.size() / 2), times.get(times.size() * 99 / 100));
    });
  }

  private static JobQueue client(Duration lease) {
    return new JobQueue(
        access,
        "rq",
        new JobQueue.QueueTiming(lease, Duration.ofSeconds(5), 1_000_000),
        InstantSource.system());
  }

  private static List<String> settings(Watersheds work, List<String> more) {
    List<String> all =
        new ArrayList<>(
            List.of(
                "redis.url=" + redis.url(),
                "postgres.url=" + postgres.url(),
                "worker.slots=2",
                "timing.heartbeat=250ms",
                "timing.lease=1s",
                "timing.wip=4500ms",
                "timing.grace=250ms",
                "timing.drain=0s",
                "timing.reclaim=100ms",
                "timing.calm=1500ms",
                "timing.maintenance=500ms",
                "timing.patience=3s",
                "ledger.takeover=3s"));
    all.addAll(work.settings());
    all.addAll(more);
    return all;
  }

  private static Worker survivor(List<String> settings) throws InvalidConfig {
    WorkerConfig config = ConfigReader.read(null, Map.of(), settings).config();
    return Worker.start(config, Map.of(), List.of(), InstantSource.system());
  }

  /** The shipped program, armed. Returns when it takes jobs. */
  private static Process victim(FaultPoint boundary, int times, List<String> settings)
      throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Drq-worker.fault-point=" + boundary + ":" + times,
                "-jar",
                JAR.toString(),
                "run"));
    settings.forEach(setting -> command.addAll(List.of("--set", setting)));
    Process process = new ProcessBuilder(command).start();
    BufferedReader log = process.errorReader();
    String line = log.readLine();
    while (line != null && !line.contains("slots serve")) {
      line = log.readLine();
    }
    assertThat(line).as("the line that tells of the start").isNotNull();
    Thread.ofPlatform().daemon().start(() -> log.lines().forEach(said -> {}));
    return process;
  }

  @ParameterizedTest
  @EnumSource
  void ours(FaultPoint boundary, @TempDir Path folder) throws Exception {
    for (int kill = 0; kill < KILLS; kill++) {
      drill(
          boundary,
          folder.resolve("kill-" + kill),
          false,
          List.of("python.enabled=false", "routing.native-queues=default"));
    }
  }

  /** The horse runs, or rq has ended the job in it and its event is not written. */
  @ParameterizedTest
  @EnumSource(names = {"RUNNING", "SETTLING"})
  void inPython(FaultPoint boundary, @TempDir Path folder) throws Exception {
    List<String> settings =
        List.of("python.command=" + PythonWithRq.interpreter("1.16.2"), "recovery.again=drill.*");
    for (int kill = 0; kill < KILLS; kill++) {
      drill(boundary, folder.resolve("kill-" + kill), true, settings);
    }
  }

  private void drill(FaultPoint boundary, Path folder, boolean python, List<String> more)
      throws Exception {
    invariants.forget();
    Watersheds work = Watersheds.layOut(folder, WATERSHEDS);
    List<String> settings = settings(work, more);
    boolean reclaims = boundary.name().startsWith("RECLAIM");
    int times = 1 + random.nextInt(3);
    String drill = "%s:%d, seed %d".formatted(boundary, times, SEED);
    List<String> jobs = new ArrayList<>();
    Instant died;
    try (JobQueue client = client(Duration.ofMillis(1))) {
      Process victim;
      Worker beside = null;
      try {
        if (reclaims) { // there must be something to reclaim, and nobody else to do it
          jobs.addAll(enqueue(client, work, python));
          jobs.subList(0, 4)
              .forEach(job ->
                  assertThat(client.take(client.request("default", "gone.1", List.of(job))))
                      .isPresent());
          victim = victim(boundary, times, settings);
        } else {
          beside = survivor(settings);
          victim = victim(boundary, times, settings);
          jobs.addAll(enqueue(client, work, python));
        }
        if (boundary == FaultPoint.LEAVING) {
          invariants.awaitResults(jobs.subList(0, 1));
          victim.toHandle().destroy();
        }
        assertThat(victim.waitFor(60, TimeUnit.SECONDS)).as(drill + " was not reached").isTrue();
        died = Instant.now();
        assertThat(victim.exitValue()).as(drill).isEqualTo(128 + 9);
        if (beside == null) {
          beside = survivor(settings);
        }
        invariants.awaitResults(jobs);
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

  private static List<String> enqueue(JobQueue client, Watersheds work, boolean python) {
    List<String> jobs = new ArrayList<>();
    for (int n = 0; n < work.jobs(); n++) {
      jobs.add(client.enqueue("default", work.call(n, python), "job " + n, Duration.ofMinutes(3)));
    }
    return jobs;
  }

  /** From the death to the start of the last job that it had held. */
  private static void note(String boundary, Instant died) throws Exception {
    long started =
        invariants.ask(
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
