package cloud.wepp.worker;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.testing.FaultProxy;
import cloud.wepp.worker.testing.RecordingListener;
import cloud.wepp.worker.testing.RecordingListener.Beat;
import cloud.wepp.worker.testing.Site;
import java.lang.ProcessBuilder.Redirect;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What Prometheus and Kubernetes see of a worker. */
class ObserveIT {
  private static final JobHandler ENDLESS =
      (call, context) -> {
        context.pause(Duration.ofDays(1));
        throw new InterruptedException();
      };
  private static final HttpClient HTTP = HttpClient.newHttpClient();
  private static Site site;

  private final RecordingListener listener = new RecordingListener();

  @BeforeAll
  static void servers() {
    site = Site.start();
  }

  @AfterAll
  static void stopServers() {
    site.close();
    HTTP.close();
  }

  @BeforeEach
  void empty() {
    site.redis.ask("FLUSHALL");
  }

  private Worker worker(String redis, String... sets) throws Exception {
    List<String> all =
        new ArrayList<>(
            List.of(
                "redis.url=" + redis,
                "ledger.mode=emit",
                "python.enabled=false",
                "routing.native-queues=default",
                "worker.slots=1",
                "timing.drain=0s",
                "timing.heartbeat=100ms",
                "observe.port=0",
                "observe.every=100ms"));
    all.addAll(List.of(sets));
    return Worker.start(
        ConfigReader.read(null, Map.of(), all).config(),
        Map.of("test.endless", ENDLESS),
        List.of(listener),
        InstantSource.system());
  }

  private static void enqueue(String function) {
    Call call = new Call(function, List.of(PyValue.of("a-run")), Map.of());
    site.client.enqueue("default", call.write(), function, Duration.ofMinutes(3));
  }

  private static HttpResponse<String> get(Worker worker, String page) throws Exception {
    URI uri = URI.create("http://127.0.0.1:%d/%s".formatted(worker.port().orElseThrow(), page));
    return HTTP.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
  }

  /** Asks again and again; the page changes by itself. */
  private static void await(Worker worker, String page, Predicate<HttpResponse<String>> what)
      throws Exception {
    long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
    HttpResponse<String> got = get(worker, page);
    while (!what.test(got)) {
      assertThat(System.nanoTime()).as("%s: %s", page, got.body()).isLessThan(deadline);
      boolean _ = new CountDownLatch(1).await(50, TimeUnit.MILLISECONDS);
      got = get(worker, page);
    }
  }

  private static Predicate<HttpResponse<String>> tells(String... lines) {
    return got -> List.of(lines).stream().allMatch(line -> got.body().contains(line + "\n"));
  }

  @Test
  void wantedAreWorkersForWhatMayStartHereAndWhatRuns() throws Exception {
    enqueue("os.getpid"); // for others
    for (int i = 0; i < 3; i++) {
      enqueue("test.endless");
    }
    try (Worker worker = worker(site.redis.url())) {
      await(
          worker,
          "metrics",
          tells(
              "rq_wanted_workers 3.0",
              "rq_queue_waiting_jobs{queue=\"default\"} 3.0",
              "rq_queue_runnable_jobs{queue=\"default\"} 2.0",
              "rq_queue_running_jobs{queue=\"default\"} 1.0",
              "rq_worker_foreign_jobs{queue=\"default\"} 1.0",
              "rq_worker_running_jobs 1.0",
              "rq_worker_claims_total{event=\"taken\"} 1.0",
              "rq_worker_events_waiting 1.0"));
      assertThat(get(worker, "metrics").body()).doesNotContain("a-run");
      for (String pause : List.of("queue default", "function test.*")) {
        site.client.pause(pause, true);
        await(worker, "metrics", tells("rq_wanted_workers 1.0"));
        site.client.pause(pause, false);
        await(worker, "metrics", tells("rq_wanted_workers 3.0"));
      }
      site.redis.ask("SET", "rq:suspended", "1");
      await(worker, "metrics", tells("rq_wanted_workers 1.0"));
      // A Python worker's job keeps none of these busy.
      site.redis.ask("ZADD", "rq:wip:default", "99999999999", "other-job");
      site.redis.ask("DEL", "rq:suspended");
      await(worker, "metrics", tells("rq_wanted_workers 3.0"));
    }
  }

