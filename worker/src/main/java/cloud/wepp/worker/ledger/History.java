package cloud.wepp.worker.ledger;

import java.io.PrintStream;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Prints what Postgres knows of jobs. */
public final class History {
  private static final String STARTED =
      "to_char(started_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') as started";
  private static final String USAGE =
      "coalesce(wall_s, extract(epoch from ended_at - started_at)) as seconds, exit,"
          + " peak_rss / 1e6 as peak_mb, user_s + system_s as cpu_s, worker";
  private static final String JOBS =
      "select id as job, regexp_replace(function, '^.*\\.', '') as function, run, status, "
          + STARTED
          + ", "
          + USAGE.replace("ended_at", "case when status <> 'started' then ended_at end")
          + " from rq_worker.history where (?::text is null or run = ?) and (?::text is null or id"
          + " = ?) order by started_at desc nulls last, last_ms desc limit ?";
  private static final String EXECUTIONS =
      "select "
          + STARTED
          + ", event as ended, cause, "
          + USAGE
          + ", processes, error from rq_worker.execution where job = ? order by last_ms desc,"
          + " last_seq desc limit ?";
  private static final String PROCESSES =
      "select n, name, cause as ended, exit, started_s, wall_s as seconds, peak_rss / 1e6 as"
          + " peak_mb, user_s + system_s as cpu_s, read_bytes / 1e6 as read_mb, written_bytes / 1e6"
          + " as written_mb from rq_worker.process where claim = (select claim from"
          + " rq_worker.execution where job = ? order by last_ms desc, last_seq desc limit 1) order"
          + " by n desc limit ?";
  private static final String EVENTS =
      "select to_char(at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') as at, event,"
          + " claim, worker, fields from rq_worker.event where job = ? order by stream_ms desc,"
          + " stream_seq desc limit ?";

  // Claims begin with their time in ms, 12 hex digits.
  private static final String SINCE =
      " from rq_worker.execution where claim >= lpad(to_hex(?::bigint), 12, '0')";
  private static final String GROUPED = " group by 1 order by executions, 1 desc";
  private static final String HOSTS =
      "select coalesce(host, regexp_replace(worker, '-[0-9a-f]{8}\\.[0-9]+$', ''), '-') as host,"
          + " count(*) as executions, count(*) filter (where event is null) as running,"
          + " to_char(max(started_at) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') as"
          + " last_start"
          + SINCE
          + GROUPED;
  private static final String FUNCTIONS =
      "select coalesce(function, '-') as function, count(*) as executions, count(*) filter (where"
          + " event = 'finished') as finished, count(*) filter (where event = 'failed') as failed,"
          + " count(*) filter (where event not in ('finished', 'failed')) as otherwise,"
          + " percentile_disc(0.5) within group (order by wall_s) as median_s,"
          + " percentile_disc(0.95) within group (order by wall_s) as p95_s, max(wall_s) as"
          + " longest_s"
          + SINCE
          + " and event is not null"
          + GROUPED;

  private final LedgerStore store;

  public History(LedgerStore store) {
    this.store = store;
  }

  /**
   * Prints the last jobs, newest last; with a job also its executions, the processes of the last
   * one, and events.
   *
   * @param run only jobs of this run
   * @param job only this job
   * @param limit most lines of each table
   */
  public void print(PrintStream out, @Nullable String run, @Nullable String job, int limit) {
    try (Connection connection = store.connect()) {
      List<List<String>> jobs = rows(connection, JOBS, run, run, job, job, limit);
      if (jobs.size() == 1) {
        out.println("No job" + of(run, job) + " in the history.");
        return;
      }
      table(out, jobs);
      if (job != null) {
        out.println();
        table(out, rows(connection, EXECUTIONS, job, limit));
        out.println();
        List<List<String>> processes = rows(connection, PROCESSES, job, limit);
        if (processes.size() > 1) {
          table(out, processes);
          out.println();
        }
        table(out, rows(connection, EVENTS, job, limit));
      }
    } catch (SQLException e) {
      throw store.unavailable(e);
    }
  }

  /**
   * Prints how executions since then went, most of them first: by host, and, of those that have
   * ended, by function.
   */
  public void compare(PrintStream out, Instant since) {
    try (Connection connection = store.connect()) {
      List<List<String>> hosts = rows(connection, HOSTS, since.toEpochMilli());
      if (hosts.size() == 1) {
        out.println("No job has begun since " + since + ".");
        return;
      }
      table(out, hosts);
      out.println();
      table(out, rows(connection, FUNCTIONS, since.toEpochMilli()));
    } catch (SQLException e) {
      throw store.unavailable(e);
    }
  }

  private static String of(@Nullable String run, @Nullable String job) {
    return (job == null ? "" : " " + job) + (run == null ? "" : " of run " + run);
  }

  /** The column names, then the rows, oldest first. */
  private static List<List<String>> rows(
      Connection connection, String sql, @Nullable Object... arguments) throws SQLException {
    List<List<String>> rows = new ArrayList<>();
    try (PreparedStatement query = connection.prepareStatement(sql)) {
      for (int i = 0; i < arguments.length; i++) {
        query.setObject(i + 1, arguments[i]);
      }
      try (ResultSet found = query.executeQuery()) {
        int columns = found.getMetaData().getColumnCount();
        while (found.next()) {
          List<String> row = new ArrayList<>();
          for (int i = 1; i <= columns; i++) {
            row.add(cell(found.getObject(i)));
          }
          rows.addFirst(row);
        }
        List<String> names = new ArrayList<>();
        for (int i = 1; i <= columns; i++) {
          names.add(found.getMetaData().getColumnLabel(i));
        }
        rows.addFirst(names);
      }
    }
    return rows;
  }

  private static String cell(@Nullable Object value) {
    return switch (value) {
      case null -> "-";
      case Double number -> String.format(Locale.ROOT, "%.2f", number);
      case java.math.BigDecimal number -> String.format(Locale.ROOT, "%.2f", number);
      default -> value.toString().replaceAll("\\s+", " ");
    };
  }

  private static void table(PrintStream out, List<List<String>> rows) {
    int columns = rows.getFirst().size();
    int[] widths = new int[columns];
    for (List<String> row : rows) {
      for (int i = 0; i < columns; i++) {
        widths[i] = Math.max(widths[i], row.get(i).length());
      }
    }
    for (List<String> row : rows) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < columns; i++) {
        line.append(row.get(i)).repeat(' ', widths[i] - row.get(i).length() + 2);
      }
      out.println(line.toString().stripTrailing());
    }
  }
}
