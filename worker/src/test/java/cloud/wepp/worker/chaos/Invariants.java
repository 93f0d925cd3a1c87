package cloud.wepp.worker.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Event;
import cloud.wepp.rq.EventStream;
import cloud.wepp.rq.MalformedJob;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.ResultCodec;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.ledger.Ledger;
import cloud.wepp.worker.ledger.LedgerStore;
import cloud.wepp.worker.ledger.PostgresAccess;
import cloud.wepp.worker.testing.PostgresServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** What holds after every drill, whoever died when. */
final class Invariants {
  private static final Duration LONGEST = Duration.ofSeconds(60);

  private final RedisServer redis;
  private final PostgresServer postgres;

  Invariants(RedisServer redis, PostgresServer postgres) {
    this.redis = redis;
    this.postgres = postgres;
  }

  /** Returns when every job has a result. */
  void awaitResults(List<String> jobs) {
    long deadline = System.nanoTime() + LONGEST.toNanos();
    for (String job : jobs) {
      String found = "";
      while (found.isEmpty()) {
        assertThat(System.nanoTime()).as("job " + job + " has no result").isLessThan(deadline);
        found = redis.ask("XREAD", "BLOCK", "5000", "STREAMS", "rq:results:" + job, "0");
      }
    }
  }

  /** Returns when no claim is held: the last of what a dead worker left was taken over. */
  void awaitNoClaim() {
    until("no claim is held", () -> redis.ask("ZCARD", "rq:wepp:leases").equals("0"));
  }

  /** For what nobody tells of; looks again and again. */
  static void until(String what, BooleanSupplier holds) {
    long deadline = System.nanoTime() + LONGEST.toNanos();
    while (!holds.getAsBoolean()) {
      assertThat(System.nanoTime()).as("waited in vain until " + what).isLessThan(deadline);
      LockSupport.parkNanos(5_000_000);
    }
  }

  /** Carries all events that are left to Postgres, also those that a dead worker had read. */
  void carryEvents() throws InterruptedException {
    Semaphore carried = new Semaphore(0);
    try (RedisAccess access = new RedisAccess(redis.url(), null, RedisAccess.USUAL_TIMEOUT);
        LedgerStore store = new LedgerStore(new PostgresAccess(postgres.url(), null, null));
        Ledger ledger =
            new Ledger(
                new EventStream(access, "rq", "ledger", "invariants"),
                store,
                new Ledger.Timing(Duration.ZERO, Duration.ofMillis(1), Duration.ofSeconds(3)),
                new Ledger.Listener() {
                  @Override
                  public void kept(List<Event> events) {
                    carried.release();
                  }

                  @Override
                  public void stalled(String why) {}
                })) {
      ledger.start();
      while (!redis.ask("XLEN", "rq:wepp:events").equals("0")) {
        assertThat(carried.tryAcquire(LONGEST.toSeconds(), TimeUnit.SECONDS))
            .as("events that nobody carries to Postgres")
            .isTrue();
      }
    }
  }

  /** Each job is in one place, and has ended once; nothing is left of any claim. */
  void assertEachFinishedOnce(List<String> jobs) throws SQLException {
    assertEachFinishedOnce(jobs, 0);
  }

  /**
   * The same where others end jobs too, of which the history knows nothing.
   *
   * @param byOthers how many
   */
  void assertEachFinishedOnce(List<String> jobs, long byOthers) throws SQLException {
    for (String job : jobs) {
      assertThat(redis.ask("HGET", "rq:job:" + job, "status"))
          .as(() -> job + ": " + error(job))
          .isEqualTo("finished");
      assertThat(redis.ask("XLEN", "rq:results:" + job)).as("results of " + job).isEqualTo("1");
      assertThat(redis.ask("ZSCORE", "rq:finished:default", job)).as(job).isNotEmpty();
      assertThat(redis.ask("EXISTS", "rq:executions:" + job)).as(job).isEqualTo("0");
    }
    assertThat(redis.ask("ZCARD", "rq:finished:default")).isEqualTo(Integer.toString(jobs.size()));
    for (String empty : List.of("rq:wip:default", "rq:wepp:leases", "rq:failed:default")) {
      assertThat(redis.ask("ZCARD", empty)).as(empty).isEqualTo("0");
    }
    assertThat(redis.ask("LLEN", "rq:queue:default")).isEqualTo("0");
    assertThat(redis.ask("KEYS", "rq:execution:*")).isEmpty();
    assertThat(ask("select count(*) from job where status = 'finished'"))
        .as("jobs in Postgres")
        .isEqualTo(jobs.size() - byOthers);
    assertThat(ask("select count(*) from event where event = 'finished'"))
        .as("ends in Postgres")
        .isEqualTo(jobs.size() - byOthers);
    assertThat(ask("select count(*) from execution where event is null"))
        .as("executions without an end in Postgres")
        .isZero();
    assertThat(ask("select count(*) from event where event = 'started'"))
        .as("starts in Postgres")
        .isEqualTo(ask("select count(*) from execution"));
  }

  /** What is not as it must be, in numbers. */
  Tally.Toll toll(Watersheds work) throws IOException, SQLException {
    List<String> jobs = work.jobs();
    long finished =
        jobs.stream()
            .filter(job -> redis.ask("HGET", "rq:job:" + job, "status").equals("finished"))
            .count();
    long again =
        jobs.stream()
            .mapToLong(job -> Long.parseLong(redis.ask("XLEN", "rq:results:" + job)))
            .filter(results -> results > 1)
            .count();
    long ends = ask("select count(*) from event where event = 'finished'");
    long ended = ask("select count(distinct job) from event where event = 'finished'");
    return new Tally.Toll(
        jobs.size() - finished,
        work.doubled(),
        Math.max(again, ends - ended),
        states(work.folder()).size(),
        jobs.size() - ended + ask("select count(*) from execution where event is null"));
  }

  private String error(String job) {
    List<String> result =
        redis.ask("XREVRANGE", "rq:results:" + job, "+", "-", "COUNT", "1").lines().toList();
    int at = result.indexOf("exc_string");
    try {
      return at < 0 ? result.toString() : ResultCodec.traceback(result.get(at + 1));
    } catch (MalformedJob e) {
      return e + " of " + result;
    }
  }

  /** No process works below this folder any more. */
  static void assertNothingRunsIn(Path folder) {
    assertThat(states(folder)).as("processes that outlive their job").isEmpty();
  }

  /** The states of the processes that work below this folder, as the kernel names them. */
  static List<String> states(Path folder) {
    List<String> found = new ArrayList<>();
    try (var processes = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
      for (Path process : processes) {
        try {
          if (Files.readSymbolicLink(process.resolve("cwd")).startsWith(folder)) {
            String stat = Files.readString(process.resolve("stat"));
            found.add(stat.substring(stat.lastIndexOf(')') + 2).substring(0, 1));
          }
        } catch (IOException gone) {
          // it has ended
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return found;
  }

  /** A number from the history. */
  long ask(String query) throws SQLException {
    try (Connection connection = DriverManager.getConnection(postgres.url());
        Statement statement = connection.createStatement()) {
      statement.execute("set search_path to rq_worker");
      try (ResultSet result = statement.executeQuery(query)) {
        result.next();
        return result.getLong(1);
      }
    }
  }

  /** Forgets everything. */
  void forget() throws SQLException {
    redis.ask("FLUSHALL");
    forgetHistory();
  }

  void forgetHistory() throws SQLException {
    try (Connection connection = DriverManager.getConnection(postgres.url());
        Statement statement = connection.createStatement()) {
      statement.execute("drop schema if exists rq_worker cascade");
    }
  }
}
