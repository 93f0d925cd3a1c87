package cloud.wepp.worker.chaos;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.json.JsonMapper;

/**
 * What the kills at one boundary came to. With {@code -Dchaos.results=FILE} it is added to that
 * file as a line of JSON, which {@code bench/run soak --table} reads.
 */
final class Tally implements AutoCloseable {
  private final String boundary;
  private final long seed;
  private final List<Toll> tolls = new ArrayList<>();
  private final List<Long> recoveries = new ArrayList<>();
  private int passed;

  /** What one drill cost; nothing, if all holds that is promised. */
  record Toll(long lost, long doubled, long settledTwice, long surviving, long rowsMissing) {}

  Tally(String boundary, long seed) {
    this.boundary = boundary;
    this.seed = seed;
  }

  /** One more drill, whether it passed or not. */
  void add(Toll toll) {
    tolls.add(toll);
  }

  void addPassed() {
    passed++;
  }

  /** From a death until the last of the jobs that it cut off had started again. */
  void addRecovery(long millis) {
    recoveries.add(millis);
  }

  @Override
  public void close() throws IOException {
    String file = System.getProperty("chaos.results", "");
    if (file.isEmpty() || tolls.isEmpty()) {
      return;
    }
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("at", Instant.now().toString());
    line.put("commit", System.getProperty("chaos.commit", ""));
    line.put("seed", seed);
    line.put("timings", Fleet.FAST ? "divided" : "default");
    line.put("boundary", boundary);
    line.put("kills", tolls.size());
    line.put("lost", tolls.stream().mapToLong(Toll::lost).sum());
    line.put("doubled", tolls.stream().mapToLong(Toll::doubled).sum());
    line.put("settled_twice", tolls.stream().mapToLong(Toll::settledTwice).sum());
    line.put("surviving", tolls.stream().mapToLong(Toll::surviving).sum());
    line.put("rows_missing", tolls.stream().mapToLong(Toll::rowsMissing).sum());
    line.put("failed", tolls.size() - passed);
    line.put("recovery_ms", recoveries);
    Files.createDirectories(Path.of(file).getParent());
    Files.writeString(
        Path.of(file),
        JsonMapper.builder().build().writeValueAsString(line) + "\n",
        StandardOpenOption.CREATE,
        StandardOpenOption.APPEND);
  }
}
