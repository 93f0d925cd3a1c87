package cloud.wepp.rq;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.lettuce.core.api.sync.RedisCommands;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Take, heartbeat and settle against a real Redis: what is written is what rq reads. */
class JobQueueIT {
  private static Fixture fixture;
  private static JobQueue jobs;
  private static RedisCommands<String, String> redis;

  @BeforeAll
  static void start() {
    fixture = new Fixture();
    redis = fixture.redis;
    jobs = fixture.jobs;
  }

  @AfterAll
  static void stop() {
    fixture.close();
  }

  @BeforeEach
  void empty() {
    fixture.empty();
  }

  private static String enqueue() {
    return jobs.enqueue("default", "data".getBytes(UTF_8), "f()", Duration.ofMinutes(3));
  }

  private static Claim take(String... ids) {
    return jobs.take(jobs.request("default", "w", List.of(ids))).orElseThrow();
  }

  private static Ended now() {
    return new Ended(Instant.parse("2026-11-24T01:02:03.000004Z"), "f", "", "{}");
  }

  @Test
  void takeWritesWhatRqWrites() {
    String id = enqueue();
    Claim claim = take();

    assertThat(claim.job().id()).isEqualTo(id);
    assertThat(redis.lrange("rq:queue:default", 0, -1)).isEmpty();
    Map<String, String> job = redis.hgetall("rq:job:" + id);
    assertThat(job)
        .containsEntry("status", "started")
        .containsEntry("worker_name", "w")
        .containsEntry("ended_at", "");
    assertThat(job.get("started_at"))
        .matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z");
    assertThat(redis.zrange("rq:wip:default", 0, -1)).containsExactly(id);
    assertThat(redis.zrange("rq:executions:" + id, 0, -1)).containsExactly(claim.execution());
    assertThat(redis.hgetall("rq:execution:" + id + ":" + claim.execution()))
        .containsOnlyKeys("id", "created_at", "last_heartbeat", "job_id", "worker_name");
    assertThat(redis.hgetall("rq:worker:w"))
        .containsEntry("state", "busy")
        .containsEntry("current_job", id);
    assertThat(redis.smembers("rq:worker:w:executions"))
        .containsExactly(id + ":" + claim.execution());
  }

  @Test
  void aFinishedJobLeavesNothingOfItsClaim() {
    Claim claim = take(enqueue());
    String id = claim.job().id();
    var settlement = new Settlement.Finish("gAVLAy4=", Duration.ofSeconds(500));

    assertThat(jobs.settle(claim, settlement, now())).isEqualTo(JobQueue.Settled.SETTLED);
    assertThat(redis.hgetall("rq:job:" + id))
        .containsEntry("status", "finished")
        .containsEntry("ended_at", "2026-11-24T01:02:03.000004Z")
        .containsEntry("claim", "");
    assertThat(
            redis
                .xrange("rq:results:" + id, io.lettuce.core.Range.unbounded())
                .getFirst()
                .getBody())
        .containsEntry("type", "1")
        .containsEntry("return_value", "gAVLAy4=")
        .containsEntry("worker_name", "w");
    assertThat(redis.zrange("rq:finished:default", 0, -1)).containsExactly(id);
    assertThat(redis.ttl("rq:job:" + id)).isBetween(490L, 500L);
    assertThat(
            redis.exists(
                "rq:wip:default",
                "rq:executions:" + id,
                "rq:execution:" + id + ":" + claim.execution(),
                "rq:worker:w:executions",
                "rq:wepp:leases"))
        .isZero();
    assertThat(redis.hgetall("rq:worker:w"))
        .containsEntry("state", "idle")
        .containsEntry("successful_job_count", "1")
        .doesNotContainKey("current_job");
    assertThat(redis.xrange("rq:wepp:events", io.lettuce.core.Range.unbounded()))
        .extracting(event -> event.getBody().get("event"))
        .containsExactly("started", "finished");
  }

