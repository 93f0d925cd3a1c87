package cloud.wepp.worker.cli;

import cloud.wepp.rq.Inventory;
import cloud.wepp.rq.Inventory.QueueSeen;
import cloud.wepp.rq.Inventory.WorkerSeen;
import cloud.wepp.worker.config.WorkerConfig;
import java.io.PrintStream;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;

/** Prints what was seen of queues and workers: for people within 100 columns, or as JSON. */
final class Info {
  /** What {@code --help} tells of {@link #printJson}. */
  static final String JSON_KEYS =
      """
      --json prints one object. Times are ISO 8601 in UTC; durations are seconds, by
      the clock of Redis; null is unknown, or not so:
        redis                  host:port/database
        at                     when it was read
        suspended              all workers are told to take nothing
        suspended_seconds      until they go on by themselves
        paused[]               `queue NAME`, `function PATTERN`, `worker NAME`:
                               what `rq-worker pause` has paused
        leases.held            claims of this kind of worker that are kept
        leases.overdue         claims that are not: the worker is gone
        events.waiting         state changes that Postgres does not have yet
        events.max             this many, and this kind of worker takes nothing, or
                               the oldest are dropped (ledger.full)
        events.dropped         so far
        events.oldest_seconds  how long the first of them has waited
        queues[]               those of rq:queues, or those asked for:
          name, paused, waiting, started, finished, failed, deferred, scheduled,
          canceled
          abandoned            started once, without a heartbeat now; not in `started`
          intermediate         popped by a Python worker and not yet started
          ready                dependents on their way into the queue in rq 3.0
        workers[]              those of rq:workers, or those that serve these queues:
          name, state, current_job, queues[], hostname, pid
          successful_jobs, failed_jobs, working_seconds
          last_heartbeat, heartbeat_seconds (since then), age_seconds (since birth)
          blocked              by a process that SIGKILL does not end
      """;

  private static final int COLUMNS = 100;
  private static final JsonMapper JSON = JsonMapper.builder().build();

  private final Inventory.Seen seen;
  private final String redis;
  private final WorkerConfig.Ledger ledger;

  /**
   * @param redis where it was seen
   * @param ledger how many events may wait for Postgres
   */
  Info(Inventory.Seen seen, String redis, WorkerConfig.Ledger ledger) {
    this.seen = seen;
    this.redis = redis;
    this.ledger = ledger;
  }

  private boolean paused(QueueSeen queue) {
    return seen.paused().contains("queue " + queue.name());
  }

  private boolean full() {
    return seen.events().waiting() >= ledger.stopAt();
  }

  void print(PrintStream out) {
    out.printf("Redis %s at %s%n", redis, seen.at().truncatedTo(ChronoUnit.SECONDS));
    if (seen.suspension().suspended()) {
      Duration left = seen.suspension().left();
      out.println(
          left == null
              ? "Workers are suspended: no job is taken until `rq resume`."
              : "Workers are suspended: no job is taken for " + brief(left) + " more.");
    }
    if (!seen.paused().isEmpty()) {
      out.println(cut("Paused: " + String.join(", ", seen.paused()), COLUMNS));
    }
    out.println();
    printQueues(out);
    out.println();
    printWorkers(out);
    out.println();
    out.printf("Leases: %d held, %d overdue.%n", seen.leases().held(), seen.leases().overdue());
    Instant oldest = seen.events().oldest();
    out.printf(
        "Events that wait for Postgres: %d%s.%n",
        seen.events().waiting(),
        oldest == null ? "" : ", the first for " + brief(Duration.between(oldest, seen.at())));
    if (full()) {
      out.printf(
          "These are ledger.max-events (%d) or more: no job is taken until Postgres has some.%n",
          ledger.maxEvents());
    }
    if (seen.events().dropped() > 0) {
      out.printf("Dropped so far, because too many waited: %d.%n", seen.events().dropped());
    }
  }

