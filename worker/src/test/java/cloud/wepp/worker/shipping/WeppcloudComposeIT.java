package cloud.wepp.worker.shipping;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.WorkerConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** The overrides of {@code docs/weppcloud}, over files in the shape of WEPPcloud's own. */
class WeppcloudComposeIT {
  private static final List<String> CHANGED =
      List.of("image", "command", "healthcheck", "stop_grace_period", "environment", "secrets");

  @TempDir Path folder;

  /** What {@code q.enqueue} and a look at the result are for WEPPcloud. */
  private static final String ENQUEUE =
      """
      import os, sys
      from redis import Redis
      from rq import Queue
      password = open(os.environ["REDIS_PASSWORD_FILE"]).read().strip()
      queue = Queue(connection=Redis(host="redis", db=9, password=password))
      job = queue.enqueue("wepppy.rq.wepp_rq." + sys.argv[1], *[int(a) if a.isdigit() else a for a in sys.argv[2:]])
      result = job.latest_result(timeout=60)
      print(job.get_status(), result and (result.exc_string or result.return_value))
      """;

  private static String fixture(String name) {
    return "worker/src/test/resources/weppcloud/compose." + name + ".yml";
  }

  private static String override(String name) {
    return "docs/weppcloud/compose." + name + ".override.yml";
  }

  @ParameterizedTest
  @ValueSource(strings = {"dev", "prod", "worker", "wepp3"})
  void eachServiceBecomesAWorkerOfTheSamePool(String name) throws Exception {
    JsonNode before = ComposeIT.file(fixture(name)).path("services");
    JsonNode after = ComposeIT.file(override(name)).path("services");
    assertThat(after.propertyNames()).containsExactlyElementsOf(before.propertyNames());
    for (String service : after.propertyNames()) {
      JsonNode changed = after.path(service);
      assertThat(CHANGED).containsAll(changed.propertyNames());
      assertThat(changed.path("command").valueStream().map(JsonNode::asString))
          .containsExactly("/opt/rq-worker/rq-worker", "run");
      assertThat(changed.at("/healthcheck/test").valueStream().map(JsonNode::asString))
          .containsExactly("CMD", "/opt/rq-worker/rq-worker", "health");
      ConfigReader.Read read = read(before.path(service), changed);
      assertThat(read.warnings())
          .singleElement()
          .asString()
          .contains("RQ_WORKER_STARTUP_DELAY_SECONDS");
      WorkerConfig config = read.config();
      List<String> command =
          before.path(service).path("command").valueStream().map(JsonNode::asString).toList();
      assertThat(config.worker().queues()).containsExactly(command.getLast());
      assertThat(command).contains(Integer.toString(config.worker().slots()));
      assertThat(config.redis().database()).contains(9);
      assertThat(config.timing().terminationGrace().orElseThrow().toSeconds() + "s")
          .isEqualTo(changed.path("stop_grace_period").asString());
      assertThat(config.ledger().writes())
          .as("the history is written with a role of its own")
          .isEqualTo(Objects.equals(config.postgres().user().orElse(null), "rq_worker"));
    }
  }

  private ConfigReader.Read read(JsonNode before, JsonNode changed) throws Exception {
    Map<String, String> environment = ComposeIT.environment(before);
    environment.putAll(ComposeIT.environment(changed));
    Path secret = Files.writeString(folder.resolve("secret"), "secret");
    environment.replaceAll(
        (variable, value) -> value.startsWith("/run/secrets/") ? secret.toString() : value);
    return ConfigReader.read(null, environment, List.of());
  }

  @ParameterizedTest
  @ValueSource(strings = {"dev", "prod", "worker", "wepp3"})
  void composeTakesThemTogether(String name) throws Exception {
    ComposeIT.needsDocker();
    String merged =
        Tool.run("docker", "compose", "-f", fixture(name), "-f", override(name), "config");
    assertThat(merged)
        .contains("image: rq-worker:weppcloud", "/opt/rq-worker/rq-worker", "target: /wc1")
        .doesNotContain("wepppy:latest", "startup.sh", "worker-pool");
  }