  @Test
  void aJobThatEndsIsCountedByFunctionAndOutcome() throws Exception {
    try (Worker worker = worker(site.redis.url())) {
      enqueue("cloud.wepp.noop");
      await(
          worker,
          "metrics",
          got ->
              got.body()
                  .contains(
                      "rq_worker_job_duration_seconds_count{function=\"cloud.wepp.noop\",outcome=\"finished\"}"
                          + " 1"));
    }
  }

  @Test
  void withoutRedisItIsAliveAndNotReady() throws Exception {
    try (FaultProxy network = FaultProxy.before(site.redis.url());
        Worker worker = worker(network.through(site.redis.url()), "redis.timeout=200ms")) {
      await(worker, "ready", got -> got.statusCode() == 200);
      assertThat(get(worker, "started").statusCode()).isEqualTo(200);
      network.set(FaultProxy.Fault.CUT);
      await(worker, "ready", got -> got.statusCode() == 503);
      assertThat(get(worker, "live").statusCode()).isEqualTo(200);
      await(worker, "metrics", tells("rq_wanted_workers NaN"));
      network.set(FaultProxy.Fault.NONE);
      await(worker, "ready", got -> got.statusCode() == 200);
      worker.drain();
      assertThat(get(worker, "ready").body())
          .contains("\"staying\":{", "is leaving", "\"ok\":false");
      assertThat(get(worker, "live").statusCode()).isEqualTo(200);
    }
  }

  @Test
  void aMountOrAFileThatIsNotThereKeepsItUnready(@TempDir Path folder) throws Exception {
    Path manifest = folder.resolve("manifest");
    Files.writeString(manifest, "%064d  7  %s%n".formatted(0, folder.resolve("station.par")));
    Path mount = folder.resolve("wc1");
    try (Worker worker =
        worker(
            site.redis.url(),
            "mounts.folders=" + mount + ":rw",
            "mounts.every=100ms",
            "geodata.manifest=" + manifest)) {
      await(
          worker,
          "ready",
          got ->
              got.statusCode() == 503
                  && got.body().contains(mount + " is no folder")
                  && got.body()
                      .contains(
                          "1 of 1 files of %s are wrong: %s is missing"
                              .formatted(manifest, folder.resolve("station.par"))));
      await(
          worker,
          "metrics",
          tells("rq_geodata_wrong_files 1.0", "rq_mount_well{mount=\"" + mount + "\"} 0.0"));
      Files.createDirectory(mount);
      await(worker, "metrics", tells("rq_mount_well{mount=\"" + mount + "\"} 1.0"));
      assertThat(get(worker, "live").statusCode()).isEqualTo(200);
    }
    Files.writeString(folder.resolve("station.par"), "station");
    try (Worker worker = worker(site.redis.url(), "geodata.manifest=" + manifest)) {
      await(worker, "ready", got -> got.statusCode() == 200);
      assertThat(get(worker, "ready").body()).contains("\"geodata\":{");
    }
  }

  @Test
  void theCommandAsksTheWorkerOfThisHost() throws Exception {
    try (Worker worker = worker(site.redis.url())) {
      String port = "observe.port=" + worker.port().orElseThrow();
      await(worker, "ready", got -> got.statusCode() == 200);
      assertThat(health("--set", port)).isZero();
      worker.drain();
      assertThat(health("--set", port)).isEqualTo(1);
      assertThat(health("--set", port, "live")).isZero();
      assertThat(health("--set", "observe.port=1")).isEqualTo(1);
    }
  }

  private static int health(String... arguments) throws Exception {
    List<String> all = new ArrayList<>(List.of("health"));
    all.addAll(List.of(arguments));
    Process asked =
        ProgramIT.program(all.toArray(String[]::new))
            .redirectOutput(Redirect.DISCARD)
            .redirectError(Redirect.DISCARD)
            .start();
    assertThat(asked.waitFor(60, TimeUnit.SECONDS)).isTrue();
    return asked.exitValue();
  }

  /** At the usual timings. */
  @Test
  void anIdleWorkerAsksLittleOfRedis() throws Exception {
    try (Worker _ =
        worker(site.redis.url(), "timing.heartbeat=3s", "observe.every=10s", "worker.slots=8")) {
      listener.await(Beat.class, 1, beat -> true);
      long before = commands();
      listener.await(Beat.class, 5, beat -> true);
      long asked = commands() - before;
      assertThat(asked).as("commands in 12 s").isLessThanOrEqualTo(12 * 20);
    }
  }

  private static long commands() {
    return site.redis
        .ask("INFO", "stats")
        .lines()
        .filter(line -> line.startsWith("total_commands_processed:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
        .findFirst()
        .orElseThrow();
  }
}
