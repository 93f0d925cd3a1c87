package cloud.wepp.worker.ledger;

import static cloud.wepp.worker.ledger.Table.key;
import static cloud.wepp.worker.ledger.Table.number;
import static cloud.wepp.worker.ledger.Table.real;
import static cloud.wepp.worker.ledger.Table.text;
import static cloud.wepp.worker.ledger.Table.time;

import cloud.wepp.rq.Event;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonGenerator;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * What a batch of events says, as rows of the four tables. Any order of batches, and any
 * repetition, ends in the same rows. Reads leniently: what it does not understand stays in the
 * event's {@code fields}.
 */
final class Facts {
  private static final Table EVENT =
      Table.constant(
          "event",
          key("source", "uuid"),
          key("stream_ms", "int8"),
          key("stream_seq", "int8"),
          text("event"),
          text("job"),
          text("claim"),
          text("worker"),
          time("at"),
          new Table.Column("fields", "jsonb", Table.Merge.NEWEST));
  private static final Table JOB =
      Table.merged(
          "job",
          key("id", "text"),
          text("queue"),
          text("function"),
          text("run"),
          text("description"),
          text("status"),
          time("enqueued_at"),
          time("started_at"),
          time("ended_at"));
  private static final Table EXECUTION =
      Table.merged(
          "execution",
          key("job", "text"),
          key("claim", "text"),
          text("queue"),
          text("execution"),
          text("function"),
          text("worker"),
          text("host"),
          time("started_at"),
          time("ended_at"),
          text("event"),
          text("cause"),
          text("error"),
          number("exit"),
          real("wall_s"),
          real("user_s"),
          real("system_s"),
          number("peak_rss"),
          number("memory"),
          number("processes"),
          number("read_bytes"),
          number("written_bytes"));
  private static final Table PROCESS =
      Table.merged(
          "process",
          key("claim", "text"),
          key("n", "int8"),
          text("job"),
          text("name"),
          text("cause"),
          number("exit"),
          real("started_s"),
          real("wall_s"),
          real("user_s"),
          real("system_s"),
          number("peak_rss"),
          number("read_bytes"),
          number("written_bytes"),
          number("waits"),
          number("preemptions"));
  private static final List<Table.Column> PROCESS_FIELDS =
      PROCESS.columns().stream()
          .filter(column -> !Set.of("claim", "job", "last_ms", "last_seq").contains(column.name()))
          .toList();
  private static final List<String> EXECUTION_NUMBERS =
      List.of("exit", "peak_rss", "memory", "processes", "read_bytes", "written_bytes");
  private static final Comparator<Event> STREAM_ORDER =
      Comparator.comparingLong(Event::millis).thenComparingLong(Event::sequence);
  private static final Set<String> COLUMNS = Set.of("event", "job", "claim", "worker", "at");
  private static final String LIST = "list"; // in the detail: the job's processes
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final Pattern JSON_NUL = Pattern.compile("(?<!\\\\)((?:\\\\\\\\)*)\\\\u0000");
  private static final Instant LAST_YEAR = Instant.parse("9999-01-01T00:00:00Z");

  private static final String SHAPE = "0000-00-00T00:00:00.000000Z";
  private static final DateTimeFormatter USUAL =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSS'Z'", Locale.ROOT)
          .withZone(ZoneOffset.UTC);

  private final Table.Rows events = EVENT.rows();
  private final Table.Rows jobs = JOB.rows();
  private final Table.Rows executions = EXECUTION.rows();
  private final Table.Rows processes = PROCESS.rows();

  Facts(List<Event> batch) {
    batch.stream().sorted(STREAM_ORDER).forEach(event -> add(new Reading(event)));
  }

  /** One statement per table, always in the same order. */
  void write(Connection connection) throws SQLException {
    events.write(connection);
    jobs.write(connection);
    executions.write(connection);
    processes.write(connection);
  }