  @Test
  void aSettleAskedTwiceIsWrittenOnce() {
    Claim claim = take(enqueue());
    var settlement = new Settlement.Fail("eA==", Duration.ofMinutes(1));

    assertThat(jobs.settle(claim, settlement, now())).isEqualTo(JobQueue.Settled.SETTLED);
    assertThat(jobs.settle(claim, settlement, now())).isEqualTo(JobQueue.Settled.SETTLED);
    assertThat(redis.xlen("rq:results:" + claim.job().id())).isEqualTo(1);
    assertThat(redis.hget("rq:worker:w", "failed_job_count")).isEqualTo("1");
  }

  @Test
  void aLostClaimWritesNothing() {
    Claim claim = take(enqueue());
    redis.hset("rq:job:" + claim.job().id(), "claim", "another");

    assertThat(jobs.heartbeat(List.of(claim), "")).containsExactly(JobQueue.Held.LOST);
    assertThat(jobs.settle(claim, new Settlement.Finish("", Duration.ofSeconds(1)), now()))
        .isEqualTo(JobQueue.Settled.LOST);
    assertThat(redis.hget("rq:job:" + claim.job().id(), "status")).isEqualTo("started");
  }

  @Test
  void aJobDeletedWhileRunningIsNotMadeAgain() {
    Claim claim = take(enqueue());
    String id = claim.job().id();
    redis.del("rq:job:" + id);

    assertThat(jobs.heartbeat(List.of(claim), "")).containsExactly(JobQueue.Held.LOST);
    jobs.settle(claim, new Settlement.Finish("", Duration.ofSeconds(1)), now());
    assertThat(redis.exists("rq:job:" + id, "rq:finished:default", "rq:wip:default")).isZero();
  }

  @Test
  void aJobCanceledWhileRunningStaysCanceled() {
    Claim claim = take(enqueue());
    redis.hset("rq:job:" + claim.job().id(), "status", "canceled");

    assertThat(jobs.heartbeat(List.of(claim), "")).containsExactly(JobQueue.Held.CANCELED);
    assertThat(jobs.settle(claim, new Settlement.Finish("", Duration.ofSeconds(1)), now()))
        .isEqualTo(JobQueue.Settled.CANCELED);
    assertThat(redis.hget("rq:job:" + claim.job().id(), "status")).isEqualTo("canceled");
  }

  @Test
  void aCanceledIdInTheQueueIsDropped() {
    String canceled = enqueue();
    String next = enqueue();
    redis.hset("rq:job:" + canceled, "status", "canceled");

    assertThat(take().job().id()).isEqualTo(next);
    assertThat(redis.hget("rq:job:" + canceled, "status")).isEqualTo("canceled");
  }

  @Test
  void nothingIsTakenWhileSuspended() {
    enqueue();
    redis.set("rq:suspended", "1");

    assertThat(jobs.take(jobs.request("default", "w", List.of()))).isEmpty();
    assertThat(redis.llen("rq:queue:default")).isEqualTo(1);
  }

  @Test
  void aGivenBackJobIsFirstAgain() {
    Claim claim = take(enqueue());
    enqueue();

    jobs.settle(claim, new Settlement.GiveBack(), now());
    assertThat(take().job().id()).isEqualTo(claim.job().id());
  }

  @Test
  void aRetryUsesUpOneOfItsRetries() {
    String id = enqueue();
    redis.hset("rq:job:" + id, "retries_left", "2");

    jobs.settle(take(), new Settlement.Retry(Duration.ofSeconds(30)), now());
    assertThat(redis.hmget("rq:job:" + id, "retries_left", "status"))
        .extracting(io.lettuce.core.KeyValue::getValue)
        .containsExactly("1", "scheduled");
    assertThat(redis.zrange("rq:scheduled:default", 0, -1)).containsExactly(id);
  }

