package cloud.wepp.worker.ledger;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import cloud.wepp.rq.Claim;
import cloud.wepp.rq.Ended;
import cloud.wepp.rq.Event;
import cloud.wepp.rq.EventStream;
import cloud.wepp.rq.JobActions;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.Settlement;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.testing.PostgresServer;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Events of real jobs reach a real Postgres, each once, whatever happens on the way. */
class LedgerIT {
  private static final Ledger.Timing QUICK =
      new Ledger.Timing(Duration.ofMillis(10), Duration.ofMillis(200), Duration.ofSeconds(10));
  private static final UUID SOURCE = UUID.fromString("00000000-0000-0000-0000-000000000001");

  private static RedisServer redisServer;
  private static PostgresServer postgres;
  private static RedisAccess redis;
  private static LedgerStore store;

  private final String prefix = "rq" + UUID.randomUUID(); // a stream of its own for each test
  private final String queue = "q" + UUID.randomUUID();
  private JobQueue jobs;
  private final BlockingQueue<List<Event>> kept = new LinkedBlockingQueue<>();
  private final BlockingQueue<String> stalls = new LinkedBlockingQueue<>();

  @BeforeAll
  static void start() {
    redisServer = RedisServer.start();
    postgres = PostgresServer.start();
    redis = new RedisAccess(redisServer.url(), null, RedisAccess.USUAL_TIMEOUT);
    store = new LedgerStore(new PostgresAccess(postgres.url(), null, null));
  }

  @AfterAll
  static void stop() {
    store.close();
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
  }

  @AfterEach
  void close() {
    jobs.close();
  }

  @Test
  void aJobsLifeIsOneRowPerJobExecutionAndEvent() throws Exception {
    String id = enqueue();
    try (Ledger _ = ledger("a")) {
      run(new Settlement.Retry(Duration.ZERO), "{\"cause\":\"exit\",\"exit\":1,\"error\":\"no\"}");
      run(
          new Settlement.Finish("", Duration.ofSeconds(500)),
          "{\"wall_s\":1.5,\"cause\":\"returned\",\"processes\":2,\"exit\":0,\"user_s\":1.25,"
              + "\"system_s\":0.25,\"peak_rss\":3000000,\"read_bytes\":4,\"written_bytes\":5}");
      awaitKept(4);
    }

    assertThat(waiting()).isZero();
    assertThat(
            row(
                "select queue, function, run, description, status, enqueued_at is not null,"
                    + " started_at < ended_at from rq_worker.job where id = ?",
                id))
        .containsExactly(queue, "m.f", "run-1", "f()", "finished", "t", "t");
    assertThat(
            rows(
                "select event, worker, cause, error, exit, peak_rss, user_s, system_s, wall_s,"
                    + " processes, read_bytes, written_bytes from rq_worker.execution"
                    + " where job = ? order by last_ms, last_seq",
                id))
        .containsExactly(
            "retried w exit no 1 null null null null null null null",
            "finished w returned null 0 3000000 1.25 0.25 1.5 2 4 5");
    assertThat(
            rows(
                "select event from rq_worker.event where job = ? order by stream_ms, stream_seq",
                id))
        .containsExactly("started", "retried", "started", "finished");
    assertThat(row("select executions, exit from rq_worker.history where id = ?", id))
        .containsExactly("2", "0");
  }

