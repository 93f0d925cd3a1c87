package cloud.wepp.worker.ledger;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Event;
import cloud.wepp.worker.testing.PostgresServer;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.flywaydb.core.Flyway;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The schema through the releases and the months. */
class LedgerSchemaIT {
  private static final UUID SOURCE = UUID.fromString("00000000-0000-0000-0000-000000000001");
  private static final long JULY_2026 = 1_783_000_000_000L;

  private PostgresServer postgres;
  private LedgerStore store;

  @BeforeEach
  void start() {
    postgres = PostgresServer.start();
    store = new LedgerStore(new PostgresAccess(postgres.url(), null, null));
  }

  @AfterEach
  void stop() {
    store.close();
    postgres.close();
  }

  private void migrateTo(String version) {
    Flyway.configure()
        .dataSource(postgres.url(), null, null)
        .defaultSchema("rq_worker")
        .locations("classpath:cloud/wepp/worker/ledger/migration")
        .target(version)
        .load()
        .migrate();
  }

  /** The statements of the first release, for a job that started, or has ended. */
  private void writeAsTheFirstRelease(String job, String claim, long millis, boolean ended)
      throws SQLException {
    String event = ended ? "finished" : "started";
    String at = ended ? "2026-07-02T10:00:05.000000Z" : "2026-07-02T10:00:00.000000Z";
    run(
        "insert into rq_worker.event as old (source, stream_ms, stream_seq, event, job, claim,"
            + " worker, at, fields)"
            + " select * from unnest(array['%s']::uuid[], array[%d]::int8[], array[0]::int8[],"
                .formatted(SOURCE, millis)
            + " array['%s']::text[], array['%s']::text[], array['%s']::text[], array['w']::text[],"
                .formatted(event, job, claim)
            + " array['%s']::timestamptz[], array['{}']::jsonb[]) on conflict do nothing"
                .formatted(at),
        "insert into rq_worker.job as old (id, queue, status, started_at, ended_at, last_ms,"
            + " last_seq)"
            + " select * from unnest(array['%s']::text[], array['q']::text[], array['%s']::text[],"
                .formatted(job, event)
            + " array[%s]::timestamptz[], array[%s]::timestamptz[], array[%d]::int8[], array[0]::int8[])"
                .formatted(ended ? "null" : "'" + at + "'", ended ? "'" + at + "'" : "null", millis)
            + " on conflict (id) do update set status = case when (excluded.last_ms,"
            + " excluded.last_seq) >= (old.last_ms, old.last_seq) then excluded.status else"
            + " old.status end, started_at = greatest(old.started_at, excluded.started_at),"
            + " ended_at = greatest(old.ended_at, excluded.ended_at), last_ms ="
            + " greatest(old.last_ms, excluded.last_ms)",
        "insert into rq_worker.execution as old (job, claim, worker, started_at, ended_at, event,"
            + " last_ms, last_seq)"
            + " select * from unnest(array['%s']::text[], array['%s']::text[], array['w']::text[],"
                .formatted(job, claim)
            + " array[%s]::timestamptz[], array[%s]::timestamptz[], array[%s]::text[], array[%d]::int8[],"
                .formatted(
                    ended ? "null" : "'" + at + "'",
                    ended ? "'" + at + "'" : "null",
                    ended ? "'finished'" : "null",
                    millis)
            + " array[0]::int8[]) on conflict (job, claim) do update set started_at ="
            + " greatest(old.started_at, excluded.started_at), ended_at = greatest(old.ended_at,"
            + " excluded.ended_at), event = coalesce(excluded.event, old.event), last_ms ="
            + " greatest(old.last_ms, excluded.last_ms)");
  }

  private static Event event(String job, String claim, long millis, boolean ended) {
    Map<String, String> fields = new HashMap<>();
    fields.put("event", ended ? "finished" : "started");
    fields.put("job", job);
    fields.put("claim", claim);
    fields.put("worker", "w");
    fields.put("queue", "q");
    fields.put("at", ended ? "2026-07-02T10:00:05.000000Z" : "2026-07-02T10:00:00.000000Z");
    return new Event(SOURCE, millis, 0, fields);
  }

  private static String claim(long millis) {
    return "%012x".formatted(millis) + "7abc8def01234567890a";
  }