  @Test
  void aChildIsQueuedWhenItsLastParentHasFinished() {
    Claim first = take(enqueue());
    Claim second = take(enqueue());
    redis.hset("rq:job:child", Map.of("data", "x", "status", "deferred", "origin", "other"));
    redis.zadd("rq:deferred:other", 1, "child");
    for (Claim parent : List.of(first, second)) {
      redis.sadd("rq:job:" + parent.job().id() + ":dependents", "child");
      redis.sadd("rq:job::child:dependencies", parent.job().id());
    }

    var finish = new Settlement.Finish("", Duration.ofSeconds(500));
    jobs.settle(first, finish, now());
    assertThat(redis.hget("rq:job:child", "status")).isEqualTo("deferred");
    jobs.settle(second, finish, now());
    assertThat(redis.hget("rq:job:child", "status")).isEqualTo("queued");
    assertThat(redis.lrange("rq:queue:other", 0, -1)).containsExactly("child");
    assertThat(redis.zcard("rq:deferred:other")).isZero();
  }

  @Test
  void peekReturnsWhenAJobArrivesAndLeavesItInPlace() throws Exception {
    try (JobQueue.Peek peek = jobs.peek("default", Duration.ofSeconds(20))) {
      var woken = java.util.concurrent.CompletableFuture.supplyAsync(peek::await);
      String id = enqueue();
      assertThat(woken.get(20, java.util.concurrent.TimeUnit.SECONDS)).isTrue();
      assertThat(redis.lrange("rq:queue:default", 0, -1)).containsExactly(id);
    }
  }

  @Test
  void metaIsWrittenOnlyOverTheBytesThatWereRead() {
    Claim claim = take(enqueue());
    assertThat(jobs.writeMeta(claim, new byte[0], "one".getBytes(UTF_8))).isTrue();
    assertThat(jobs.writeMeta(claim, new byte[0], "two".getBytes(UTF_8))).isFalse();
    assertThat(redis.hget("rq:job:" + claim.job().id(), "meta")).isEqualTo("one");
  }

  @Test
  void aRequestThatIsAskedAgainTakesTheSameJobOnce() {
    String id = jobs.enqueue("default", new byte[] {1}, "", Duration.ofSeconds(60));
    JobQueue.Request request = jobs.request("default", "w", List.of(id));
    Claim first = jobs.take(request).orElseThrow();
    Claim again = jobs.take(request).orElseThrow();
    assertThat(again.id()).isEqualTo(first.id());
    assertThat(again.job().id()).isEqualTo(id);
    assertThat(redis.xlen("rq:wepp:events")).isEqualTo(1);
  }

  @Test
  void anEndAndTheNextTakeMayBeAskedAgainTogether() {
    Claim claim = take(enqueue());
    String next = enqueue();
    JobQueue.Request request = jobs.request("default", "w", List.of(next));
    var settlement = new Settlement.Finish("", Duration.ofSeconds(500));
    JobQueue.Turn first = jobs.settleAndTake(claim, settlement, now(), request);
    JobQueue.Turn again = jobs.settleAndTake(claim, settlement, now(), request);

    assertThat(List.of(first.settled(), again.settled())).containsOnly(JobQueue.Settled.SETTLED);
    assertThat(first.next().orElseThrow().job().id()).isEqualTo(next);
    assertThat(again.next().orElseThrow().id()).isEqualTo(request.claim());
    assertThat(redis.hgetall("rq:worker:w"))
        .containsEntry("state", "busy")
        .containsEntry("current_job", next)
        .containsEntry("successful_job_count", "1");
    assertThat(redis.xlen("rq:wepp:events")).isEqualTo(3);
    assertThat(redis.zcard("rq:wepp:leases")).isEqualTo(1);
  }

  @Test
  void anEndStandsWhenThereIsNothingToTakeAfterIt() {
    Claim claim = take(enqueue());
    JobQueue.Request request = jobs.request("default", "w", List.of("gone"));
    JobQueue.Turn turn = jobs.settleAndTake(claim, new Settlement.GiveBack(), now(), request);
    assertThat(turn).isEqualTo(new JobQueue.Turn(JobQueue.Settled.SETTLED, Optional.empty()));
    assertThat(redis.lrange("rq:queue:default", 0, -1)).containsExactly(claim.job().id());
  }