  @Test
  void everyProcessIsARow() throws Exception {
    String id = enqueue();
    try (Ledger _ = ledger("a")) {
      Claim claim = jobs.take(jobs.request(queue, "w", List.of())).orElseThrow();
      jobs.note(claim, "processes", "[[1,\"p 1\",\"memory\",-9,0.5,12.1,11,1,9000000,4,5,6,7]]");
      jobs.settle(
          claim,
          new Settlement.Finish("", Duration.ofSeconds(500)),
          new Ended(
              InstantSource.system().instant(),
              "m.big",
              "",
              "{\"processes\":2,\"memory\":12000000,\"list\":[[2,\"p"
                  + " 2\",\"exited\",0,13,1.5,1,0.5,3000000,0,0,1,2],[\"bad\"]]}"));
      awaitKept(3);
    }
    assertThat(
            rows(
                "select n, name, cause, exit, started_s, wall_s, user_s, system_s, peak_rss,"
                    + " read_bytes, written_bytes, waits, preemptions from rq_worker.process where"
                    + " job = ? order by n",
                id))
        .containsExactly(
            "1 p 1 memory -9 0.5 12.1 11 1 9000000 4 5 6 7",
            "2 p 2 exited 0 13 1.5 1 0.5 3000000 0 0 1 2");
    assertThat(
            rows(
                "select jsonb_exists(fields, 'processes'), fields->'detail'->'list' from"
                    + " rq_worker.event where job = ?",
                id))
        .as("the rows are not kept with the events, too")
        .allMatch(fields -> fields.equals("f null"));
    assertThat(store.memory(Duration.ofDays(1))).containsEntry("m.big", 12_000_000L);
  }

  @Test
  void whatAnOperatorDidIsNoEndOfAnExecution() throws Exception {
    String id = enqueue();
    try (Ledger _ = ledger("a");
        JobActions actions = new JobActions(redis, prefix, InstantSource.system())) {
      run(new Settlement.Fail("", Duration.ofSeconds(500)), "{}");
      awaitKept(2);
      String ended = "select ended_at from rq_worker.job where id = ?";
      List<String> before = row(ended, id);
      JobActions.Target target = new JobActions.Target(id, "m.f", "run-1", false);
      assertThat(actions.requeue(target).deed()).isEqualTo(JobActions.Deed.REQUEUED);
      assertThat(actions.cancel(target).deed()).isEqualTo(JobActions.Deed.CANCELED);
      awaitKept(2);
      assertThat(row(ended, id)).isEqualTo(before);
    }

    assertThat(row("select status, function, run from rq_worker.job where id = ?", id))
        .containsExactly("canceled", "m.f", "run-1");
    assertThat(row("select executions from rq_worker.history where id = ?", id))
        .containsExactly("1");
    assertThat(
            rows(
                "select event from rq_worker.event where job = ? order by stream_ms, stream_seq",
                id))
        .containsExactly("started", "failed", "requeued", "canceled");
  }

  @Test
  void everyOrderAndEveryRepetitionEndsInTheSameRows() throws Exception {
    List<String> outcomes = new ArrayList<>();
    for (int trial = 0; trial < 12; trial++) {
      String id = "j" + UUID.randomUUID();
      List<Event> events = lifeOf(id);
      List<Event> shuffled = new ArrayList<>(events);
      shuffled.addAll(events);
      Collections.shuffle(shuffled, new java.util.Random(trial));
      for (Event event : shuffled) {
        store.write(List.of(event));
      }
      store.write(shuffled);
      outcomes.add(
          rows(
                      "select queue, status, description, function, enqueued_at, started_at,"
                          + " ended_at, last_ms, last_seq, executions, exit from rq_worker.history"
                          + " where id = ?",
                      id)
                  .toString()
              + rows(
                  "select claim, started_at, ended_at, event, exit, last_ms from"
                      + " rq_worker.execution where job = ? order by claim",
                  id)
              + rows("select count(*) from rq_worker.event where job = ?", id));
    }
    assertThat(outcomes.stream().distinct()).singleElement().asString().contains("finished");
  }

  @Test
  void aLateStartDoesNotReopenAFinishedJob() throws Exception {
    String id = "j" + UUID.randomUUID();
    List<Event> life = lifeOf(id);
    store.write(life.subList(3, 4));
    store.write(life.subList(2, 3));
    assertThat(row("select status from rq_worker.job where id = ?", id))
        .containsExactly("finished");
  }

