package cloud.wepp.worker;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.Claim;
import cloud.wepp.rq.Ended;
import cloud.wepp.rq.Event;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.JobQueue.Settled;
import cloud.wepp.rq.MalformedJob;
import cloud.wepp.rq.ResultCodec;
import cloud.wepp.rq.Settlement;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.InvalidConfig;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobOutcome;
import cloud.wepp.worker.testing.PostgresServer;
import cloud.wepp.worker.testing.RecordingListener;
import cloud.wepp.worker.testing.Site;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What becomes of the jobs of a worker that took them and was not heard of again. */
class ReclaimIT {
  private static final String NOOP = "cloud.wepp.noop";
  private static final String FOREIGN = "os.getpid";

  private static RedisServer redis;
  private static PostgresServer postgres;
  private static Site site;
  private static JobQueue gone; // the worker that is gone: its leases are over at once

  private final RecordingListener listener = new RecordingListener();
  private @Nullable Worker worker;

  @BeforeAll
  static void servers() {
    site = Site.start();
    redis = site.redis;
    postgres = site.postgres;
    gone = site.client(Duration.ofMillis(1), Duration.ofSeconds(90));
  }

  @AfterAll
  static void stopServers() {
    gone.close();
    site.close();
  }

  @BeforeEach
  void empty() {
    redis.ask("FLUSHALL");
  }

  @AfterEach
  void close() {
    if (worker != null) {
      worker.close();
    }
  }

  /** A worker that believes an overdue lease at once. */
  private void work(Map<String, JobHandler> functions, String... sets) throws InvalidConfig {
    List<String> all =
        new ArrayList<>(
            List.of(
                "redis.url=" + redis.url(),
                "postgres.url=" + postgres.url(),
                "python.enabled=false",
                "routing.native-queues=default",
                "timing.calm=0s",
                "timing.heartbeat=100ms",
                "timing.reclaim=50ms"));
    all.addAll(List.of(sets));
    WorkerConfig config = ConfigReader.read(null, Map.of(), all).config();
    worker = Worker.start(config, functions, List.of(listener), InstantSource.system());
  }

  private Claim taken(String function, String... fields) {
    Call call = new Call(function, List.of(), Map.of());
    String id = gone.enqueue("default", call.write(), "", Duration.ofMinutes(3));
    for (int i = 0; i < fields.length; i += 2) {
      redis.ask("HSET", "rq:job:" + id, fields[i], fields[i + 1]);
    }
    return gone.take(gone.request("default", "gone.1", List.of(id))).orElseThrow();
  }

  private static String childOf(Claim claim) {
    String child = gone.enqueue("default", claim.job().data(), "", Duration.ofMinutes(3));
    redis.ask("LREM", "rq:queue:default", "0", child);
    redis.ask("HSET", "rq:job:" + child, "status", "deferred");
    redis.ask("SADD", "rq:job:" + claim.job().id() + ":dependents", child);
    return child;
  }

  private static String field(Claim claim, String field) {
    return redis.ask("HGET", "rq:job:" + claim.job().id(), field);
  }

  private static String failure(Claim claim) throws MalformedJob {
    return ResultCodec.traceback(
        redis.ask(
            "EVAL",
            "local r = redis.call('XREVRANGE', KEYS[1], '+', '-')[1][2] "
                + "for i = 1, #r, 2 do if r[i] == 'exc_string' then return r[i + 1] end end",
            "1",
            "rq:results:" + claim.job().id()));
  }

  private static void assertNothingIsLeftOf(Claim claim) {
    assertThat(redis.ask("ZRANGE", "rq:wepp:leases", "0", "-1")).doesNotContain(claim.id());
    assertThat(redis.ask("EXISTS", "rq:execution:" + claim.job().id() + ":" + claim.execution()))
        .isEqualTo("0");
    assertThat(redis.ask("ZRANGE", "rq:executions:" + claim.job().id(), "0", "-1"))
        .doesNotContain(claim.execution());
  }

  /** rq's issue 2015: a job whose worker died, and which has no retries, is run again. */
  @Test
  void oursRunAgainWithoutUsingUpARetry() throws Exception {
    Claim claim = taken(NOOP, "retries_left", "2");
    gone.heartbeat(List.of(claim), "7.9 GB of 8.0 GB");
    work(Map.of());
    assertThat(listener.awaitEnd(claim.job().id())).isInstanceOf(Settlement.Finish.class);
    Event requeued = listener.awaitRecorded(claim.job().id(), "requeued");
    assertThat(requeued.text("claim")).isEqualTo(claim.id());
    assertThat(requeued.text("detail"))
        .contains("lost", "gone.1", "last heard of at", "its container held 7.9 GB of 8.0 GB");
    assertThat(field(claim, "retries_left")).isEqualTo("2");
    assertThat(field(claim, "status")).isEqualTo("finished");
    assertNothingIsLeftOf(claim);
  }

