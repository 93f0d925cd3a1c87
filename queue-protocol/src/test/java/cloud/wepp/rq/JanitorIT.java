package cloud.wepp.rq;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Janitor.Deed;
import io.lettuce.core.Range;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What dead workers left is put in order, and what lives is left alone. */
class JanitorIT {
  private static final String X = "0123456789abcdef0123456789abcdef";
  private static final String LOCK = "rq:clean_registries:default";
  private static final String[] LIMIT = {"rate_limit_key", "k", "rate_limit_concurrency", "1"};

  private static Fixture on;
  private static Janitor janitor; // without patience

  @BeforeAll
  static void start() {
    on = new Fixture();
    janitor = janitor(Duration.ZERO);
  }

  private static Janitor janitor(Duration patience) {
    return new Janitor(
        on.access, "rq", patience, Duration.ofDays(365), (job, why) -> {}, Fixture.CLOCK);
  }

  @AfterAll
  static void stop() {
    janitor.close();
    on.close();
  }

  @BeforeEach
  void empty() {
    on.empty();
  }

  @AfterEach
  void theLockIsFree() {
    assertThat(on.redis.exists(LOCK)).isZero();
  }

  private static List<Janitor.Done> clean() {
    return janitor.clean("default", true);
  }

  private static Janitor.Done done(String job, Deed deed) {
    return new Janitor.Done("default", job, deed);
  }