  private void printQueues(PrintStream out) {
    List<List<String>> rows = new ArrayList<>();
    rows.add(
        List.of(
            "queue",
            "waiting",
            "started",
            "finished",
            "failed",
            "deferred",
            "scheduled",
            "canceled"));
    for (QueueSeen queue : seen.queues()) {
      rows.add(
          List.of(
              queue.name(),
              text(queue.waiting()),
              text(queue.started()),
              text(queue.finished()),
              text(queue.failed()),
              text(queue.deferred()),
              text(queue.scheduled()),
              text(queue.canceled())));
    }
    List<String> lines = table(rows);
    out.println(lines.getFirst());
    for (int i = 0; i < seen.queues().size(); i++) {
      out.println(lines.get(i + 1));
      printRest(out, seen.queues().get(i));
    }
    if (seen.queues().isEmpty()) {
      out.println("none: nothing was ever enqueued here");
    }
  }

  /** What is there for a short time only, or should not be there. */
  private void printRest(PrintStream out, QueueSeen queue) {
    if (paused(queue)) {
      out.println("  paused");
    }
    if (queue.abandoned() > 0) {
      out.printf(
          "  %d abandoned: started, without a heartbeat; the next cleanup retries or fails them%n",
          queue.abandoned());
    }
    if (queue.intermediate() > 0) {
      out.printf("  %d popped by a Python worker and not yet started%n", queue.intermediate());
    }
    if (queue.ready() > 0) {
      out.printf("  %d ready, and not yet put into the queue by rq 3.0%n", queue.ready());
    }
  }

  private void printWorkers(PrintStream out) {
    List<List<String>> rows = new ArrayList<>();
    rows.add(List.of("worker", "state", "finished", "failed", "worked", "heartbeat", "age"));
    for (WorkerSeen worker : seen.workers()) {
      rows.add(
          List.of(
              worker.name(),
              worker.state().isEmpty() ? "?" : worker.state(),
              text(worker.succeeded()),
              text(worker.failed()),
              brief(worker.worked()),
              since(worker.heartbeat()),
              since(worker.birth())));
    }
    List<String> lines = table(rows);
    out.println(lines.getFirst());
    String process = "";
    for (int i = 0; i < seen.workers().size(); i++) {
      WorkerSeen worker = seen.workers().get(i);
      String own = process(worker);
      if (!own.equals(process)) {
        out.println(cut(own, COLUMNS));
        process = own;
      }
      out.println(lines.get(i + 1));
      if (worker.job() != null) {
        out.println(cut("  runs " + worker.job(), COLUMNS));
      }
      if (!worker.blocked().isEmpty()) {
        out.println(cut("  is blocked: " + worker.blocked(), COLUMNS));
      }
    }
    if (seen.workers().isEmpty()) {
      out.println("none");
    }
  }

  private static String process(WorkerSeen worker) {
    return "%s, pid %s, for %s:"
        .formatted(
            worker.host().isEmpty() ? "?" : worker.host(),
            worker.pid() == null ? "?" : text(worker.pid()),
            worker.queues().isEmpty() ? "?" : String.join(", ", worker.queues()));
  }

  private static String text(long number) {
    return Long.toString(number);
  }

  private String since(@Nullable Instant then) {
    return then == null ? "?" : brief(Duration.between(then, seen.at()));
  }

  /** The two largest units: {@code 45s}, {@code 3m20s}, {@code 12h05m}, {@code 3d07h}. */
  static String brief(Duration time) {
    if (time.isNegative()) { // another machine's clock is ahead
      return "0s";
    }
    if (time.toDays() > 0) {
      return "%dd%02dh".formatted(time.toDays(), time.toHoursPart());
    }
    if (time.toHours() > 0) {
      return "%dh%02dm".formatted(time.toHours(), time.toMinutesPart());
    }
    return time.toMinutes() > 0
        ? "%dm%02ds".formatted(time.toMinutes(), time.toSecondsPart())
        : time.toSeconds() + "s";
  }

