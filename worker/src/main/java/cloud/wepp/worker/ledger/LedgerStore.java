package cloud.wepp.worker.ledger;

import cloud.wepp.rq.Event;
import cloud.wepp.rq.FaultPoint;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.flywaydb.core.api.configuration.FluentConfiguration;
import org.flywaydb.database.postgresql.PostgreSQLConfigurationExtension;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.json.JsonMapper;

/**
 * The schema {@code rq_worker} of one Postgres. Reaches Postgres when it is first used, and brings
 * the schema up to date then; every later use may follow an outage. Safe for many threads.
 */
public final class LedgerStore implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(LedgerStore.class);
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final int CONNECTIONS = 3;
  private static final int LONGEST_TEXT = 200;

  // Events leave Redis after the commit, so a commit must survive a crash of the server. And a lock
  // that somebody holds, or a server that is too slow, must be told rather than waited for.
  private static final String SESSION =
      "select set_config('lock_timeout', '5s', false), set_config('statement_timeout', '20s',"
          + " false), set_config('synchronous_commit',"
          + " coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on'), false)";

  private static final String READ_ONLY = "25006";

  // Claims begin with their time in ms, 12 hex digits.
  private static final String MEMORY =
      "select function, percentile_disc(0.95) within group (order by memory) from"
          + " rq_worker.execution where memory > 0 and function is not null and claim >="
          + " lpad(to_hex(((extract(epoch from now()) - ?) * 1000)::bigint), 12, '0') group by"
          + " function";

  private static final String PARK =
      "insert into rq_worker.event (source, stream_ms, stream_seq, event, job, fields)"
          + " values (?::uuid, ?, ?, 'unreadable', ?, ?::jsonb) on conflict do nothing";

  private final PostgresAccess access;
  private final HikariDataSource pool;
  private final Months months;
  private boolean migrated; // guarded by this

  /** Keeps the past for the usual time. */
  public LedgerStore(PostgresAccess access) {
    this(access, Months.Retention.USUAL);
  }

  public LedgerStore(PostgresAccess access, Months.Retention retention) {
    this.access = access;
    this.months = new Months(retention);
    HikariConfig config = new HikariConfig();
    config.setPoolName("ledger");
    config.setJdbcUrl(access.url());
    config.setUsername(access.user());
    config.setPassword(access.password());
    config.setMaximumPoolSize(CONNECTIONS);
    config.setMinimumIdle(0);
    config.setAutoCommit(false);
    config.setConnectionTimeout(3000);
    config.setConnectionInitSql(SESSION);
    config.setInitializationFailTimeout(-1); // Postgres may start later
    config.addDataSourceProperty("ApplicationName", "rq-worker");
    config.addDataSourceProperty("connectTimeout", "5");
    config.addDataSourceProperty("socketTimeout", "30");
    config.addDataSourceProperty("tcpKeepAlive", "true");
    pool = new HikariDataSource(config);
  }

  /** Brings the schema up to date, once. Throws {@link LedgerUnavailable}. */
  public synchronized void migrate() {
    if (migrated) {
      return;
    }
    // Not the pool: its socket timeout would end a long migration.
    FluentConfiguration flyway =
        Flyway.configure(LedgerStore.class.getClassLoader())
            .loggers("slf4j")
            .dataSource(access.url(), access.user(), access.password())
            .jdbcProperties(
                Map.of(
                    "ApplicationName", "rq-worker", "connectTimeout", "5", "socketTimeout", "600"))
            .ignoreMigrationPatterns("*:future") // of a later release that runs beside this one
            .defaultSchema("rq_worker")
            .locations("classpath:cloud/wepp/worker/ledger/migration");
    flyway
        .getConfigurationExtension(PostgreSQLConfigurationExtension.class)
        .setTransactionalLock(false);
    try {
      flyway.load().migrate();
      migrated = true;
    } catch (FlywayException e) {
      throw unavailable(e);
    }
  }

  /** A connection to the current schema, in a transaction; what is not committed is undone. */
  Connection connect() {
    migrate();
    try {
      return pool.getConnection();
    } catch (SQLException e) {
      throw unavailable(e);
    }
  }

  /**
   * What the processes of one job held at once, in 95 of 100 jobs of each function, in bytes.
   *
   * @param span how far back the jobs are looked at
   */
  public Map<String, Long> memory(Duration span) {
    Map<String, Long> memory = new HashMap<>();
    try (Connection connection = connect();
        PreparedStatement query = connection.prepareStatement(MEMORY)) {
      query.setLong(1, span.toSeconds());
      try (ResultSet rows = query.executeQuery()) {
        while (rows.next()) {
          memory.put(rows.getString(1), rows.getLong(2));
        }
      }
      return memory;
    } catch (SQLException e) {
      throw unavailable(e);
    }
  }

  /**
   * Makes room for the months to come and takes away what is old.
   *
   * @return whether there is more to take away
   */
  boolean tend() {
    migrate();
    // Not the pool: a look through an old table may take long.
    try (Connection connection = access.connect(120)) {
      connection.setAutoCommit(false);
      return months.tend(connection);
    } catch (SQLException e) {
      throw unavailable(e);
    }
  }

  /**
   * Writes events, each of them once however often it is called. An event that Postgres refuses is
   * kept as text, and the others as usual.
   */
  void write(List<Event> events) {
    try (Connection connection = connect()) {
      new Facts(events).write(connection);
      FaultPoint.LEDGER_WRITTEN.reached();
      connection.commit();
    } catch (SQLException e) {
      if (!isRefusal(e)) {
        if (READ_ONLY.equals(e.getSQLState())) {
          pool.getHikariPoolMXBean()
              .softEvictConnections(); // another server may be the primary now
        }
        throw unavailable(e);
      }
      if (events.size() == 1) {
        park(events.getFirst(), e);
      } else { // halves, until the culprit is alone
        int half = events.size() / 2;
        write(events.subList(0, half));
        write(events.subList(half, events.size()));
      }
    }
  }

  /** Whether the data is at fault and not the server: it will never be accepted. */
  private static boolean isRefusal(SQLException e) {
    String state = String.valueOf(e.getSQLState());
    return state.startsWith("21") // more than one row of a key
        || state.startsWith("22") // data exception
        || state.startsWith("23") // constraint violation
        || state.startsWith("54"); // program limit exceeded
  }

  private void park(Event event, SQLException why) {
    String id = ascii(event.text("job"));
    String job = id.substring(0, Math.min(id.length(), LONGEST_TEXT));
    String kept =
        JSON.createObjectNode()
            .put("fields", ascii(event.fields().toString()))
            .put("refused", ascii(String.valueOf(why.getMessage())))
            .toString();
    try (Connection connection = connect();
        PreparedStatement insert = connection.prepareStatement(PARK)) {
      insert.setString(1, event.source().toString());
      insert.setLong(2, event.millis());
      insert.setLong(3, event.sequence());
      insert.setString(4, job);
      insert.setString(5, kept);
      insert.executeUpdate();
      connection.commit();
    } catch (SQLException e) {
      throw unavailable(e);
    }
    LOG.warn(
        "Event {} of job {} was refused by Postgres ({}). It is kept as text.",
        event.id(),
        job,
        firstLine(why));
  }

  /** Printable text that no encoding can break. */
  private static String ascii(String text) {
    StringBuilder out = new StringBuilder(text.length());
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c >= ' ' && c <= '~') {
        out.append(c);
      } else {
        out.append("\\u%04x".formatted((int) c));
      }
    }
    return out.toString();
  }

  LedgerUnavailable unavailable(Exception e) {
    Throwable cause = e;
    while (cause.getCause() != null) {
      cause = cause.getCause();
    }
    return new LedgerUnavailable("Postgres at " + access.address() + ": " + firstLine(cause), e);
  }

  private static String firstLine(Throwable e) {
    String message = e.getMessage() == null ? e.toString() : e.getMessage();
    return message.lines().findFirst().orElse("");
  }

  @Override
  public void close() {
    pool.close();
  }
}