  @Test
  void eventsWaitWhilePostgresIsAwayAndNoneIsLost() throws Exception {
    try (PostgresServer own = PostgresServer.start();
        LedgerStore ownStore = new LedgerStore(new PostgresAccess(own.url(), null, null));
        Ledger _ = ledger("a", ownStore)) {
      finishJobs(3);
      awaitKept(6);
      own.stop();
      finishJobs(2);
      assertThat(stalls.poll(30, TimeUnit.SECONDS)).contains("Postgres at 127.0.0.1:");
      finishJobs(2);
      assertThat(waiting()).isEqualTo(8);
      own.resume();
      awaitKept(8);
      try (Connection connection = ownStore.connect()) {
        assertThat(rows(connection, "select count(*) from rq_worker.event")).containsExactly("14");
        assertThat(rows(connection, "select count(*) from rq_worker.job where status = 'finished'"))
            .containsExactly("7");
      }
    }
    assertThat(waiting()).isZero();
  }

  @Test
  void whatPostgresRefusesIsKeptAsText() throws Exception {
    String nul = "nul\0" + UUID.randomUUID();
    String huge = "huge\u00e9" + noise(20_000); // too long for an index
    String surrogate = "s" + UUID.randomUUID();
    String good = "g" + UUID.randomUUID();
    store.write(
        List.of(
            event(1, nul, Map.of("event", "started", "at", "yesterday", "claim", "c\0")),
            event(2, huge, Map.of("event", "started")),
            event(3, surrogate, Map.of("event", "failed", "detail", "{\"error\":\"\\ud800\"}")),
            event(
                4,
                good,
                Map.of(
                    "event",
                    "failed",
                    "claim",
                    "c",
                    "detail",
                    "{\"error\":\"a\\u0000b\\\\u0000\",\"exit\":1e999}")),
            event(5, good, Map.of("event", "invented", "claim", "c")),
            event(6, good, Map.of())));

    assertThat(
            rows(
                "select event, coalesce(at::text, fields->>'at') from rq_worker.event where job ="
                    + " ?",
                nul.replace('\0', '\ufffd')))
        .containsExactly("started yesterday");
    assertThat(
            rows(
                "select fields->>'fields' from rq_worker.event"
                    + " where event = 'unreadable' and job like 'huge%'"))
        .singleElement()
        .asString()
        .contains(huge.substring(5), "huge\\u00e9");
    assertThat(rows("select event from rq_worker.event where stream_ms = 3")).hasSize(1);
    assertThat(row("select error, event from rq_worker.execution where job = ?", good))
        .containsExactly("a\ufffdb\\u0000", "failed");
    assertThat(row("select status from rq_worker.job where id = ?", good))
        .containsExactly("failed");
    assertThat(rows("select 1 from rq_worker.event where stream_ms <= 6")).hasSize(6);
  }

  @Test
  void twoLedgersShareTheEvents() throws Exception {
    int count = 300;
    try (Ledger _ = ledger("a");
        Ledger _ = ledger("b")) {
      finishJobs(count);
      awaitKept(2 * count);
    }
    assertThat(waiting()).isZero();
    assertThat(
            row(
                "select count(*), count(distinct e.job), max(j.status), min(j.status)"
                    + " from rq_worker.event e join rq_worker.job j on j.id = e.job"
                    + " where j.queue = ?",
                queue))
        .containsExactly(2 * count + "", count + "", "finished", "finished");
  }

  @Test
  void theEventsOfADeadConsumerAreTakenOver() throws Exception {
    try (EventStream dead = new EventStream(redis, prefix, "ledger", "dead")) {
      finishJobs(5);
      assertThat(dead.read(6, Duration.ofSeconds(1))).hasSize(6);
    }
    try (Ledger _ = ledger("a")) {
      awaitKept(10);
    }
    assertThat(waiting()).isZero();
    assertThat(rows("select count(*) from rq_worker.job where queue = ?", queue))
        .containsExactly("5");
  }