  private static final Settlement RECORDED =
      new Settlement.Recorded(new Settlement.Fail("", Duration.ofDays(1)));

  /** What a Python child adds to the transaction in which rq ends its job. */
  private static void childEnds(Claim claim, String ending, String status) {
    String id = claim.job().id();
    redis.hset("rq:job:" + id, "status", status);
    redis.hdel("rq:job:" + id, "claim");
    redis.zrem("rq:wip:default", id);
    redis.hset("rq:wepp:ended:" + claim.id(), Map.of("ending", ending, "error", ""));
  }

  @Test
  void anEndThatRqWroteIsRecordedOnce() {
    String id = enqueue();
    Claim claim = take();
    childEnds(claim, "finished", "finished");
    assertThat(jobs.heartbeat(List.of(claim), "")).containsExactly(JobQueue.Held.HELD);
    assertThat(redis.zcard("rq:wepp:leases")).isEqualTo(1);
    assertThat(jobs.settle(claim, RECORDED, now())).isEqualTo(JobQueue.Settled.SETTLED);
    assertThat(jobs.settle(claim, RECORDED, now())).isEqualTo(JobQueue.Settled.SETTLED);
    assertThat(redis.zcard("rq:wepp:leases")).isZero();
    assertThat(redis.xlen("rq:wepp:events")).isEqualTo(2);
    assertThat(redis.hgetall("rq:worker:w"))
        .containsEntry("state", "idle")
        .doesNotContainKey("current_job");
    assertThat(redis.hget("rq:job:" + id, "status")).isEqualTo("finished");
  }

  @Test
  void aRetryThatRunsElsewhereAlreadyIsNotTouched() {
    String id = enqueue();
    Claim claim = take();
    childEnds(claim, "retried", "queued");
    redis.rpush("rq:queue:default", id);
    Claim other = take();
    assertThat(jobs.settle(claim, RECORDED, now())).isEqualTo(JobQueue.Settled.SETTLED);
    assertThat(redis.hgetall("rq:job:" + id))
        .containsEntry("status", "started")
        .containsEntry("claim", other.id());
    assertThat(redis.zrange("rq:wip:default", 0, -1)).containsExactly(id);
    assertThat(redis.zrange("rq:wepp:leases", 0, -1)).containsExactly(id + "|" + other.id());
  }

  @Test
  void whatRqDidNotEndIsEndedHere() {
    String id = enqueue();
    Claim claim = take();
    assertThat(jobs.settle(claim, RECORDED, now())).isEqualTo(JobQueue.Settled.SETTLED);
    assertThat(redis.hget("rq:job:" + id, "status")).isEqualTo("failed");
    assertThat(redis.zscore("rq:failed:default", id)).isNotNull();
  }

  @Test
  void theFirstHalfOfAnEndByRq116IsEnough() {
    String id = enqueue();
    Claim claim = take();
    redis.hset("rq:job:" + id, "status", "failed");
    redis.zadd("rq:failed:default", 1, id);
    assertThat(jobs.settle(claim, RECORDED, now())).isEqualTo(JobQueue.Settled.SETTLED);
    assertThat(redis.zscore("rq:failed:default", id)).isEqualTo(1);
    assertThat(redis.xlen("rq:results:" + id)).isZero();
    assertThat(redis.zcard("rq:wip:default")).isZero();
  }

  @Test
  void aCanceledJobThatRqStoppedStaysCanceled() {
    String id = enqueue();
    Claim claim = take();
    childEnds(claim, "stopped", "stopped");
    redis.zadd("rq:canceled:default", 0, id);
    redis.zadd("rq:failed:default", 1, id);
    assertThat(jobs.settle(claim, RECORDED, now())).isEqualTo(JobQueue.Settled.CANCELED);
    assertThat(redis.hget("rq:job:" + id, "status")).isEqualTo("canceled");
    assertThat(redis.zscore("rq:failed:default", id)).isNull();
  }
}
