package cloud.wepp.worker;

import cloud.wepp.worker.process.ProcessEnd;
import java.io.StringWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import tools.jackson.core.JsonGenerator;
import tools.jackson.databind.json.JsonMapper;

/** What the processes of one claim used: a row of each, and all together. Not safe for threads. */
final class Account {
  /** A row is small; so many do no harm as one field of an event. */
  private static final int ROWS_AT_ONCE = 200;

  private static final JsonMapper JSON = JsonMapper.builder().build();

  private List<Row> untold = new ArrayList<>();
  private final List<Change> changes = new ArrayList<>();
  private int processes;
  private int lastExit;
  private ProcessEnd.Cause lastCause = ProcessEnd.Cause.EXITED;
  private Duration user = Duration.ZERO;
  private Duration system = Duration.ZERO;
  private long peakRss;
  private long readBytes;
  private long writtenBytes;

  /** One process; {@code started} after the claim. */
  private record Row(int n, String name, Duration started, ProcessEnd end) {}

  /** At a moment after the claim, so much more or less memory may be held. */
  private record Change(Duration at, long bytes) {}

  /**
   * Adds a process.
   *
   * @param ended after the claim
   */
  void add(String name, ProcessEnd end, Duration ended) {
    Duration started = ended.minus(end.wall());
    ProcessEnd.Usage used = end.usage();
    untold.add(new Row(++processes, name, started, end));
    if (used.peakRssBytes() > 0) {
      changes.add(new Change(started, used.peakRssBytes()));
      changes.add(new Change(ended, -used.peakRssBytes()));
    }
    lastExit = end.exit();
    lastCause = end.cause();
    user = user.plus(used.user());
    system = system.plus(used.system());
    peakRss = Math.max(peakRss, used.peakRssBytes());
    readBytes += used.readBytes();
    writtenBytes += used.writtenBytes();
  }

  /** Rows that are due to be told before the job's end, as JSON; empty when none are. */
  String dueRows() {
    return untold.size() < ROWS_AT_ONCE ? "" : takeRows();
  }

  private String takeRows() {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = JSON.createGenerator(text)) {
      writeRows(json);
    }
    return text.toString();
  }

  /** Why the last process ended; {@code failed} when it ended by itself. */
  String lastCause() {
    return lastCause.ofFailure();
  }

  /** Adds what the history keeps of the job's processes to a JSON object. */
  void write(JsonGenerator detail) {
    if (processes == 0) {
      return;
    }
    detail.writeNumberProperty("processes", processes);
    detail.writeNumberProperty("exit", lastExit);
    detail.writeNumberProperty("user_s", seconds(user));
    detail.writeNumberProperty("system_s", seconds(system));
    detail.writeNumberProperty("peak_rss", peakRss);
    detail.writeNumberProperty("memory", together());
    detail.writeNumberProperty("read_bytes", readBytes);
    detail.writeNumberProperty("written_bytes", writtenBytes);
    detail.writeName("list");
    writeRows(detail);
  }

  /** An array for each process, in the order of the history's columns. */
  private void writeRows(JsonGenerator json) {
    json.writeStartArray();
    for (Row row : untold) {
      ProcessEnd end = row.end();
      ProcessEnd.Usage used = end.usage();
      json.writeStartArray();
      json.writeNumber(row.n());
      json.writeString(row.name());
      json.writeString(end.cause().word());
      json.writeNumber(end.exit());
      for (Duration time : List.of(row.started(), end.wall(), used.user(), used.system())) {
        json.writeNumber(Math.round(seconds(time) * 1000) / 1000.0);
      }
      json.writeNumber(used.peakRssBytes());
      json.writeNumber(used.readBytes());
      json.writeNumber(used.writtenBytes());
      json.writeNumber(used.waits());
      json.writeNumber(used.preemptions());
      json.writeEndArray();
    }
    json.writeEndArray();
    untold = new ArrayList<>();
  }

  /** The most that processes which ran at the same time can have held: the sum of their peaks. */
  private long together() {
    changes.sort(Comparator.comparing(Change::at).thenComparingLong(Change::bytes));
    long now = 0;
    long most = 0;
    for (Change change : changes) {
      now += change.bytes();
      most = Math.max(most, now);
    }
    return most;
  }

  static double seconds(Duration duration) {
    return duration.toNanos() / 1e9;
  }
}