  @Test
  void closeWritesWhatIsLeftAndIsQuick() throws Exception {
    Ledger ledger = ledger("a");
    finishJobs(1);
    awaitKept(2);
    finishJobs(50);
    ledger.close();
    assertThat(waiting()).isZero();
    assertThat(rows("select count(*) from rq_worker.job where queue = ?", queue))
        .containsExactly("51");
  }

  @Test
  void manyPodsMayMakeTheSchemaAtOnce() throws Exception {
    try (PostgresServer own = PostgresServer.start();
        ExecutorService pods = Executors.newFixedThreadPool(4)) {
      List<Future<?>> starts = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        starts.add(
            pods.submit(() -> {
              try (var one = new LedgerStore(new PostgresAccess(own.url(), null, null))) {
                one.migrate();
              }
            }));
      }
      for (Future<?> start : starts) {
        start.get(60, TimeUnit.SECONDS);
      }
    }
  }

  @Test
  void aCommitSurvivesACrashOfTheServer() throws Exception {
    try (Connection connection = store.connect()) {
      assertThat(rows(connection, "show synchronous_commit")).containsExactly("on");
      connection.rollback();
      assertThat(rows(connection, "show synchronous_commit")).containsExactly("on");
    }
  }

  @Test
  void anUnreachablePostgresIsNamedWithoutSecrets() {
    try (var none =
        new LedgerStore(new PostgresAccess("postgres://u:hush@127.0.0.1:1/x", null, null))) {
      assertThatThrownBy(none::migrate)
          .isInstanceOf(LedgerUnavailable.class)
          .hasMessageStartingWith("Postgres at 127.0.0.1:1/x: ")
          .hasMessageNotContaining("hush");
    }
  }

  @Test
  void historyIsPrinted() throws Exception {
    String id = enqueue();
    try (Ledger _ = ledger("a")) {
      run(
          new Settlement.Fail("", Duration.ofSeconds(5)),
          "{\"wall_s\":2.5,\"cause\":\"exit\",\"error\":\"bad\\nsoil\",\"exit\":3,"
              + "\"user_s\":1,\"system_s\":1,\"peak_rss\":7000000}");
      awaitKept(2);
    }
    assertThat(printed("run-1", null).lines())
        .anySatisfy(line -> assertThat(line).contains(id, " f ", "run-1", "failed", " 3 ", "7.00"));
    assertThat(printed(null, id)).contains("bad soil", "started", "\"cause\": \"exit\"");
    assertThat(printed("nowhere", null)).isEqualTo("No job of run nowhere in the history.\n");
  }

  @Test
  void executionsAreComparedByHostAndFunction() throws Exception {
    try (Ledger _ = ledger("a")) {
      finishJobs(3);
      enqueue();
      assertThat(jobs.take(jobs.request(queue, "a-host-0a1b2c3d.4", List.of()))).isPresent();
      awaitKept(7);
    }
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream out = new PrintStream(bytes, true, UTF_8);
    new History(store).compare(out, Instant.EPOCH);
    new History(store).compare(out, Instant.ofEpochMilli(1L << 47));
    assertThat(bytes.toString(UTF_8).lines().map(line -> line.replaceAll(" +", " ")))
        .contains(
            "function executions finished failed otherwise median_s p95_s longest_s",
            "No job has begun since 6429-10-17T02:45:55.328Z.")
        .anyMatch(line -> line.matches("a-host 1 1 2.*"))
        .anyMatch(line -> line.matches("m\\.f 3 3 0 0 .*"));
  }

  private static String printed(
      @org.jspecify.annotations.Nullable String run,
      @org.jspecify.annotations.Nullable String job) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    new History(store).print(new PrintStream(bytes, true, UTF_8), run, job, 20);
    return bytes.toString(UTF_8);
  }

  private String enqueue() {
    return jobs.enqueue(queue, "data".getBytes(UTF_8), "f()", Duration.ofMinutes(3));
  }

  private void run(Settlement settlement, String detail) {
    Claim claim = jobs.take(jobs.request(queue, "w", List.of())).orElseThrow();
    Instant ended = claim.startedAt().plusMillis(1500);
    jobs.settle(claim, settlement, new Ended(ended, "m.f", "run-1", detail));
  }

  private void finishJobs(int count) {
    for (int i = 0; i < count; i++) {
      enqueue();
      run(new Settlement.Finish("", Duration.ofSeconds(500)), "{}");
    }
  }

  private Ledger ledger(String consumer) {
    return ledger(consumer, store);
  }

  private Ledger ledger(String consumer, LedgerStore into) {
    Ledger ledger =
        new Ledger(
            new EventStream(redis, prefix, "ledger", consumer),
            into,
            QUICK,
            new Ledger.Listener() {
              @Override
              public void kept(List<Event> events) {
                kept.add(events);
              }

              @Override
              public void stalled(String why) {
                stalls.add(why);
              }
            });
    ledger.start();
    return ledger;
  }

  /** Waits for so many events. A ledger that is slow may be told of some that another keeps too. */
  private void awaitKept(int events) throws InterruptedException {
    Set<String> seen = new HashSet<>();
    while (seen.size() < events) {
      List<Event> batch = kept.poll(60, TimeUnit.SECONDS);
      assertThat(batch).as("%s events after %s", events, seen.size()).isNotNull();
      batch.forEach(event -> seen.add(event.id()));
    }
    assertThat(seen).hasSize(events);
  }

  private long waiting() {
    try (EventStream stream = new EventStream(redis, prefix, "ledger", "onlooker")) {
      return stream.waiting();
    }
  }

  /** Text that does not compress. */
  private static String noise(int length) {
    return new java.util.Random(1)
        .ints(length, 'A', 'Z' + 1)
        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
        .toString();
  }

  /** Started, retried, started, finished. */
  private static List<Event> lifeOf(String id) {
    List<Event> events = new ArrayList<>();
    String at = "2026-11-24T01:02:0%d.000000Z";
    for (int i = 0; i < 4; i++) {
      Map<String, String> fields =
          Map.of(
              "event",
              List.of("started", "retried", "started", "finished").get(i),
              "claim",
              "c" + i / 2,
              "queue",
              "q",
              "at",
              at.formatted(i),
              i % 2 == 0 ? "enqueued_at" : "function",
              i % 2 == 0 ? at.formatted(i) : "f",
              "detail",
              "{\"exit\":" + i + "}");
      events.add(event(1000 + i, id, fields));
    }
    return events;
  }

  private static Event event(long millis, String job, Map<String, String> fields) {
    Map<String, String> all = new java.util.HashMap<>(fields);
    all.put("job", job);
    UUID source = millis < 1000 ? SOURCE : UUID.nameUUIDFromBytes(job.getBytes(UTF_8));
    return new Event(source, millis, 0, all);
  }

  private static List<String> row(String sql, String... arguments) throws SQLException {
    List<String> rows = rows(sql, arguments);
    assertThat(rows).hasSize(1);
    return List.of(rows.getFirst().split(" "));
  }

  private static List<String> rows(String sql, String... arguments) throws SQLException {
    try (Connection connection = store.connect()) {
      return rows(connection, sql, arguments);
    }
  }

  private static List<String> rows(Connection connection, String sql, String... arguments)
      throws SQLException {
    try (PreparedStatement query = connection.prepareStatement(sql)) {
      for (int i = 0; i < arguments.length; i++) {
        query.setString(i + 1, arguments[i]);
      }
      List<String> rows = new ArrayList<>();
      try (ResultSet found = query.executeQuery()) {
        while (found.next()) {
          List<String> cells = new ArrayList<>();
          for (int i = 1; i <= found.getMetaData().getColumnCount(); i++) {
            cells.add(String.valueOf(found.getString(i)));
          }
          rows.add(String.join(" ", cells));
        }
      }
      return rows;
    }
  }
}