  @Test
  void rowsOfTheFirstReleaseAreKept() throws Exception {
    migrateTo("1");
    run(
        "create role reader login",
        "grant usage on schema rq_worker to reader",
        "grant select on rq_worker.event, rq_worker.execution, rq_worker.history to reader");
    String old = "9f0c" + "0".repeat(28);
    writeAsTheFirstRelease("one", old, JULY_2026, false);
    writeAsTheFirstRelease("one", old, JULY_2026 + 5000, true);
    writeAsTheFirstRelease("ahead", "f".repeat(32), 4_000_000_000_000L, false);
    store.migrate();
    assertThat(store.tend()).isFalse();
    assertThat(rows("select tableoid::regclass, event from rq_worker.event order by stream_ms"))
        .containsExactly(
            "rq_worker.event_before started",
            "rq_worker.event_before finished",
            "rq_worker.event_rest started");
    assertThat(
            rows(
                "select id, status, executions, claim = '"
                    + old
                    + "' from rq_worker.history"
                    + " where id = 'one'"))
        .containsExactly("one finished 1 t");
    store.write(
        List.of(event("one", old, JULY_2026, false), event("one", old, JULY_2026 + 5000, true)));
    assertThat(rows("select count(*) from rq_worker.event")).containsExactly("3");
    assertThat(rows("select count(*) from rq_worker.execution")).containsExactly("2");
    assertThat(printed("one")).contains("finished", "started");
    run(
        "set role reader",
        "select * from rq_worker.history",
        "select * from rq_worker.event",
        "select * from rq_worker.execution");
  }

  @Test
  void twoReleasesWriteTheEventsOfOneJob() throws Exception {
    store.migrate();
    store.tend();
    String timed = claim(JULY_2026);
    String untimed = "e".repeat(32);
    for (int round = 0; round < 2; round++) {
      writeAsTheFirstRelease("a", timed, JULY_2026, false);
      store.write(List.of(event("a", timed, JULY_2026 + 1, true)));
      store.write(List.of(event("b", untimed, JULY_2026 + 2, false)));
      writeAsTheFirstRelease("b", untimed, JULY_2026 + 3, true);
    }
    assertThat(
            rows(
                "select id, status, executions, claim is not null, event, started_at < ended_at"
                    + " from rq_worker.history order by id"))
        .containsExactly("a finished 1 t finished t", "b finished 1 t finished t");
    assertThat(rows("select count(*) from rq_worker.event")).containsExactly("4");
  }

  @Test
  void eachRowGoesIntoItsMonthAndIsFoundThereAgain() throws Exception {
    store.migrate();
    long now = Long.parseLong(rows("select (extract(epoch from now()) * 1000)::bigint").getFirst());
    long next = now + Duration.ofDays(31).toMillis();
    for (long at : List.of(now, next)) { // before there are months
      store.write(List.of(event("early" + at, claim(at), at, false)));
    }
    assertThat(rows("select distinct tableoid::regclass from rq_worker.execution"))
        .containsExactly("rq_worker.execution_rest");
    store.tend();
    store.tend();
    for (long at : List.of(now, next)) {
      store.write(List.of(event("early" + at, claim(at), at, false)));
      store.write(List.of(event("early" + at, claim(at), at + 1, true)));
    }
    String month = "to_char(to_timestamp(%d / 1000.0) at time zone 'UTC', 'YYYY_MM')";
    for (long at : List.of(now, next)) {
      assertThat(
              rows(
                  "select tableoid::regclass::text = 'rq_worker.execution_' || "
                      + month.formatted(at)
                      + ", event from rq_worker.execution where job = 'early"
                      + at
                      + "'"))
          .containsExactly("t finished");
    }
    assertThat(
            rows(
                "select distinct tableoid::regclass::text = 'rq_worker.event_' || "
                    + month.formatted(next)
                    + " from rq_worker.event where job = 'early"
                    + next
                    + "'"))
        .containsExactly("t");
    assertThat(rows("select count(*) from rq_worker.event")).containsExactly("4");
    assertThat(rows("select count(*) from rq_worker.execution_rest")).containsExactly("0");
    assertThat(
            rows(
                "select count(*) from pg_inherits where inhparent ="
                    + " 'rq_worker.execution'::regclass"))
        .containsExactly("4");
  }

