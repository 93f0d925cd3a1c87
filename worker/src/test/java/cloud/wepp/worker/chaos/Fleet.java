package cloud.wepp.worker.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.Worker;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.InvalidConfig;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.job.JobListener;
import cloud.wepp.worker.testing.PostgresServer;
import cloud.wepp.worker.testing.Site;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Real servers, and workers on them whose timings are divided by 20; with {@code
 * -Dchaos.timings=default} they are those of a worker that nobody has configured.
 */
final class Fleet implements AutoCloseable {
  static final boolean FAST = !"default".equals(System.getProperty("chaos.timings"));

  private static final Path JAR = Path.of("target/worker.jar").toAbsolutePath();
  private static final List<String> DIVIDED_BY_20 =
      List.of(
          "redis.timeout=500ms",
          "timing.heartbeat=250ms",
          "timing.lease=1s",
          "timing.wip=4500ms",
          "timing.grace=250ms",
          "timing.reclaim=100ms",
          "timing.calm=1500ms",
          "timing.maintenance=500ms",
          "timing.patience=3s",
          "ledger.takeover=3s");

  /** A worker that took jobs and was never heard of again. */
  static final String DEAD = "gone.1";

  final RedisServer redis;
  final PostgresServer postgres;
  final Invariants invariants;
  final JobQueue client;
  private final Site site;

  Fleet() {
    this(Site.start());
  }

  /** On a Redis that is closed together with the rest. */
  static Fleet on(RedisServer redis) {
    return new Fleet(Site.on(redis));
  }

  private Fleet(Site site) {
    this.site = site;
    redis = site.redis;
    postgres = site.postgres;
    invariants = new Invariants(redis, site.postgres);
    client = site.client(Duration.ofMillis(1), Duration.ofSeconds(FAST ? 5 : 90));
  }

  /** Takes a job for a worker whose lease is over at once. */
  void takeAndDie(String job) {
    assertThat(client.take(client.request("default", DEAD, List.of(job)))).isPresent();
  }

  /** Settings of one worker; later ones win. */
  List<String> settings(Watersheds work, String... more) {
    List<String> all =
        new ArrayList<>(
            List.of(
                "redis.url=" + redis.url(),
                "postgres.url=" + postgres.url(),
                "worker.slots=2",
                "python.enabled=false",
                "routing.native-queues=default",
                "timing.drain=0s"));
    all.addAll(FAST ? DIVIDED_BY_20 : List.of());
    all.addAll(work.settings());
    all.addAll(List.of(more));
    return all;
  }

  /** A worker in this process. */
  static Worker worker(List<String> settings, JobListener... listeners) throws InvalidConfig {
    return worker(settings, InstantSource.system(), listeners);
  }

  /** The same, with a clock of its own. */
  static Worker worker(List<String> settings, InstantSource clock, JobListener... listeners)
      throws InvalidConfig {
    WorkerConfig config = ConfigReader.read(null, Map.of(), settings).config();
    return Worker.start(config, Map.of(), List.of(listeners), clock);
  }

  /**
   * One of rq's own workers. Returns when it takes jobs.
   *
   * @param python an interpreter that has rq
   * @param name its name
   */
  Process rqWorker(String python, String name, Watersheds work) throws IOException {
    ProcessBuilder rq =
        new ProcessBuilder(
                Path.of(python).resolveSibling("rq").toString(),
                "worker",
                "--url",
                redis.url(),
                "--name",
                name,
                "default")
            .directory(work.folder().toFile())
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(ProcessBuilder.Redirect.DISCARD);
    rq.environment().put(Watersheds.ALONE, "1");
    Process process = rq.start();
    Invariants.until(
        "rq's worker is there", () -> redis.ask("EXISTS", "rq:worker:" + name).equals("1"));
    return process;
  }

  /** The shipped program. Returns when it takes jobs. */
  static Process program(List<String> jvm, List<String> settings) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1", // half the processor time of a start
                "-XX:+UseSerialGC"));
    command.addAll(jvm);
    command.addAll(List.of("-jar", JAR.toString(), "run"));
    settings.forEach(setting -> command.addAll(List.of("--set", setting)));
    Process process = new ProcessBuilder(command).start();
    BufferedReader log = process.errorReader();
    List<String> said = new ArrayList<>();
    String line = log.readLine();
    while (line != null && !line.contains("slots serve")) {
      said.add(line);
      line = log.readLine();
    }
    assertThat(line).as("the line that tells of the start, after %s", said).isNotNull();
    Thread.ofPlatform().daemon().start(() -> log.lines().forEach(later -> {}));
    return process;
  }

  @Override
  public void close() {
    client.close();
    site.close();
  }
}
