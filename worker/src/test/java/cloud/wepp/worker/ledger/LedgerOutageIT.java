package cloud.wepp.worker.ledger;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Claim;
import cloud.wepp.rq.Ended;
import cloud.wepp.rq.Event;
import cloud.wepp.rq.EventBacklog;
import cloud.wepp.rq.EventStream;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.Settlement;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.testing.PostgresServer;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Whatever Postgres does not do, jobs go on, and their events reach it afterwards, in order. */
class LedgerOutageIT {
  private static final Ledger.Timing QUICK =
      new Ledger.Timing(Duration.ofMillis(10), Duration.ofSeconds(60), Duration.ofSeconds(10));
  private static final Comparator<Event> STREAM_ORDER =
      Comparator.comparingLong(Event::millis).thenComparingLong(Event::sequence);

  private static RedisServer redisServer;
  private static PostgresServer postgres;
  private static RedisAccess redis;

  private final String prefix = "rq" + UUID.randomUUID();
  private final BlockingQueue<List<Event>> kept = new LinkedBlockingQueue<>();
  private final BlockingQueue<String> stalls = new LinkedBlockingQueue<>();
  private JobQueue jobs;
  private LedgerStore store;
  private Ledger ledger;

  @BeforeAll
  static void start() throws SQLException {
    redisServer = RedisServer.start();
    postgres = PostgresServer.start();
    redis = new RedisAccess(redisServer.url(), null, RedisAccess.USUAL_TIMEOUT);
    sql("create role app login", "grant create on database postgres to app");
  }

  @AfterAll
  static void stop() {
    redis.close();
    postgres.close();
    redisServer.close();
  }

  @BeforeEach
  void open() {
    jobs =
        new JobQueue(
            redis,
            prefix,
            new JobQueue.QueueTiming(Duration.ofSeconds(20), Duration.ofSeconds(90), 100_000),
            InstantSource.system());
    store = new LedgerStore(new PostgresAccess(postgres.url(), "app", null));
    ledger =
        new Ledger(
            new EventStream(redis, prefix, "ledger", "me"),
            store,
            QUICK,
            new Ledger.Listener() {
              @Override
              public void kept(List<Event> events) {
                kept.add(List.copyOf(events));
              }

              @Override
              public void stalled(String why) {
                stalls.add(why);
              }
            });
  }

  @AfterEach
  void close() {
    ledger.close();
    store.close();
    jobs.close();
  }

  @Test
  void itMayBeDownAtTheStart() throws Exception {
    postgres.stop();
    try {
      ledger.start();
      finishJobs(3);
      assertThat(stall()).contains("Connection refused").doesNotContain("\n");
    } finally {
      postgres.resume();
    }
    assertThat(awaitKept(6)).isSortedAccordingTo(STREAM_ORDER);
  }

  @Test
  void itCatchesUpInOrderAndInBatches() throws Exception {
    ledger.start();
    finishJobs(1);
    awaitKept(2);
    postgres.stop();
    try {
      finishJobs(1);
      stall();
      finishJobs(2500);
    } finally {
      postgres.resume();
    }
    List<Event> events = new ArrayList<>();
    int batches = 0;
    while (events.size() < 5002) {
      List<Event> batch = kept.poll(60, TimeUnit.SECONDS);
      assertThat(batch).as("after %s events", events.size()).isNotNull();
      events.addAll(batch);
      batches++;
    }
    assertThat(events).isSortedAccordingTo(STREAM_ORDER).doesNotHaveDuplicates();
    assertThat(batches).isLessThan(20);
    assertThat(count("select count(*) from rq_worker.job where status <> 'finished'")).isZero();
  }

  @Test
  void itMayBecomeReadOnly() throws Exception {
    ledger.start();
    finishJobs(1);
    awaitKept(2);
    sql("alter system set default_transaction_read_only = on", "select pg_reload_conf()");
    try {
      finishJobs(2);
      assertThat(stall()).contains("read-only");
      try (LedgerStore another = new LedgerStore(new PostgresAccess(postgres.url(), "app", null))) {
        another.migrate(); // a start meanwhile: there is nothing to write
      }
      finishJobs(2);
    } finally {
      sql("alter system reset default_transaction_read_only", "select pg_reload_conf()");
    }
    awaitKept(8);
  }

  @Test
  void itMayHaveNoConnectionLeft() throws Exception {
    ledger.start();
    finishJobs(1);
    awaitKept(2);
    sql(
        "alter role app connection limit 0",
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'");
    try {
      finishJobs(2);
      String why = stall();
      while (!why.contains("too many connections")) { // the first may be the lost connection
        why = stall();
      }
      finishJobs(2);
    } finally {
      sql("alter role app connection limit -1");
    }
    awaitKept(8);
  }

  @Test
  void aLockThatIsHeldHangsNobody() throws Exception {
    ledger.start();
    finishJobs(1);
    awaitKept(2);
    try (Connection other = DriverManager.getConnection(postgres.url());
        Statement lock = other.createStatement()) {
      other.setAutoCommit(false);
      lock.execute("lock table rq_worker.job in access exclusive mode");
      finishJobs(2);
      assertThat(stall()).contains("lock timeout");
      finishJobs(2);
    }
    assertThat(awaitKept(8)).isSortedAccordingTo(STREAM_ORDER);
  }

  @Test
  void whatWasDroppedIsInTheHistory() throws Exception {
    finishJobs(60);
    EventBacklog.Bound bound = new EventBacklog.Bound(100, EventBacklog.Full.DROP);
    try (EventBacklog backlog =
        new EventBacklog(redis, prefix, "ledger", bound, InstantSource.system())) {
      assertThat(backlog.look().dropped()).isEqualTo(21);
      assertThat(backlog.look().dropped()).isZero();
    }
    ledger.start();
    awaitKept(100);
    assertThat(
            count(
                "select (fields->>'count')::int from rq_worker.event where event ="
                    + " 'dropped_events'"))
        .isEqualTo(21);
  }

  private void finishJobs(int count) {
    for (int i : IntStream.range(0, count).toArray()) {
      jobs.enqueue("q", "data".getBytes(UTF_8), "job " + i, Duration.ofMinutes(3));
      Claim claim = jobs.take(jobs.request("q", "w", List.of())).orElseThrow();
      jobs.settle(
          claim,
          new Settlement.Finish("", Duration.ofSeconds(500)),
          new Ended(claim.startedAt().plusMillis(5), "m.f", "", "{}"));
    }
  }

  private String stall() throws InterruptedException {
    String why = stalls.poll(60, TimeUnit.SECONDS);
    assertThat(why).as("a stall").isNotNull();
    return why;
  }

  private List<Event> awaitKept(int count) throws InterruptedException {
    List<Event> events = new ArrayList<>();
    while (events.size() < count) {
      List<Event> batch = kept.poll(60, TimeUnit.SECONDS);
      assertThat(batch).as("%s events after %s", count, events.size()).isNotNull();
      events.addAll(batch);
    }
    assertThat(events).hasSize(count).doesNotHaveDuplicates();
    return events;
  }

  private static void sql(String... statements) throws SQLException {
    try (Connection connection = DriverManager.getConnection(postgres.url());
        Statement statement = connection.createStatement()) {
      statement.execute("set default_transaction_read_only = off");
      for (String one : statements) {
        statement.execute(one);
      }
    }
  }

  private static long count(String query) throws SQLException {
    try (Connection connection = DriverManager.getConnection(postgres.url());
        Statement statement = connection.createStatement();
        ResultSet found = statement.executeQuery(query)) {
      found.next();
      return found.getLong(1);
    }
  }
}
