package cloud.wepp.worker;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.testing.PostgresServer;
import cloud.wepp.worker.testing.Site;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.jar.JarFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The program as it ships: the jar with its own class path, in a process of its own. */
class ProgramIT {
  private static final Path JAR = Path.of("target/worker.jar").toAbsolutePath();

  static ProcessBuilder program(String... arguments) {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-jar",
                JAR.toString()));
    command.addAll(List.of(arguments));
    ProcessBuilder program = new ProcessBuilder(command);
    program.environment().keySet().removeIf(name -> name.matches("RQ_.*|REDIS_.*|POSTGRES_.*"));
    return program;
  }

  private record Ended(int exit, List<String> errors) {}

  private static Ended run(String... arguments) throws Exception {
    Process process = program(arguments).start();
    try (BufferedReader errors = process.errorReader()) {
      List<String> lines = errors.lines().toList();
      assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
      return new Ended(process.exitValue(), lines);
    }
  }

  @Test
  void noEmbeddedServerIsOnItsClassPath() throws IOException {
    try (JarFile jar = new JarFile(JAR.toFile())) {
      String classPath = jar.getManifest().getMainAttributes().getValue("Class-Path");
      assertThat(classPath).contains("lettuce-core", "postgresql-");
      assertThat(classPath).doesNotContain("embedded", "zonky", "testcontainers", "junit");
      assertThat(jar.stream().map(Object::toString)).noneMatch(name -> name.contains("/demo/"));
      for (String library : classPath.split(" ", -1)) {
        assertThat(JAR.resolveSibling(library)).exists();
      }
    }
  }

  @Test
  void saysInOneLineThatRedisIsUnreachable() throws Exception {
    Ended ended = run("run", "--set", "redis.url=redis://127.0.0.1:1");
    assertThat(ended.exit()).isEqualTo(75);
    assertThat(ended.errors())
        .containsExactly("rq-worker: Redis at 127.0.0.1:1/0: Connection refused");
  }

  @Test
  void triesAgainWhenToldToWait() throws Exception {
    Ended ended =
        run("run", "--set", "redis.url=redis://127.0.0.1:1", "--set", "redis.start-wait=1s");
    assertThat(ended.exit()).isEqualTo(75);
    assertThat(ended.errors()).hasSize(2);
    assertThat(ended.errors().getFirst()).contains("Waiting for it for 1 s");
  }

  @Test
  void saysInOneLineThatPostgresIsUnreachable() throws Exception {
    try (RedisServer redis = RedisServer.start()) {
      Ended ended =
          run(
              "run",
              "--set",
              "redis.url=" + redis.url(),
              "--set",
              "postgres.url=postgresql://someone:hidden@127.0.0.1:1/wepppy");
      assertThat(ended.exit()).isEqualTo(75);
      assertThat(ended.errors()).hasSize(1);
      assertThat(ended.errors().getFirst()).contains("127.0.0.1:1/wepppy").doesNotContain("hidden");
    }
  }

  @Test
  void saysEverythingThatIsWrongWithItsConfiguration() throws Exception {
    Ended ended = run("run", "--set", "worker.slots=none", "--set", "worker.slot=1");
    assertThat(ended.exit()).isEqualTo(2);
    assertThat(String.join("\n", ended.errors()))
        .contains("worker.slots is 'none' (--set): a whole number is needed")
        .contains("there is no setting worker.slot.");
  }

  @Test
  void aQueueThatIsServedAloneIsLeftToWhoServesIt() throws Exception {
    try (Site site = Site.start();
        RedisAccess ninth = new RedisAccess(site.redis.url() + "/9", null, Duration.ofSeconds(5));
        JobQueue other =
            new JobQueue(
                ninth,
                "rq",
                new JobQueue.QueueTiming(Duration.ofSeconds(20), Duration.ofSeconds(90), 1000),
                InstantSource.system())) {
      List<String> queues = List.of("fork-archive");
      JobQueue.WorkerInfo info = new JobQueue.WorkerInfo(1, "wepp3", "10.0.0.3", "1.16.2");
      other.register(List.of("of-wepp3"), queues, info);
      String[] start = {
        "run",
        "--burst",
        "--preset=weppcloud-fork-archive",
        "--set=redis.url=" + site.redis.url() + "/1",
        "--set=postgres.url=" + site.postgres.url(),
        "--set=python.enabled=false",
        "--set=routing.native-queues=fork-archive",
        "--set=observe.port=off"
      };
      Ended refused = run(start);
      assertThat(refused.exit()).isEqualTo(75);
      assertThat(refused.errors())
          .singleElement()
          .asString()
          .startsWith("rq-worker: worker.alone is true, and fork-archive is served by of-wepp3:");
      other.unregister(List.of("of-wepp3"), queues);
      Ended alone = run(start);
      assertThat(alone.exit()).as("%s", alone.errors()).isZero();
      assertThat(alone.errors()).anyMatch(line -> line.contains("1 slots serve fork-archive"));
    }
  }

  @Test
  void theDoctorExplainsWhatWaits() throws Exception {
    try (RedisServer redis = RedisServer.start()) {
      for (String function : List.of("cloud.wepp.noop", "os.getpid", "os.getpid")) {
        assertThat(run("enqueue", function, "--set", "redis.url=" + redis.url()).exit()).isZero();
      }
      Process doctor =
          program(
                  "doctor",
                  "--set",
                  "redis.url=" + redis.url(),
                  "--set",
                  "python.enabled=false",
                  "--set",
                  "routing.native-queues=default")
              .start();
      try (BufferedReader said = doctor.inputReader()) {
        assertThat(said.lines())
            .containsExactly(
                "Queue default: 3 waiting.",
                "       1  cloud.wepp.noop: runs here",
                "       2  os.getpid: stays: it needs Python, and python.enabled is false");
      }
    }
  }

  @Test
  void theManifestOfWhatAWorkerNeedsIsMadeAndVerified(@TempDir Path folder) throws Exception {
    Path station = Files.writeString(folder.resolve("id106388.par"), "a station");
    String manifest = folder.resolve("manifest").toString();
    assertThat(run("geodata", "manifest", station.toString(), "-o", manifest).exit()).isZero();
    assertThat(run("geodata", "verify", manifest).exit()).isZero();
    assertThat(run("geodata", "verify", "--quick", "--set", "geodata.manifest=" + manifest).exit())
        .isZero();
    Files.writeString(station, "A station");
    assertThat(run("geodata", "verify", "--quick", manifest).exit()).isZero();
    assertThat(run("geodata", "verify", manifest).exit()).isEqualTo(1);
    assertThat(run("geodata", "verify").exit()).isEqualTo(2);
    assertThat(run("geodata", "verify", folder + "/none").errors())
        .singleElement()
        .asString()
        .contains("NoSuchFileException", folder + "/none");
  }

  /** What WEPPcloud's compose files and Kubernetes service links put into the environment. */
  @Test
  void startsAndStopsCleanlyInTheEnvironmentOfComposeAndKubernetes(@TempDir Path folder)
      throws Exception {
    try (RedisServer redis = RedisServer.start();
        PostgresServer postgres = PostgresServer.start()) {
      Path password = Files.writeString(folder.resolve("password"), "");
      ProcessBuilder program = program("run");
      program
          .environment()
          .putAll(
              Map.ofEntries(
                  Map.entry("REDIS_URL", redis.url() + "/9"),
                  Map.entry("RQ_REDIS_URL", redis.url() + "/9"),
                  Map.entry("REDIS_PASSWORD_FILE", password.toString()),
                  Map.entry("RQ_REDIS_WAIT_TIMEOUT_SECONDS", "300"),
                  Map.entry("RQ_WORKER_STARTUP_DELAY_SECONDS", "5"),
                  Map.entry("WEPPPY_NCPU", "6"),
                  Map.entry("RQ_WORKER_PYTHON_ENABLED", "false"),
                  Map.entry("RQ_WORKER_ROUTING_NATIVE_QUEUES", "default"),
                  Map.entry("DATABASE_URL", postgres.url()),
                  Map.entry("RQ_WORKER_PORT", "tcp://10.0.0.1:9090"),
                  Map.entry("RQ_WORKER_PORT_9090_TCP", "tcp://10.0.0.1:9090"),
                  Map.entry("RQ_WORKER_PORT_9090_TCP_ADDR", "10.0.0.1"),
                  Map.entry("RQ_WORKER_SERVICE_HOST", "10.0.0.1"),
                  Map.entry("RQ_WORKER_SERVICE_PORT", "9090"),
                  Map.entry("REDIS_PORT", "tcp://10.0.0.2:6379"),
                  Map.entry("POSTGRES_PORT", "tcp://10.0.0.3:5432")));
      Process process = program.start();
      try (BufferedReader log = process.errorReader()) {
        String line = log.readLine();
        while (line != null && !line.contains("4 slots serve default")) {
          assertThat(line).doesNotContain("ERROR").doesNotContain("RQ_WORKER_PORT");
          line = log.readLine();
        }
        assertThat(line).as("the line that tells of the start").isNotNull();
        process.toHandle().destroy(); // unlike Process.destroy, this leaves the log open
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isZero();
        assertThat(log.lines()).noneMatch(later -> later.contains("ERROR"));
      }
      assertThat(
              redis.ask(
                  "EVAL", "redis.call('SELECT', 9) return redis.call('SCARD', 'rq:workers')", "0"))
          .isEqualTo("0");
    }
  }
}