  private void add(Reading read) {
    addEvent(read);
    if (read.job == null) {
      return;
    }
    addJob(read, read.job);
    if (read.claim != null && (read.starts() || read.ends())) {
      addExecution(read, read.job, read.claim);
    }
    if (read.claim != null) {
      addProcesses(read, read.job, read.claim);
    }
  }

  private void addEvent(Reading read) {
    String source = read.event.source().toString();
    Table.Row row = events.row(source, read.event.id());
    row.put("source", source);
    row.put("stream_ms", read.event.millis());
    row.put("stream_seq", read.event.sequence());
    row.put("event", read.name);
    row.put("job", read.job);
    row.put("claim", read.claim);
    row.put("worker", read.text("worker"));
    row.put("at", read.at);
    row.put("fields", read.rest());
  }

  private void addJob(Reading read, String job) {
    Table.Row row = jobs.row(job);
    for (String column : List.of("queue", "function", "run", "description")) {
      row.put(column, read.text(column));
    }
    row.put("enqueued_at", read.time("enqueued_at"));
    row.put("started_at", read.starts() ? read.at : read.time("started_at"));
    row.put("ended_at", read.ends() && read.claim != null ? read.at : read.time("ended_at"));
    String status = read.status();
    if (status != null) {
      row.put("status", status);
      row.newest(read.event.millis(), read.event.sequence());
    }
  }

  private void addExecution(Reading read, String job, String claim) {
    Table.Row row = executions.row(job, claim);
    for (String column : List.of("queue", "execution", "function", "worker", "host")) {
      row.put(column, read.text(column));
    }
    row.newest(read.event.millis(), read.event.sequence());
    if (read.starts()) {
      row.put("started_at", read.at);
      return;
    }
    row.put("ended_at", read.at);
    row.put("event", read.name);
    for (String column : List.of("host", "cause", "error")) {
      row.put(column, read.detailText(column));
    }
    for (String column : List.of("wall_s", "user_s", "system_s")) {
      row.put(column, read.detailReal(column));
    }
    for (String column : EXECUTION_NUMBERS) {
      row.put(column, read.detailNumber(column));
    }
  }

  /** Each process is an array: its number, its name, its cause, then numbers. */
  private void addProcesses(Reading read, String job, String claim) {
    for (JsonNode process : read.processes) {
      if (process.size() != PROCESS_FIELDS.size() || !process.path(0).isIntegralNumber()) {
        continue;
      }
      Table.Row row =
          processes.row(claim, String.format(Locale.ROOT, "%019d", process.path(0).longValue()));
      row.put("n", process.path(0).longValue());
      row.put("job", job);
      row.newest(read.event.millis(), read.event.sequence());
      for (int i = 1; i < PROCESS_FIELDS.size(); i++) {
        JsonNode value = process.path(i);
        Table.Column column = PROCESS_FIELDS.get(i);
        switch (column.type()) {
          case "text" -> row.put(column.name(), Reading.clean(value.asString("")));
          case "int8" -> row.put(column.name(), value.asLong(0));
          default -> row.put(column.name(), value.asDouble(0));
        }
      }
    }
  }

  /** One event, read. */
  private static final class Reading {
    private final Event event;
    private final @Nullable String name;
    private final @Nullable String job;
    private final @Nullable String claim;
    private final @Nullable String at;
    private final @Nullable String detail; // JSON that Postgres accepts
    private final JsonNode parsed; // of detail; missing when it is no object
    private final JsonNode processes; // an array, which is not kept with the event; or missing

    Reading(Event event) {
      this.event = event;
      name = text("event");
      job = text("job");
      claim = text("claim");
      at = time("at");
      String json = text("detail");
      if (json != null && json.contains("\\u0000")) {
        json = JSON_NUL.matcher(json).replaceAll("$1\\\\ufffd");
      }
      parsed = parse(json);
      if (parsed instanceof ObjectNode object && object.path(LIST).isArray()) {
        processes = object.remove(LIST);
        detail = object.toString();
      } else {
        processes = parse(text("processes"));
        detail = json;
      }
    }