  /** The first column to the left, and no wider than leaves room for the others, to the right. */
  private static List<String> table(List<List<String>> rows) {
    int[] widths = new int[rows.getFirst().size()];
    for (List<String> row : rows) {
      for (int i = 0; i < widths.length; i++) {
        widths[i] = Math.max(widths[i], row.get(i).length());
      }
    }
    int rest = 0;
    for (int i = 1; i < widths.length; i++) {
      rest += widths[i] + 2;
    }
    int first = Math.min(widths[0], Math.max(10, COLUMNS - rest));
    List<String> lines = new ArrayList<>();
    for (List<String> row : rows) {
      StringBuilder line = new StringBuilder(cut(row.getFirst(), first));
      line.repeat(' ', first - line.length());
      for (int i = 1; i < widths.length; i++) {
        line.repeat(' ', widths[i] - row.get(i).length() + 2).append(row.get(i));
      }
      lines.add(line.toString());
    }
    return lines;
  }

  private static String cut(String text, int most) {
    return text.length() <= most ? text : text.substring(0, most - 1) + "…";
  }

  void printJson(PrintStream out) {
    Map<String, @Nullable Object> all = new LinkedHashMap<>();
    all.put("redis", redis);
    all.put("at", seen.at().toString());
    all.put("suspended", seen.suspension().suspended());
    all.put("suspended_seconds", seconds(seen.suspension().left()));
    all.put("paused", seen.paused());
    all.put("leases", seen.leases());
    Map<String, @Nullable Object> events = new LinkedHashMap<>();
    events.put("waiting", seen.events().waiting());
    events.put("max", ledger.maxEvents());
    events.put("dropped", seen.events().dropped());
    events.put("oldest_seconds", secondsSince(seen.events().oldest()));
    all.put("events", events);
    all.put("queues", seen.queues().stream().map(this::json).toList());
    all.put("workers", seen.workers().stream().map(this::json).toList());
    out.println(JSON.writeValueAsString(all));
  }

  private Map<String, Object> json(QueueSeen queue) {
    Map<String, Object> one = new LinkedHashMap<>();
    one.put("name", queue.name());
    one.put("paused", paused(queue));
    one.put("waiting", queue.waiting());
    one.put("started", queue.started());
    one.put("finished", queue.finished());
    one.put("failed", queue.failed());
    one.put("deferred", queue.deferred());
    one.put("scheduled", queue.scheduled());
    one.put("canceled", queue.canceled());
    one.put("abandoned", queue.abandoned());
    one.put("intermediate", queue.intermediate());
    one.put("ready", queue.ready());
    return one;
  }

  private Map<String, @Nullable Object> json(WorkerSeen worker) {
    Map<String, @Nullable Object> one = new LinkedHashMap<>();
    one.put("name", worker.name());
    one.put("state", worker.state().isEmpty() ? null : worker.state());
    one.put("current_job", worker.job());
    one.put("queues", worker.queues());
    one.put("hostname", worker.host());
    one.put("pid", worker.pid());
    one.put("successful_jobs", worker.succeeded());
    one.put("failed_jobs", worker.failed());
    one.put("working_seconds", seconds(worker.worked()));
    one.put("last_heartbeat", worker.heartbeat() == null ? null : worker.heartbeat().toString());
    one.put("heartbeat_seconds", secondsSince(worker.heartbeat()));
    one.put("age_seconds", secondsSince(worker.birth()));
    one.put("blocked", worker.blocked().isEmpty() ? null : worker.blocked());
    return one;
  }

  /** 0 for what happened while the listing was made, or by a clock that is ahead of Redis'. */
  private @Nullable Double secondsSince(@Nullable Instant then) {
    return then == null ? null : Math.max(0, Duration.between(then, seen.at()).toMillis() / 1000.0);
  }

  private static @Nullable Double seconds(@Nullable Duration time) {
    return time == null ? null : time.toMillis() / 1000.0;
  }
}
