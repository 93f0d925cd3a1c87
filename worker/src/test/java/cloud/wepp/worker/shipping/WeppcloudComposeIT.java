package cloud.wepp.worker.shipping;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.WorkerConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** The overrides of {@code docs/weppcloud}, over files in the shape of WEPPcloud's own. */
class WeppcloudComposeIT {
  private static final List<String> CHANGED =
      List.of("image", "command", "healthcheck", "stop_grace_period", "environment", "secrets");

  @TempDir Path folder;

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
}
