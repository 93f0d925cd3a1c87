package cloud.wepp.worker.shipping;

import static java.util.stream.Collectors.toSet;

import java.io.IOException;
import java.nio.file.Files;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The metrics that there are. That their table is right, {@code MetricsTest} sees to. */
final class Monitoring {
  private static final Pattern ROW = Pattern.compile("\\| `(\\w+)` \\| (\\w+) \\|.*");

  private Monitoring() {}

  /** All names under which Prometheus has them. */
  static Set<String> metrics() throws IOException {
    return Files.readAllLines(Tool.ROOT.resolve("docs/metrics.md")).stream()
        .map(ROW::matcher)
        .filter(Matcher::matches)
        .flatMap(row ->
            switch (row.group(2)) {
              case "histogram", "summary" ->
                  Stream.of("", "_bucket", "_count", "_sum").map(end -> row.group(1) + end);
              default -> Stream.of(row.group(1));
            })
        .collect(toSet());
  }
}