  /** A job whose Python worker was last heard of long ago. */
  private static void abandoned(String id, String... more) {
    on.job(id, "started", more);
    on.redis.hset("rq:job:" + id, "worker_name", "python");
    on.redis.zadd("rq:wip:default", on.in(-1), id + ":" + X);
    on.redis.zadd("rq:executions:" + id, on.in(59), X);
    on.redis.hset("rq:execution:" + id + ":" + X, "id", X);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void anAbandonedJobFails(boolean plain) throws MalformedJob {
    abandoned("a");
    if (plain) { // rq 1.x
      on.redis.del("rq:wip:default", "rq:executions:a", "rq:execution:a:" + X);
      on.redis.zadd("rq:wip:default", on.in(-1), "a");
    }
    on.job("strict", "deferred");
    on.job("lenient", "deferred", "allow_dependency_failures", "1");
    on.redis.sadd("rq:job:a:dependents", "strict", "lenient");

    assertThat(clean()).containsExactly(done("a", Deed.FAILED));
    assertThat(on.status("a")).isEqualTo("failed");
    assertThat(on.redis.ttl("rq:job:a")).isBetween(31_535_990L, 31_536_000L);
    assertThat(on.redis.zscore("rq:failed:default", "a") - on.in(31_536_000)).isBetween(-5.0, 0.0);
    Map<String, String> result =
        on.redis.xrange("rq:results:a", Range.unbounded()).getFirst().getBody();
    assertThat(result).containsEntry("type", "2").containsEntry("worker_name", "");
    assertThat(ResultCodec.traceback(result.getOrDefault("exc_string", "")))
        .matches(
            "Moved to FailedJobRegistry, due to AbandonedJobError, at"
                + " \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d\\.\\d{6}\\+00:00");
    assertThat(on.redis.exists("rq:wip:default", "rq:executions:a", "rq:execution:a:" + X))
        .isZero();
    assertThat(on.status("strict")).isEqualTo("deferred");
    assertThat(on.queue()).containsExactly("lenient");
    assertThat(on.events()).containsExactly("failed");
    assertThat(clean()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"50, 1", "-1, 1", "0, 0"})
  void aFailureIsKeptAsLongAsTheJobSays(String ttl, long kept) {
    abandoned("a", "failure_ttl", ttl);

    assertThat(clean()).containsExactly(done("a", Deed.FAILED));
    assertThat(on.redis.exists("rq:job:a")).isEqualTo(kept);
    assertThat(on.redis.zcard("rq:failed:default")).isEqualTo(kept);
  }

  @Test
  void anAbandonedJobIsTriedAgain() {
    abandoned("a", "retries_left", "2");
    on.queued("first");

    assertThat(clean()).containsExactly(done("a", Deed.RETRIED));
    assertThat(on.status("a")).isEqualTo("queued");
    assertThat(on.field("a", "retries_left")).isEqualTo("1");
    assertThat(on.queue()).containsExactly("first", "a");
    assertThat(on.redis.exists("rq:results:a", "rq:failed:default")).isZero();
  }

  @ParameterizedTest
  @CsvSource({"3, 100", "2, 200", "1, 300", "5, 100"})
  void anAbandonedJobIsTriedAgainAtItsTime(String left, long seconds) {
    abandoned("a", "retries_left", left, "retry_intervals", "[100, 200, 300]");

    assertThat(clean()).containsExactly(done("a", Deed.RETRIED));
    assertThat(on.status("a")).isEqualTo("scheduled");
    assertThat(on.redis.zscore("rq:scheduled:default", "a") - on.in(seconds)).isBetween(-5.0, 0.0);
  }

  @Test
  void nothingIsCalledAbandonedAfterAnOutage() {
    abandoned("a");
    assertThat(janitor.clean("default", false)).isEmpty();
    assertThat(on.status("a")).isEqualTo("started");
  }

  @Test
  void ourOwnClaimIsNeverTouched() {
    on.queued("a");
    Claim claim = on.take();
    on.redis.zadd("rq:wip:default", on.in(-1000), "a");
    on.redis.zadd("rq:wepp:leases", 1, "a|" + claim.id()); // over, and for others to take over

    assertThat(clean()).isEmpty();
    assertThat(on.status("a")).isEqualTo("started");
    assertThat(on.redis.zscore("rq:wip:default", "a")).isNotNull();
    assertThat(on.redis.exists("rq:execution:a:" + claim.execution())).isEqualTo(1);
  }

  @Test
  void aBrokenJobDoesNotHoldUpTheRest() {
    on.redis.set("rq:job:broken", "no hash");
    on.redis.zadd("rq:wip:default", on.in(-2), "broken");
    abandoned("a");
    assertThat(clean()).containsExactly(done("broken", Deed.BROKEN), done("a", Deed.FAILED));
  }

  @Test
  void aClaimWithoutALeaseIsNobodys() {
    abandoned("a", "claim", "left by a worker of ours that the job was taken from");
    assertThat(clean()).containsExactly(done("a", Deed.FAILED));
  }

  @Test
  void aDeadWorkersEntryOfAJobThatRunsAgainIsDropped() {
    abandoned("a");
    on.redis.zadd("rq:executions:a", on.in(150), "other");
    on.redis.zadd("rq:wip:default", on.in(90), "a:other");

    assertThat(clean()).containsExactly(done("a", Deed.DROPPED));
    assertThat(on.status("a")).isEqualTo("started");
    assertThat(on.redis.zrange("rq:wip:default", 0, -1)).containsExactly("a:other");
    assertThat(on.redis.zrange("rq:executions:a", 0, -1)).containsExactly("other");
  }

  @Test
  void aDeadWorkersEntryOfAJobThatWeRunIsDropped() {
    abandoned("a");
    on.redis.rpush("rq:queue:default", "a");
    on.redis.hset("rq:job:a", "status", "queued");
    on.take();

    assertThat(clean()).containsExactly(done("a", Deed.DROPPED));
    assertThat(on.status("a")).isEqualTo("started");
    assertThat(on.redis.zrange("rq:wip:default", 0, -1)).containsExactly("a");
  }

  @ParameterizedTest
  @ValueSource(strings = {"finished", "failed", "stopped", "canceled", "deferred"})
  void anEntryOfAJobThatDoesNotRunIsDropped(String status) {
    abandoned("a");
    on.redis.hset("rq:job:a", "status", status);

    assertThat(clean()).containsExactly(done("a", Deed.DROPPED));
    assertThat(on.status("a")).isEqualTo(status);
    assertThat(on.redis.zcard("rq:wip:default")).isZero();
    assertThat(on.queue()).isEmpty();
  }

  @Test
  void anEntryWithoutAJobIsDropped() {
    on.redis.zadd("rq:wip:default", on.in(-1), "gone:" + X);
    assertThat(clean()).containsExactly(done("gone", Deed.DROPPED));
    assertThat(on.redis.exists("rq:job:gone", "rq:wip:default")).isZero();
  }

  /** Taken by a worker that died before it wrote that the job is started. */
  @Test
  void aJobThatWasTakenAndNotStartedIsPutBack() {
    abandoned("a");
    on.redis.hset("rq:job:a", "status", "queued");
    on.redis.rpush("rq:queue:default:intermediate", "a");
    on.queued("next");

    assertThat(clean()).contains(done("a", Deed.REQUEUED));
    assertThat(on.queue()).containsExactly("a", "next");
    assertThat(on.redis.exists("rq:queue:default:intermediate")).isZero();
  }

  /** rq 3.0 writes the status of a retry before the rest. */
  @Test
  void aRetryThatWasNeverScheduledIsScheduled() {
    abandoned("a", "retries_left", "1", "retry_intervals", "[60]");
    on.redis.hset("rq:job:a", "status", "scheduled");

    assertThat(clean()).containsExactly(done("a", Deed.RETRIED));
    assertThat(on.redis.zrange("rq:scheduled:default", 0, -1)).containsExactly("a");
  }

  @Test
  void aFailureCallbackWaitsForPython() {
    abandoned("a", "failure_callback_name", "a.function");
    assertThat(clean()).isEmpty();
    on.redis.zadd("rq:wip:default", on.in(-901), "a:" + X);
    assertThat(clean()).containsExactly(done("a", Deed.FAILED));
  }

  @Test
  void anAbandonedJobGivesItsPlaceInALimitAway() {
    abandoned("a", LIMIT);
    on.job("next", "rate_limited", LIMIT);
    on.redis.hset("rq:rl:k", "concurrency", "1");
    on.redis.zadd("rq:rl:k:allowed", on.in(0), "a");
    on.redis.zadd("rq:rl:k:rate_limited", on.in(0), "next");

    clean();
    assertThat(on.queue()).containsExactly("next");
    assertThat(on.redis.zrange("rq:rl:k:allowed", 0, -1)).containsExactly("next");
  }

  @Test
  void expiredEntriesGo() {
    for (String registry : List.of("rq:finished:default", "rq:failed:default")) {
      on.redis.zadd(registry, on.in(-1), "old");
      on.redis.zadd(registry, on.in(100), "new");
      on.redis.zadd(registry, -1, "kept");
      on.redis.zadd(registry, Double.POSITIVE_INFINITY, "for ever");
    }
    on.redis.zadd("rq:deferred:default", on.in(-1), "deferred");
    clean();
    assertThat(on.redis.zrange("rq:finished:default", 0, -1))
        .containsExactly("kept", "new", "for ever");
    assertThat(on.redis.zrange("rq:failed:default", 0, -1))
        .containsExactly("kept", "new", "for ever");
    assertThat(on.redis.zrange("rq:deferred:default", 0, -1)).containsExactly("deferred");
  }

  @Test
  void deadWorkersAreForgotten() {
    on.redis.sadd("rq:workers", "rq:worker:dead", "rq:worker:elsewhere");
    on.redis.sadd("rq:workers:default", "rq:worker:dead");
    on.redis.hset("rq:worker:elsewhere", "birth", "now");
    clean();
    assertThat(on.redis.smembers("rq:workers"))
        .containsExactlyInAnyOrder("rq:worker:w", "rq:worker:elsewhere");
    assertThat(on.redis.smembers("rq:workers:default")).containsExactly("rq:worker:w");
  }

  @Test
  void nobodyCleansBesideAnother() {
    abandoned("a");
    on.redis.set(LOCK, "1");
    assertThat(clean()).isEmpty();
    assertThat(on.redis.get(LOCK)).isEqualTo("1");
    on.redis.del(LOCK);
  }

  @Test
  void anIdThatIsStuckIsPutBack() {
    on.job("a", "queued", "enqueued_at", "then");
    on.redis.rpush("rq:queue:default:intermediate", "a");
    on.redis.set("rq:queue:default:intermediate:first_seen:a", "1");

    assertThat(clean()).isEmpty(); // seen for the first time
    assertThat(clean()).containsExactly(done("a", Deed.REQUEUED));
    assertThat(on.queue()).containsExactly("a");
    assertThat(on.status("a")).isEqualTo("queued");
    assertThat(
            on.redis.exists(
                "rq:queue:default:intermediate", "rq:queue:default:intermediate:first_seen:a"))
        .isZero();
    clean();
    assertThat(on.redis.exists("rq:wepp:taken:default")).isZero();
  }

  @Test
  void anIdHasTimeToBeStarted() {
    on.job("a", "queued", "enqueued_at", "then");
    on.redis.rpush("rq:queue:default:intermediate", "a");
    try (Janitor patient = janitor(Duration.ofMinutes(1))) {
      assertThat(patient.clean("default", true)).isEmpty();
      assertThat(patient.clean("default", true)).isEmpty();
    }
    assertThat(on.queue()).isEmpty();
  }

  @Test
  void anIdThatWasQueuedAgainSinceHasItsTimeAgain() {
    on.job("a", "queued", "enqueued_at", "then");
    on.redis.rpush("rq:queue:default:intermediate", "a");
    clean();
    on.redis.hset("rq:job:a", "enqueued_at", "now");
    assertThat(clean()).isEmpty();
    assertThat(clean()).containsExactly(done("a", Deed.REQUEUED));
  }

  @Test
  void anIdThatIsInWipIsNotStuck() {
    on.job("a", "queued", "enqueued_at", "then");
    on.redis.rpush("rq:queue:default:intermediate", "a");
    on.redis.zadd("rq:executions:a", on.in(150), X);
    on.redis.zadd("rq:wip:default", on.in(90), "a:" + X);
    clean();
    assertThat(clean()).isEmpty();
    assertThat(on.queue()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"finished", "canceled", "started", "gone"})
  void anIdOfAJobThatDoesNotWaitIsDropped(String status) {
    if (!status.equals("gone")) {
      on.job("a", status);
    }
    on.redis.rpush("rq:queue:default:intermediate", "a");
    clean();
    assertThat(clean()).containsExactly(done("a", Deed.DROPPED));
    assertThat(on.redis.exists("rq:queue:default:intermediate", "rq:queue:default")).isZero();
  }

  @Test
  void readyJobsAreQueued() {
    on.job("ready", "ready_to_enqueue");
    on.job("limited", "ready_to_enqueue", LIMIT);
    on.job("finished", "finished");
    for (String id : List.of("ready", "limited", "finished", "gone")) {
      on.redis.zadd("rq:ready:default", 1, id);
    }

    assertThat(janitor.admit(List.of("default")))
        .containsExactlyInAnyOrder(
            done("ready", Deed.QUEUED),
            done("limited", Deed.QUEUED),
            done("finished", Deed.DROPPED),
            done("gone", Deed.DROPPED));
    assertThat(on.queue()).containsExactlyInAnyOrder("ready", "limited");
    assertThat(on.redis.zrange("rq:rl:k:allowed", 0, -1)).containsExactly("limited");
    assertThat(on.redis.exists("rq:ready:default", "rq:job:gone")).isZero();
  }

  @Test
  void placesThatWereNotGivenBackAreFreed() {
    on.job("leaked", "finished", LIMIT);
    on.job("runs", "canceled", LIMIT);
    on.job("queued", "queued", LIMIT);
    on.job("next", "rate_limited", LIMIT);
    on.redis.zadd("rq:executions:runs", on.in(90), X);
    on.redis.sadd("rq:rl-keys", "k");
    on.redis.hset("rq:rl:k", "concurrency", "3");
    for (String id : List.of("leaked", "runs", "queued")) {
      on.redis.zadd("rq:rl:k:allowed", 1, id);
    }
    on.redis.zadd("rq:rl:k:rate_limited", 1, "next");

    janitor.admit(List.of("default"));
    assertThat(on.redis.zrange("rq:rl:k:allowed", 0, -1))
        .containsExactlyInAnyOrder("runs", "queued", "next");
    assertThat(on.queue()).containsExactly("next");
  }

  @Test
  void aLimitThatNobodyUsesGoes() {
    on.redis.sadd("rq:rl-keys", "k");
    on.redis.hset("rq:rl:k", "concurrency", "3");
    on.redis.zadd("rq:rl:k:allowed", 1, "gone");
    janitor.admit(List.of());
    assertThat(on.redis.exists("rq:rl-keys", "rq:rl:k", "rq:rl:k:allowed")).isZero();
  }

  @Test
  void groupsForgetJobsThatAreGoneAtTimes() {
    on.job("a", "finished");
    on.redis.sadd("rq:groups", "g", "empty");
    on.redis.sadd("rq:group:g", "a", "gone");
    janitor.cleanGroups();
    assertThat(on.redis.smembers("rq:groups")).containsExactly("g");
    assertThat(on.redis.smembers("rq:group:g")).containsExactly("a");
    assertThat(on.redis.ttl("rq:clean_groups")).isBetween(590L, 599L);

    on.redis.sadd("rq:group:g", "gone");
    janitor.cleanGroups();
    assertThat(on.redis.smembers("rq:group:g")).containsExactlyInAnyOrder("a", "gone");
  }
}