  /** The two overlays of dev, on the stores of this project's own compose file. */
  private String compose(String... arguments) throws IOException, InterruptedException {
    List<String> command =
        new ArrayList<>(List.of("docker", "compose", "-p", "rq-worker-weppcloud-test"));
    command.addAll(List.of("--env-file", folder.resolve("settings.env").toString()));
    for (String file :
        List.of("docker-compose.yml", fixture("dev"), override("dev"), fixture("up"))) {
      command.addAll(List.of("-f", file));
    }
    command.addAll(List.of(arguments));
    return Tool.run(command.toArray(String[]::new));
  }

  private String inWorker(String... command) throws IOException, InterruptedException {
    return compose(
        Stream.concat(Stream.of("exec", "-T", "rq-worker"), Stream.of(command))
            .toArray(String[]::new));
  }

  private static void build(String tag, String... arguments)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("docker", "build", "-q", "-t", tag));
    for (String variable : List.of("JDK_IMAGE", "RUNTIME_IMAGE", "JARS")) {
      if (System.getenv(variable) != null) {
        command.addAll(List.of("--build-arg", variable));
      }
    }
    command.addAll(List.of(arguments));
    Tool.run(command.toArray(String[]::new));
  }

  /** A repository of WEPPcloud's shape, which the container mounts, as on a developer's machine. */
  private Path repository() throws IOException {
    Path repository = folder.resolve("repository");
    Path code = Tool.ROOT.resolve("interop/wepppy");
    try (Stream<Path> files = Files.walk(code)) {
      for (Path file : files.filter(one -> one.toString().endsWith(".py")).toList()) {
        Path copy = repository.resolve("wepppy").resolve(code.relativize(file));
        Files.createDirectories(copy.getParent());
        Files.copy(file, copy);
      }
    }
    Path bin = Files.createDirectories(repository.resolve("wepp_runner/bin"));
    Files.copy(
        Tool.ROOT.resolve("docker/stand-in/wepp"),
        bin.resolve("wepp"),
        StandardCopyOption.COPY_ATTRIBUTES);
    return repository;
  }

  @Test
  void aWorkerTakesThePlaceOfAPool() throws Exception {
    ComposeIT.needsDocker();
    String wepppy = "rq-worker-test:wepppy";
    String image = "rq-worker-test:weppcloud";
    String password = Files.readString(Tool.ROOT.resolve("docker/secrets/redis-password")).strip();
    Path repository = repository();
    Files.writeString(
        folder.resolve("settings.env"),
        "RQ_WORKER_IMAGE=%s\nREPOSITORY=%s\nREDIS_PASSWORD=%s\n"
            .formatted(image, repository, password));
    build(wepppy, "worker/src/test/resources/weppcloud");
    build(image, "--target", "weppcloud", "--build-arg", "WEPPPY_IMAGE=" + wepppy, ".");
    try {
      compose("up", "-d", "--wait", "rq-worker");
      assertThat(inWorker("python", "/enqueue.py"))
          .contains("finished: None", "finished: (True, ", "Number of years");
      String run = "sample-watershed";
      assertThat(inWorker("python", "-c", ENQUEUE, "run_hillslope_rq", run, "1"))
          .contains("finished (True, ");
      assertThat(inWorker("python", "-c", ENQUEUE, "_prep_slopes_rq", run))
          .contains("finished None");
      Files.writeString(
          repository.resolve("wepppy/rq/wepp_rq.py"),
          "\ndef just_written():\n    return 'seen'\n",
          StandardOpenOption.APPEND);
      assertThat(inWorker("python", "-c", ENQUEUE, "just_written")).contains("finished seen");

      assertThat(inWorker("rq", "info", "-u", "redis://:%s@redis:6379/9".formatted(password)))
          .contains("6 workers, 1 queues", "default");
      assertThat(inWorker("/opt/rq-worker/rq-worker", "health")).contains("ok");
      assertThat(inWorker("/opt/rq-worker/rq-worker", "history"))
          .contains("run_watershed_rq", "_prep_slopes_rq", "just_written");
      compose("stop", "rq-worker");
      assertThat(compose("ps", "-a", "--format", "{{.Service}} {{.ExitCode}}"))
          .contains("rq-worker 0");
    } catch (AssertionError e) {
      throw new AssertionError(compose("logs", "--no-color"), e);
    } finally {
      compose("down", "-v", "--remove-orphans");
    }
  }
}