    private static JsonNode parse(@Nullable String json) {
      if (json != null) {
        try {
          JsonNode node = JSON.readTree(json);
          if (node.isContainer()) {
            return node;
          }
        } catch (JacksonException e) {
          // kept as text
        }
      }
      return JSON.missingNode();
    }

    boolean starts() {
      return "started".equals(name);
    }

    /** Whether the claim ended; every end but those that have no name here has a detail. */
    boolean ends() {
      return switch (name) {
        case null -> false;
        case "started", "dropped" -> false;
        case "finished", "failed", "stopped", "canceled", "retried", "requeued" -> true;
        default -> parsed.isObject();
      };
    }

    /** The job's status afterwards; null when the event does not tell. */
    @Nullable String status() {
      String told = text("status");
      if (told != null) {
        return told;
      }
      return switch (name) {
        case null -> null;
        case "started", "finished", "failed", "stopped", "canceled" -> name;
        case "retried", "requeued" -> "queued";
        default -> null;
      };
    }

    /** Postgres has no NUL in text. */
    private static String clean(String text) {
      return text.indexOf('\0') < 0 ? text : text.replace('\0', '\ufffd');
    }

    @Nullable String text(String field) {
      String text = event.text(field);
      return text.isEmpty() ? null : clean(text);
    }

    /** A time in the form of all our writers, whose texts compare as the times do. */
    @Nullable String time(String field) {
      String text = text(field);
      if (text == null || isUsual(text)) {
        return text;
      }
      Instant time = instant(text);
      if (time == null) {
        time = instant(text.replace(' ', 'T') + "Z");
      }
      return time == null ? null : USUAL.format(time);
    }

    /** Looks at the shape only: parsing every time of every event is dear. */
    private static boolean isUsual(String text) {
      if (text.length() != SHAPE.length() || text.charAt(0) != '2') {
        return false;
      }
      for (int i = 0; i < text.length(); i++) {
        char shape = SHAPE.charAt(i);
        char c = text.charAt(i);
        if (shape == '0' ? c < '0' || c > '9' : c != shape) {
          return false;
        }
      }
      return true;
    }

    private static @Nullable Instant instant(String text) {
      try {
        Instant time = Instant.parse(text);
        return time.isBefore(Instant.EPOCH) || time.isAfter(LAST_YEAR) ? null : time;
      } catch (DateTimeException e) {
        return null;
      }
    }

    @Nullable String detailText(String field) {
      JsonNode value = parsed.path(field);
      return value.isString() && !value.stringValue().isEmpty() ? clean(value.stringValue()) : null;
    }

    @Nullable Double detailReal(String field) {
      JsonNode value = parsed.path(field);
      return value.isNumber() ? value.doubleValue() : null;
    }

    @Nullable Long detailNumber(String field) {
      JsonNode value = parsed.path(field);
      return value.isIntegralNumber() && value.canConvertToLong() ? value.longValue() : null;
    }

    /** JSON of the fields that have no column of their own. */
    String rest() {
      StringWriter text = new StringWriter(256);
      try (JsonGenerator json = JSON.createGenerator(text)) {
        json.writeStartObject();
        for (Map.Entry<String, String> field : event.fields().entrySet()) {
          String column = field.getKey();
          if (COLUMNS.contains(column) && !(column.equals("at") && at == null)
              || column.equals("processes") && processes.isArray()) {
            continue;
          }
          json.writeName(clean(column));
          if (column.equals("detail") && detail != null && parsed.isObject()) {
            json.writeRawValue(detail);
          } else {
            json.writeString(clean(field.getValue()));
          }
        }
        json.writeEndObject();
      }
      return text.toString();
    }
  }
}
