package cloud.wepp.worker.ledger;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.YearMonth;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes the partitions of the months to come, and takes away what is older than it may get. Many
 * processes may do so; one of them does. By Postgres' clock.
 */
public final class Months {
  private static final Logger LOG = LoggerFactory.getLogger(Months.class);
  private static final int AHEAD = 2;
  private static final int PAGE = 10_000;
  private static final int PAGES = 20;
  private static final Pattern UPPER = Pattern.compile("TO \\('?([0-9a-f]+)'?\\)");

  // Both end with the transaction: a pooler may give the next one to another session.
  private static final String ALONE =
      "select set_config('lock_timeout', '5s', true),"
          + " pg_try_advisory_xact_lock(hashtext('rq_worker months'))";
  private static final String PARTITIONS =
      "select child.relname, pg_get_expr(child.relpartbound, child.oid) from pg_inherits"
          + " join pg_class child on child.oid = inhrelid where inhparent = ?::regclass";
  private static final String JOBS =
      "delete from rq_worker.job where id = any (array("
          + "select id from (select id from rq_worker.job"
          + " where started_at < to_timestamp(? / 1000.0) and last_ms < ? union all"
          + " select id from rq_worker.job where started_at is null and last_ms < ?) old limit ?))";

  private final Retention retention;

  /**
   * How long the past is kept.
   *
   * @param jobs and their executions
   * @param events the single state changes, with the jobs' payloads
   */
  public record Retention(Duration jobs, Duration events) {
    public static final Retention USUAL = new Retention(Duration.ofDays(730), Duration.ofDays(90));
  }

  /** A table by month, and how a time is spelled in its partition key. */
  private enum ByMonth {
    EVENT("stream_ms", "stream_ms") {
      @Override
      String bound(long millis) {
        return Long.toString(millis);
      }

      @Override
      long millis(String bound) {
        return Long.parseLong(bound);
      }
    },
    EXECUTION("claim", "last_ms"),
    PROCESS("claim", "last_ms");

    final String table = name().toLowerCase(Locale.ROOT);
    final String key;
    final String age;

    ByMonth(String key, String age) {
      this.key = key;
      this.age = age;
    }

    /** As the claims begin. */
    String bound(long millis) {
      return "'%012x'".formatted(millis);
    }

    long millis(String bound) {
      return Long.parseLong(bound, 16);
    }
  }

  /** A partition whose times end before {@code end}, ms since 1970. */
  private record Partition(String name, long end) {}

  Months(Retention retention) {
    this.retention = retention;
  }

  /**
   * Does what is due, in transactions of its own, unless another process does.
   *
   * @return whether old rows may be left to delete
   */
  boolean tend(Connection connection) throws SQLException {
    if (!alone(connection)) {
      return false;
    }
    long now = now(connection);
    long jobs = now - retention.jobs().toMillis();
    tend(connection, ByMonth.EVENT, now, now - retention.events().toMillis());
    tend(connection, ByMonth.EXECUTION, now, jobs);
    tend(connection, ByMonth.PROCESS, now, jobs);
    connection.commit();
    boolean more = delete(connection, JOBS, jobs, jobs, jobs);
    more |= deleteRest(connection, ByMonth.EVENT, now - retention.events().toMillis());
    more |= deleteRest(connection, ByMonth.EXECUTION, jobs);
    more |= deleteRest(connection, ByMonth.PROCESS, jobs);
    return more;
  }

  /** Whether no other process does this now; for the current transaction. */
  private static boolean alone(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet answer = statement.executeQuery(ALONE)) {
      return answer.next() && answer.getBoolean(2);
    }
  }

  private static long now(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet answer =
            statement.executeQuery("select (extract(epoch from now()) * 1000)::bigint")) {
      answer.next();
      return answer.getLong(1);
    }
  }

  private static void tend(Connection connection, ByMonth by, long now, long oldest)
      throws SQLException {
    List<Partition> partitions = partitions(connection, by);
    long end = partitions.stream().mapToLong(Partition::end).max().orElse(0);
    YearMonth first = YearMonth.from(Instant.ofEpochMilli(now).atZone(ZoneOffset.UTC));
    for (int ahead = 0; ahead <= AHEAD; ahead++) {
      YearMonth month = first.plusMonths(ahead);
      if (start(month) >= end) {
        make(connection, by, month);
      }
    }
    for (Partition partition : partitions) {
      if (partition.end() <= oldest) {
        execute(connection, "drop table rq_worker." + partition.name());
        LOG.info(
            "Table rq_worker.{} is dropped: all in it is older than is kept.", partition.name());
      }
    }
  }

  private static long start(YearMonth month) {
    return month.atDay(1).atStartOfDay().toInstant(ZoneOffset.UTC).toEpochMilli();
  }

  private static List<Partition> partitions(Connection connection, ByMonth by) throws SQLException {
    List<Partition> found = new ArrayList<>();
    try (PreparedStatement query = connection.prepareStatement(PARTITIONS)) {
      query.setString(1, "rq_worker." + by.table);
      try (ResultSet rows = query.executeQuery()) {
        while (rows.next()) {
          Matcher upper = UPPER.matcher(rows.getString(2));
          if (upper.find()) { // the default partition has none
            found.add(new Partition(rows.getString(1), by.millis(upper.group(1))));
          }
        }
      }
    }
    return found;
  }

  /** Rows of the month may be in the default partition already, after a time without a worker. */
  private static void make(Connection connection, ByMonth by, YearMonth month) throws SQLException {
    String name = by.table + "_" + month.toString().replace('-', '_');
    String from = by.bound(start(month));
    String to = by.bound(start(month.plusMonths(1)));
    execute(
        connection,
        "create table rq_worker.%s (like rq_worker.%s including defaults including indexes) with (fillfactor = %d)"
            .formatted(name, by.table, by == ByMonth.EVENT ? 100 : 80));
    execute(
        connection,
        "with early as (delete from rq_worker.%1$s_rest where %2$s >= %3$s and %2$s < %4$s returning *) insert into rq_worker.%5$s select * from early"
            .formatted(by.table, by.key, from, to, name));
    execute(
        connection,
        "alter table rq_worker.%s attach partition rq_worker.%s for values from (%s) to (%s)"
            .formatted(by.table, name, from, to));
    LOG.debug("Table rq_worker.{} is made.", name);
  }

  private static boolean deleteRest(Connection connection, ByMonth by, long oldest)
      throws SQLException {
    String rest =
        "delete from rq_worker.%1$s where ctid = any (array(select ctid from rq_worker.%1$s where %2$s < ? limit ?))"
            .formatted(by.table + "_rest", by.age);
    return delete(connection, rest, oldest);
  }

  /**
   * A page a transaction, and so many pages, until another process does it. Returns whether there
   * may be more.
   */
  private static boolean delete(Connection connection, String sql, long... oldest)
      throws SQLException {
    try (PreparedStatement delete = connection.prepareStatement(sql)) {
      for (int i = 0; i < oldest.length; i++) {
        delete.setLong(i + 1, oldest[i]);
      }
      delete.setInt(oldest.length + 1, PAGE);
      for (int page = 0; page < PAGES; page++) {
        if (!alone(connection)) {
          return true;
        }
        int deleted = delete.executeUpdate();
        connection.commit();
        if (deleted < PAGE) {
          return false;
        }
      }
      return true;
    }
  }

  private static void execute(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }
}