  @Test
  void whatIsOldGoes() throws Exception {
    store.migrate();
    run(
        "alter table rq_worker.event detach partition rq_worker.event_before",
        "create table rq_worker.event_2020_01 partition of rq_worker.event for values from (0) to"
            + " (1580515200000)",
        "create table rq_worker.execution_2020_01 partition of rq_worker.execution for values from"
            + " ('016f5e66e800') to ('016ffe0c0c00')");
    long january = 1_578_000_000_000L;
    String untimed = "e".repeat(32);
    store.write(
        List.of(
            event("old", claim(january), january, false),
            event("older", untimed, january + 1, true),
            event("new", claim(JULY_2026), 4_000_000_000_000L, false)));
    run("update rq_worker.job set started_at = '2020-01-02' where id = 'old'");
    assertThat(store.tend()).isFalse();
    assertThat(rows("select id from rq_worker.job")).containsExactly("new");
    assertThat(rows("select job from rq_worker.execution")).containsExactly("new");
    assertThat(rows("select job from rq_worker.event")).containsExactly("new");
    assertThat(
            rows(
                "select to_regclass('rq_worker.event_2020_01'),"
                    + " to_regclass('rq_worker.execution_2020_01')"))
        .containsExactly("null null");
  }

  /** Behind a pooler each transaction may get another session. */
  @Test
  void oneProcessTendsAtATimeAndNothingOutlastsItsTransactions() throws Exception {
    store.migrate();
    String months =
        "select count(*) from pg_inherits where inhparent = 'rq_worker.event'::regclass";
    int before = Integer.parseInt(rows(months).getFirst());
    try (Connection session = DriverManager.getConnection(postgres.url());
        Statement statement = session.createStatement()) {
      session.setAutoCommit(false);
      statement.execute("select pg_advisory_xact_lock(hashtext('rq_worker months'))");
      assertThat(store.tend()).isFalse();
      assertThat(rows(months)).containsExactly(Integer.toString(before));
      session.rollback();
      assertThat(new Months(Months.Retention.USUAL).tend(session)).isFalse();
      assertThat(rows(months)).as("two months ahead").containsExactly(Integer.toString(before + 2));
      assertThat(rows("select count(*) from pg_locks where locktype = 'advisory'"))
          .containsExactly("0");
      try (ResultSet timeout = statement.executeQuery("show lock_timeout")) {
        assertThat(timeout.next()).isTrue();
        assertThat(timeout.getString(1)).isEqualTo("0");
      }
    }
  }

  @Test
  void anOlderReleaseStartsInASchemaOfALaterOne() throws Exception {
    store.migrate();
    run(
        "insert into rq_worker.flyway_schema_history select 99, '99', 'of a later release', type,"
            + " 'V99__x.sql', 1, installed_by, installed_on, 1, true from"
            + " rq_worker.flyway_schema_history where version = '1'",
        "alter table rq_worker.event add column invented text");
    try (LedgerStore older = new LedgerStore(new PostgresAccess(postgres.url(), null, null))) {
      older.migrate();
      older.write(List.of(event("one", claim(JULY_2026), JULY_2026, false)));
    }
    assertThat(rows("select status from rq_worker.job")).containsExactly("started");
  }

  @Test
  void eventsAndFieldsOfALaterReleaseAreKept() throws Exception {
    Event later =
        new Event(
            SOURCE,
            JULY_2026,
            7,
            Map.of(
                "event",
                "invented",
                "job",
                "one",
                "at",
                "2026-07-02T10:00:00.000000Z",
                "new",
                "x"));
    store.write(List.of(later));
    assertThat(rows("select event, job, fields from rq_worker.event"))
        .containsExactly("invented one {\"new\": \"x\"}");
  }

  private String printed(String job) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    new History(store).print(new PrintStream(bytes, true, UTF_8), null, job, 20);
    return bytes.toString(UTF_8);
  }

  private void run(String... statements) throws SQLException {
    try (Connection connection = DriverManager.getConnection(postgres.url());
        Statement statement = connection.createStatement()) {
      for (String one : statements) {
        statement.execute(one);
      }
    }
  }

  private List<String> rows(String query) throws SQLException {
    try (Connection connection = DriverManager.getConnection(postgres.url());
        Statement statement = connection.createStatement();
        ResultSet found = statement.executeQuery(query)) {
      List<String> rows = new ArrayList<>();
      while (found.next()) {
        List<String> cells = new ArrayList<>();
        for (int i = 1; i <= found.getMetaData().getColumnCount(); i++) {
          cells.add(String.valueOf(found.getString(i)));
        }
        rows.add(String.join(" ", cells));
      }
      return rows;
    }
  }
}
