package cloud.wepp.worker.shipping;

import static java.util.stream.Collectors.toSet;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.dataformat.yaml.YAMLMapper;

/** That alerts and dashboards ask for what there is, and each alert for what it says. */
class MonitoringIT {
  private static final Path FOLDER = Tool.ROOT.resolve("k8s/components/monitoring");

  /** A name outside of quotes that is no function, keyword or label. */
  private static final Pattern METRIC =
      Pattern.compile("\\b(?:rq|jvm|process|kube|up)(?:_\\w+)?\\b(?!\\()");

  /** Of Prometheus itself and kube-state-metrics. */
  private static final Set<String> OTHERS =
      Set.of("up", "kube_deployment_status_replicas_unavailable");

  private static final ObjectMapper JSON = new ObjectMapper();

  private static JsonNode alerts() throws IOException {
    return Manifests.read(Files.readString(FOLDER.resolve("alerts.yaml"))).getFirst();
  }

  private static Stream<JsonNode> rules() throws IOException {
    return alerts()
        .at("/spec/groups")
        .valueStream()
        .flatMap(group -> group.path("rules").valueStream());
  }

  private static void namesWhatThereIs(String expression) throws IOException {
    Set<String> known = Monitoring.metrics();
    String unquoted =
        expression
            .replaceAll("\"[^\"]*\"", "")
            .replaceAll("\\b(by|on|without|ignoring) \\([^)]*\\)", "")
            .replaceAll("\\$\\w+", "");
    List<String> named = METRIC.matcher(unquoted).results().map(MatchResult::group).toList();
    assertThat(named).as("metrics in %s", expression).isNotEmpty();
    assertThat(named)
        .as("metrics in %s", expression)
        .allMatch(name -> known.contains(name) || OTHERS.contains(name));
  }

  @Test
  void alertsNameMetricsThatThereAre() throws IOException {
    for (JsonNode rule : rules().toList()) {
      namesWhatThereIs(rule.path("expr").asString());
    }
  }

  @Test
  void eachAlertHasItsEntryInTheRunbookAndItsTest() throws IOException {
    List<String> alerts = rules().map(rule -> rule.path("alert").asString()).toList();
    List<String> entries =
        Files.readAllLines(Tool.ROOT.resolve("docs/runbook.md")).stream()
            .filter(line -> line.startsWith("### "))
            .map(line -> line.substring(4))
            .toList();
    assertThat(entries).isEqualTo(alerts);
    assertThat(rules())
        .allMatch(rule ->
            rule.at("/annotations/runbook_url")
                .asString()
                .equals(
                    "docs/runbook.md#"
                        + rule.path("alert").asString().toLowerCase(java.util.Locale.ROOT)));
    Set<String> tested =
        Manifests.read(Files.readString(FOLDER.resolve("alerts-test.yaml")))
            .getFirst()
            .path("tests")
            .valueStream()
            .map(test -> test.path("name").asString())
            .collect(toSet());
    assertThat(tested).containsAll(alerts);
  }

  @Test
  void alertsFireOnWhatTheyAreAbout(@TempDir Path folder) throws Exception {
    Files.writeString(
        folder.resolve("rules.yaml"), new YAMLMapper().writeValueAsString(alerts().path("spec")));
    Files.copy(FOLDER.resolve("alerts-test.yaml"), folder.resolve("alerts-test.yaml"));
    Tool.run("promtool", "check", "rules", folder.resolve("rules.yaml").toString());
    Tool.run("promtool", "test", "rules", folder.resolve("alerts-test.yaml").toString());
  }

  @Test
  void dashboardsAskForWhatThereIs(@TempDir Path folder) throws Exception {
    List<String> ids = new ArrayList<>();
    StringBuilder rules = new StringBuilder("groups: [{name: panels, rules: [");
    for (Path file : dashboards()) {
      JsonNode board = JSON.readTree(Files.readString(file));
      ids.add(board.path("uid").asString());
      Set<String> variables =
          board
              .at("/templating/list")
              .valueStream()
              .map(v -> "${" + v.path("name").asString() + "}")
              .collect(toSet());
      for (JsonNode panel : board.path("panels")) {
        for (JsonNode target : panel.path("targets")) {
          assertThat(variables).contains(target.at("/datasource/uid").asString());
          if (target.at("/datasource/type").asString().equals("prometheus")) {
            String expression = target.path("expr").asString();
            namesWhatThereIs(expression);
            rules
                .append("{record: a, expr: ")
                .append(JSON.writeValueAsString(expression))
                .append("}, ");
          }
        }
      }
    }
    assertThat(ids).hasSizeGreaterThan(2).doesNotHaveDuplicates();
    Files.writeString(folder.resolve("rules.yaml"), rules + "]}]");
    Tool.run("promtool", "check", "rules", "--lint=none", folder.resolve("rules.yaml").toString());
  }

  private static List<Path> dashboards() throws IOException {
    try (Stream<Path> files = Files.list(FOLDER.resolve("dashboards"))) {
      return files.toList();
    }
  }
}
