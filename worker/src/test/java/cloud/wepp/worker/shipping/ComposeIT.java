package cloud.wepp.worker.shipping;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import cloud.wepp.worker.config.ConfigReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** The image and {@code docker-compose.yml}: a client of rq has the sample watershed done. */
class ComposeIT {
  private static final Pattern VARIABLE = Pattern.compile("\\$\\{(\\w+):-([^}]*)}");

  @TempDir Path folder;

  private static String docker(String... arguments) throws IOException, InterruptedException {
    return Tool.run(
        Stream.concat(Stream.of("docker"), Stream.of(arguments)).toArray(String[]::new));
  }

  private String compose(String... arguments) throws IOException, InterruptedException {
    String settings = folder.resolve("settings.env").toString();
    return docker(
        Stream.concat(
                Stream.of("compose", "-p", "rq-worker-test", "--env-file", settings),
                Stream.of(arguments))
            .toArray(String[]::new));
  }

  /** A compose file of the project, with what its variables are when nobody sets them. */
  static JsonNode file(String path) throws IOException {
    String text = Files.readString(Tool.ROOT.resolve(path));
    return Manifests.read(
            VARIABLE.matcher(text).replaceAll(v -> Matcher.quoteReplacement(v.group(2))))
        .getFirst();
  }

  static Map<String, String> environment(JsonNode service) {
    return Manifests.texts(service.path("environment"));
  }

  /** Skips the test where no engine runs, or fails it where tests are required. */
  static void needsDocker() {
    assumeFalse("none".equals(System.getenv("RQ_WORKER_DOCKER")), "no Docker engine starts here");
    if (!Files.exists(Path.of("/var/run/docker.sock")) && System.getenv("DOCKER_HOST") == null) {
      Tool.lacks("no Docker engine runs");
    }
  }

  @Test
  void theWorkerReadsItsSettings() throws Exception {
    JsonNode worker = file("docker-compose.yml").at("/services/worker");
    Map<String, String> environment = environment(worker);
    Path secret = Files.writeString(folder.resolve("secret"), "secret");
    environment.replaceAll((name, value) -> {
      assertThat(value.startsWith("/run/secrets/")).isEqualTo(name.endsWith("_FILE"));
      return name.endsWith("_FILE") ? secret.toString() : value;
    });

    ConfigReader.Read read = ConfigReader.read(null, environment, List.of());

    assertThat(read.warnings()).isEmpty();
    assertThat(read.config().timing().terminationGrace().orElseThrow().toSeconds() + "s")
        .isEqualTo(worker.path("stop_grace_period").asString());
  }

  @Test
  void theSampleWatershedIsDone() throws Exception {
    needsDocker();
    Files.writeString(
        folder.resolve("settings.env"),
        "WC1=%1$s/wc1\nGEODATA=%1$s/geodata\nWORKER_PORT=0\n".formatted(folder));
    compose("--profile", "*", "config", "-q");
    compose("build", "-q", "worker", "producer");
    String jars = docker("run", "--rm", "--entrypoint", "ls", "rq-worker:dev", "-R", "/app");
    assertThat(jars)
        .contains("worker.jar", "lettuce-core", "rq-worker.aot", "bom.json")
        .doesNotContain("embedded", "junit");
    assertThat(
            docker(
                "run", "--rm", "--read-only", "--user", "4321:4321", "rq-worker:dev", "--version"))
        .contains("rq-worker");
    try {
      compose("up", "-d", "--wait", "worker");
      assertThat(compose("run", "--rm", "producer"))
          .contains("finished: (True, ", "Number of years");
      assertThat(compose("exec", "worker", "rq-worker", "history"))
          .contains("run_watershed_rq", "_run_hillslopes_rq", "finished");
      assertThat(compose("exec", "worker", "rq-worker", "health")).contains("ok");
      assertThat(compose("logs", "worker")).contains("run_watershed_rq finished after");
      compose("stop", "worker");
      assertThat(compose("ps", "-a", "--format", "{{.Service}} {{.ExitCode}}"))
          .contains("worker 0");
    } catch (AssertionError e) {
      throw new AssertionError(compose("logs", "--no-color"), e);
    } finally {
      compose("--profile", "*", "down", "-v", "--remove-orphans");
    }
  }
}
