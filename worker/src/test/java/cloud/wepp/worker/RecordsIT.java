package cloud.wepp.worker;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.InvalidConfig;
import cloud.wepp.worker.testing.PostgresServer;
import cloud.wepp.worker.testing.RecordingListener;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Workers that write the history, that leave it to others, and that have none. */
class RecordsIT {
  private static final String NOWHERE = "postgres.url=postgresql://127.0.0.1:1/none";

  private static RedisServer redis;
  private static RedisAccess access;
  private static JobQueue client;

  private final RecordingListener listener = new RecordingListener();

  @BeforeAll
  static void start() {
    redis = RedisServer.start();
    access = new RedisAccess(redis.url(), null, RedisAccess.USUAL_TIMEOUT);
    client =
        new JobQueue(
            access,
            "rq",
            new JobQueue.QueueTiming(Duration.ofSeconds(20), Duration.ofSeconds(90), 1_000_000),
            InstantSource.system());
  }

  @AfterAll
  static void stop() {
    client.close();
    access.close();
    redis.close();
  }

  @BeforeEach
  void empty() {
    redis.ask("FLUSHALL");
  }

  private static Worker worker(RecordingListener listener, String... sets) throws InvalidConfig {
    List<String> all =
        new ArrayList<>(
            List.of(
                "redis.url=" + redis.url(),
                "python.enabled=false",
                "routing.native-queues=default"));
    all.addAll(List.of(sets));
    return Worker.start(
        ConfigReader.read(null, Map.of(), all).config(),
        Map.of(),
        List.of(listener),
        InstantSource.system());
  }

  private static String enqueue() {
    Call call = new Call("cloud.wepp.noop", List.of(), Map.of());
    return client.enqueue("default", call.write(), "noop", Duration.ofMinutes(3));
  }

  @Test
  void anEmittingWorkerNeedsNoPostgresAndAnotherCarriesItsEvents() throws Exception {
    String job;
    try (Worker _ = worker(listener, "ledger.mode=emit", NOWHERE)) {
      job = enqueue();
      listener.awaitEnd(job);
      assertThat(listener.await(RecordingListener.Backlog.class, 1, told -> told.events() == 2))
          .hasSize(1);
    }
    RecordingListener other = new RecordingListener();
    try (PostgresServer postgres = PostgresServer.start();
        Worker _ = worker(other, "worker.queues=other,default", "postgres.url=" + postgres.url())) {
      other.awaitRecorded(job, "finished");
    }
    assertThat(redis.ask("XLEN", "rq:wepp:events")).isEqualTo("0");
  }

  @Test
  void withoutAHistoryNoEventStays() throws Exception {
    try (Worker _ = worker(listener, "ledger.mode=off", "ledger.max-events=1", NOWHERE)) {
      for (int i = 0; i < 10; i++) {
        listener.awaitEnd(enqueue());
      }
      int looks = (int) listener.count(RecordingListener.Backlog.class);
      assertThat(
              listener
                  .await(RecordingListener.Backlog.class, looks + 1, told -> true)
                  .getLast()
                  .events())
          .isZero();
    }
    assertThat(redis.ask("EXISTS", "rq:wepp:dropped")).isEqualTo("0");
  }

  @Test
  void withoutAHistoryTheEventsOfOthersStay() throws Exception {
    redis.ask("XGROUP", "CREATE", "rq:wepp:events", "ledger", "0", "MKSTREAM");
    redis.ask("XGROUP", "CREATECONSUMER", "rq:wepp:events", "ledger", "somebody");
    redis.ask("XADD", "rq:wepp:events", "*", "event", "invented");
    try (Worker _ = worker(listener, "ledger.mode=off", NOWHERE)) {
      assertThat(
              listener.await(RecordingListener.Backlog.class, 2, told -> true).getLast().events())
          .isEqualTo(1);
    }
  }

  @Test
  void aFullBacklogStopsTakesAndLetsThemGoOnWhenItIsCarried() throws Exception {
    for (int i = 0; i < 3; i++) {
      redis.ask("XADD", "rq:wepp:events", "*", "event", "invented");
    }
    try (Worker _ = worker(listener, "ledger.mode=emit", "ledger.max-events=3", NOWHERE)) {
      String job = enqueue();
      listener.await(RecordingListener.Backlog.class, 2, told -> told.events() == 3);
      assertThat(redis.ask("HGET", "rq:job:" + job, "status")).isEqualTo("queued");
      redis.ask("XTRIM", "rq:wepp:events", "MAXLEN", "0");
      listener.awaitEnd(job);
    }
  }

  @Test
  void aFullBacklogLosesItsOldestWhereThatWasChosen() throws Exception {
    for (int i = 0; i < 7; i++) {
      redis.ask("XADD", "rq:wepp:events", "*", "event", "invented");
    }
    try (Worker _ =
        worker(listener, "ledger.mode=emit", "ledger.max-events=5", "ledger.full=drop", NOWHERE)) {
      listener.awaitEnd(enqueue());
      int looks = (int) listener.count(RecordingListener.Backlog.class);
      assertThat(
              listener
                  .await(RecordingListener.Backlog.class, looks + 2, told -> true)
                  .getLast()
                  .events())
          .isLessThanOrEqualTo(6);
    }
    assertThat(Integer.parseInt(redis.ask("GET", "rq:wepp:dropped"))).isGreaterThan(1);
    assertThat(redis.ask("XRANGE", "rq:wepp:events", "-", "+")).contains("dropped_events");
  }
}