  @Test
  void anOverdueJobGoesBeforeThoseThatWait() throws Exception {
    Claim claim = taken(FOREIGN);
    String waits = gone.enqueue("default", claim.job().data(), "", Duration.ofMinutes(3));
    work(Map.of());
    listener.awaitRecorded(claim.job().id(), "requeued");
    assertThat(redis.ask("LRANGE", "rq:queue:default", "0", "-1"))
        .isEqualTo(claim.job().id() + "\n" + waits);
    assertThat(field(claim, "status")).isEqualTo("queued");
  }

  @Test
  void aJobThatThreeWorkersDiedOfFailsWithTheEvidence() throws Exception {
    String before =
        """
        [{"worker":"gone.7","started":"2026-01-01T00:00:00Z","heard":"2026-01-01T00:00:01Z"},
         {"worker":"gone.8","started":"2026-01-02T00:00:00Z","heard":"2026-01-02T00:00:01Z"}]\
        """;
    Claim claim = taken(NOOP, "crashes", before, "retries_left", "2");
    work(Map.of());
    listener.awaitRecorded(claim.job().id(), "failed");
    assertThat(field(claim, "status")).isEqualTo("failed");
    assertThat(failure(claim))
        .contains("3 workers died", "gone.7", "2026-01-02T00:00:01Z", "gone.8", "gone.1");
    assertThat(field(claim, "crashes")).isEmpty(); // requeued by hand, it begins anew
    assertThat(redis.ask("ZCARD", "rq:failed:default")).isEqualTo("1");
    assertNothingIsLeftOf(claim);
  }

  /** Of a Python function it is known whether it had begun; what may follow is a setting. */
  @ParameterizedTest
  @CsvSource({
    "not begun, -, '', requeued",
    "begun, -, os.*, requeued",
    "begun, 2, '', retried",
    "begun, 2, os.*, requeued"
  })
  void aPythonJob(String begun, String retries, String again, String becomes) throws Exception {
    Claim claim = taken(FOREIGN, "retries_left", retries);
    if (begun.equals("begun")) {
      redis.ask("HSET", "rq:job:" + claim.job().id(), "begun", claim.id());
    }
    work(Map.of(), "recovery.again=" + again);
    listener.awaitRecorded(claim.job().id(), becomes);
    assertThat(field(claim, "status")).isEqualTo("queued");
    assertThat(field(claim, "retries_left")).isEqualTo(becomes.equals("retried") ? "1" : retries);
  }

  @Test
  void aPythonFunctionThatHadBegunFailsWhenRqTooCallsItAbandoned() throws Exception {
    Claim claim = taken(FOREIGN);
    String child = childOf(claim);
    redis.ask("HSET", "rq:job:" + child, "allow_dependency_failures", "1");
    redis.ask("HSET", "rq:job:" + claim.job().id(), "begun", claim.id());
    work(Map.of());
    listener.await(RecordingListener.Beat.class, 10, beat -> true);
    assertThat(field(claim, "status")).isEqualTo("started");
    redis.ask("ZADD", "rq:wip:default", "1", claim.job().id());
    listener.awaitRecorded(claim.job().id(), "failed");
    assertThat(failure(claim)).contains("AbandonedJobError: worker gone.1", "had begun");
    assertThat(redis.ask("LRANGE", "rq:queue:default", "0", "-1")).isEqualTo(child);
    assertNothingIsLeftOf(claim);
  }

  @Test
  void oneOfOursThatMayNotBeBegunAgainFails() throws Exception {
    Claim claim = taken(NOOP);
    redis.ask("ZADD", "rq:wip:default", "1", claim.job().id());
    work(Map.of(), "recovery.once=cloud.wepp.*");
    listener.awaitRecorded(claim.job().id(), "failed");
    assertThat(listener.count(RecordingListener.Started.class)).isZero();
  }

  @Test
  void theEndThatRqWroteInAPythonChildIsRecorded() throws Exception {
    Claim claim = taken(FOREIGN);
    redis.ask("HSET", "rq:job:" + claim.job().id(), "status", "finished");
    redis.ask("HDEL", "rq:job:" + claim.job().id(), "claim");
    redis.ask(
        "HSET",
        "rq:wepp:ended:" + claim.id(),
        "ending",
        "finished",
        "worker",
        "gone.1",
        "queue",
        "default",
        "execution",
        claim.execution());
    work(Map.of());
    Event finished = listener.awaitRecorded(claim.job().id(), "finished");
    assertThat(finished.text("worker")).isEqualTo("gone.1");
    assertThat(finished.text("claim")).isEqualTo(claim.id());
    assertThat(finished.text("function")).isEqualTo(FOREIGN);
    assertNothingIsLeftOf(claim);
  }

  /**
   * rq's issue 2424: a job that has ended is not called abandoned because of what is left of it.
   */
  @Test
  void aJobThatHasEndedIsLeftAlone() throws Exception {
    Claim claim = taken(NOOP);
    gone.settle(
        claim,
        new Settlement.Finish("", Duration.ofDays(1)),
        new Ended(Instant.now(), NOOP, "", "{}"));
    redis.ask("ZADD", "rq:wepp:leases", "1", claim.job().id() + "|" + claim.id());
    redis.ask("ZADD", "rq:wip:default", "1", claim.job().id());
    Claim other = taken(NOOP);
    work(Map.of(), "timing.maintenance=100ms", "timing.patience=0s");
    listener.awaitEnd(other.job().id()); // a look later
    assertThat(field(claim, "status")).isEqualTo("finished");
    assertThat(redis.ask("XLEN", "rq:results:" + claim.job().id())).isEqualTo("1");
    assertNothingIsLeftOf(claim);
  }

  /** rq's issue 2006: what waits for a job whose worker died is not forgotten. */
  @Test
  void whatWaitsForAnOverdueJobRunsAfterIt() throws Exception {
    Claim claim = taken(NOOP);
    String child = childOf(claim);
    work(Map.of());
    assertThat(listener.awaitEnd(claim.job().id())).isInstanceOf(Settlement.Finish.class);
    assertThat(listener.awaitEnd(child)).isInstanceOf(Settlement.Finish.class);
  }

  @Test
  void aCanceledJobStaysCanceled() throws Exception {
    Claim claim = taken(NOOP);
    redis.ask("HSET", "rq:job:" + claim.job().id(), "status", "canceled");
    work(Map.of());
    listener.awaitRecorded(claim.job().id(), "canceled");
    assertThat(field(claim, "status")).isEqualTo("canceled");
    assertThat(redis.ask("LLEN", "rq:queue:default")).isEqualTo("0");
    assertNothingIsLeftOf(claim);
  }

  @Test
  void aDeletedJobIsForgotten() throws Exception {
    Claim claim = taken(NOOP);
    redis.ask("HSET", "rq:wepp:ended:" + claim.id(), "queue", "default"); // where it was
    redis.ask("DEL", "rq:job:" + claim.job().id());
    work(Map.of());
    listener.awaitRecorded(claim.job().id(), "lost");
    assertThat(redis.ask("EXISTS", "rq:job:" + claim.job().id())).isEqualTo("0");
  }

  /** The claim ends at once, though the job's new worker keeps rq's own entry ahead. */
  @Test
  void aJobThatAnotherWorkerHasByNow() throws Exception {
    Claim claim = taken(FOREIGN);
    redis.ask("HSET", "rq:job:" + claim.job().id(), "begun", claim.id(), "claim", "another");
    work(Map.of());
    listener.awaitRecorded(claim.job().id(), "lost");
    assertThat(field(claim, "status")).isEqualTo("started");
    assertThat(field(claim, "claim")).isEqualTo("another");
    assertThat(redis.ask("ZRANGE", "rq:wepp:leases", "0", "-1")).doesNotContain(claim.id());
    assertThat(redis.ask("ZSCORE", "rq:wip:default", claim.job().id())).isNotEmpty();
  }

  @Test
  void nothingIsBelievedForAWhileAfterAStart() throws Exception {
    Claim claim = taken(NOOP);
    work(Map.of(), "timing.calm=30s");
    listener.await(RecordingListener.Beat.class, 10, beat -> true);
    assertThat(field(claim, "claim")).isEqualTo(claim.id());
  }

  @Test
  void itsOwnJobIsNotTakenOverWhileItRuns() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    work(
        Map.of(
            "our.own",
            (call, context) -> {
              go.await();
              return new JobOutcome.Succeeded(PyValue.None.NONE);
            }),
        "timing.heartbeat=10s");
    String job =
        gone.enqueue(
            "default", new Call("our.own", List.of(), Map.of()).write(), "", Duration.ofMinutes(3));
    listener.await(RecordingListener.Started.class, 1, started -> true);
    String lease = redis.ask("ZRANGE", "rq:wepp:leases", "0", "0");
    redis.ask("ZADD", "rq:wepp:leases", "1", lease);
    Claim other = taken(FOREIGN);
    listener.awaitRecorded(other.job().id(), "requeued"); // a look later
    go.countDown();
    assertThat(listener.awaitSettled(job)).isEqualTo(Settled.SETTLED);
  }

  @Test
  void aWorkerThatComesBackWritesNothing() throws Exception {
    Claim claim = taken(NOOP);
    work(Map.of());
    listener.awaitEnd(claim.job().id());
    Ended late = new Ended(Instant.now(), NOOP, "", "{}");
    assertThat(gone.settle(claim, new Settlement.Finish("", Duration.ofDays(1)), late))
        .isEqualTo(Settled.LOST);
    assertThat(redis.ask("XLEN", "rq:results:" + claim.job().id())).isEqualTo("1");
  }
}
