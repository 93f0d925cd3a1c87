package cloud.wepp.rq;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Jobs that are due are queued, under rq's locks. */
class SchedulerIT {
  private static final String LOCK = "rq:scheduler-lock:default";

  private static Fixture on;

  private Scheduler scheduler;

  @BeforeAll
  static void start() {
    on = new Fixture();
  }

  @AfterAll
  static void stop() {
    on.close();
  }

  @BeforeEach
  void begin() {
    on.empty();
    scheduler = scheduler();
  }

  @AfterEach
  void end() {
    scheduler.close();
  }

  private static Scheduler scheduler() {
    return new Scheduler(
        on.access, "rq", List.of("default", "other"), Fixture.info(), Fixture.CLOCK);
  }

  private static void scheduled(String id, long due) {
    on.redis.zadd("rq:scheduled:default", on.in(due), id);
  }

  @Test
  void whatIsDueIsQueuedAndTheRestWaits() {
    on.job("due", "scheduled", "ttl", "500");
    on.job("front", "scheduled", "enqueue_at_front", "1");
    on.job("later", "scheduled");
    scheduled("due", -1);
    scheduled("front", 0);
    scheduled("later", 100);

    assertThat(scheduler.run().moved()).containsExactly("due", "front");
    assertThat(on.queue()).containsExactly("front", "due");
    assertThat(on.status("due")).isEqualTo("queued");
    assertThat(on.field("due", "enqueued_at")).endsWith("Z").hasSize(27);
    assertThat(on.redis.ttl("rq:job:due")).isBetween(490L, 500L);
    assertThat(on.redis.smembers("rq:queues")).containsExactly("rq:queue:default");
    assertThat(on.redis.zrange("rq:scheduled:default", 0, -1)).containsExactly("later");
    assertThat(on.events()).containsExactly("enqueued", "enqueued");
    assertThat(scheduler.run().moved()).isEmpty();
  }

  @Test
  void aRetryGoesToTheFrontWhenItWasToldTo() {
    String ended = "2026-11-24T01:02:03.000004Z";
    on.queued("first");
    on.job("retry", "scheduled", "enqueue_at_front_on_retry", "1", "ended_at", ended);
    on.job("new", "scheduled", "enqueue_at_front_on_retry", "1", "ended_at", "");
    scheduled("retry", -1);
    scheduled("new", -1);

    scheduler.run();
    assertThat(on.queue()).containsExactly("retry", "first", "new");
  }

  @ParameterizedTest
  @ValueSource(strings = {"canceled", "queued", "deferred", "rate_limited", "ready_to_enqueue"})
  void aJobThatIsElsewhereIsNotQueued(String status) {
    on.job("a", status);
    scheduled("a", -1);

    assertThat(scheduler.run().moved()).isEmpty();
    assertThat(on.queue()).isEmpty();
    assertThat(on.status("a")).isEqualTo(status);
    assertThat(on.redis.zcard("rq:scheduled:default")).isZero();
  }

  @Test
  void aRunningJobIsNotQueued() {
    on.job("a", "started");
    on.redis.zadd("rq:executions:a", on.in(90), "x");
    on.redis.zadd("rq:wip:default", on.in(90), "a:x");
    scheduled("a", -1);

    assertThat(scheduler.run().moved()).isEmpty();
    on.redis.zrem("rq:wip:default", "a:x");
    assertThat(scheduler.run().moved()).containsExactly("a");
  }

  @Test
  void anEntryWithoutAJobHasAMinute() {
    scheduled("new", -30);
    scheduled("gone", -70);

    assertThat(scheduler.run().moved()).isEmpty();
    assertThat(on.redis.zrange("rq:scheduled:default", 0, -1)).containsExactly("new");
  }

  @Test
  void theLocksAreAsRqWritesThem() {
    on.redis.set("rq:scheduler-lock:other", "12345"); // a process id, as of rq before 2.10
    scheduler.run();

    String name = on.redis.get(LOCK);
    assertThat(name).matches("\\d{19}");
    assertThat(on.redis.ttl(LOCK)).isBetween(55L, 61L);
    assertThat(scheduler.held()).containsExactly("default");
    assertThat(on.redis.get("rq:scheduler-lock:other")).isEqualTo("12345");
    assertThat(on.redis.hgetall("rq:scheduler:" + name))
        .containsEntry("name", name)
        .containsEntry("hostname", "host")
        .containsEntry("pid", "4711")
        .containsEntry("queues", "default,other")
        .containsKeys("created_at", "last_heartbeat");
    assertThat(on.redis.ttl("rq:scheduler:" + name)).isBetween(55L, 61L);
  }

  @Test
  void aForeignLockIsRespectedAndTakenWhenItIsGone() {
    on.job("a", "scheduled");
    scheduled("a", -1);
    on.redis.set(LOCK, "0123456789abcdef0123456789abcdef");

    assertThat(scheduler.run().moved()).isEmpty();
    on.redis.del(LOCK);
    assertThat(scheduler.run().moved()).containsExactly("a");
  }

  @Test
  void aLockThatWasLostIsNeitherRefreshedNorDeleted() {
    scheduler.run();
    on.redis.set(LOCK, "another");
    on.redis.expire(LOCK, 5);

    scheduler.run();
    assertThat(scheduler.held()).containsExactly("other");
    scheduler.release();
    assertThat(on.redis.get(LOCK)).isEqualTo("another");
    assertThat(on.redis.ttl(LOCK)).isLessThanOrEqualTo(5);
    assertThat(on.redis.exists("rq:scheduler-lock:other")).isZero();
  }

  @Test
  void aReleaseLetsTheNextOneGoOn() {
    scheduler.run();
    String name = on.redis.get(LOCK);
    try (Scheduler next = scheduler()) {
      next.run();
      assertThat(next.held()).isEmpty();
      scheduler.release();
      assertThat(on.redis.exists(LOCK, "rq:scheduler:" + name)).isZero();
      next.run();
      assertThat(next.held()).containsExactly("default", "other");
    }
  }

  @Test
  void aLimitedJobGoesTheLimitersWay() {
    String[] limit = {"rate_limit_key", "k", "rate_limit_concurrency", "1"};
    on.job("a", "scheduled", limit);
    on.job("b", "scheduled", limit);
    scheduled("a", -2);
    scheduled("b", -1);

    assertThat(scheduler.run().moved()).containsExactly("a", "b");
    assertThat(on.queue()).containsExactly("a");
    assertThat(on.status("b")).isEqualTo("rate_limited");
    assertThat(on.redis.zrange("rq:rl:k:allowed", 0, -1)).containsExactly("a");
    assertThat(on.redis.zrange("rq:rl:k:rate_limited", 0, -1)).containsExactly("b");
    assertThat(on.redis.hgetall("rq:rl:k")).containsEntry("concurrency", "1");
    assertThat(on.redis.smembers("rq:rl-keys")).containsExactly("k");
  }

  @Test
  void aBrokenJobDoesNotHoldUpTheRest() {
    on.redis.set("rq:job:broken", "no hash");
    on.job("a", "scheduled");
    scheduled("broken", -2);
    scheduled("a", -1);

    assertThat(scheduler.run()).isEqualTo(new Scheduler.Run(List.of("a"), List.of("broken")));
    assertThat(on.redis.zrange("rq:scheduled:default", 0, -1)).containsExactly("broken");
  }

  @Test
  void twoThatBothBelieveToHoldTheLockQueueEachJobOnce() throws Exception {
    List<String> ids = IntStream.range(0, 500).mapToObj(i -> "job-" + i).toList();
    for (String id : ids) {
      on.job(id, "scheduled");
      scheduled(id, -1);
    }
    try (Scheduler other = scheduler()) {
      var theirs = CompletableFuture.supplyAsync(() -> moved(other));
      List<String> moved = new ArrayList<>(moved(scheduler));
      moved.addAll(theirs.get(60, TimeUnit.SECONDS));
      assertThat(moved).containsExactlyInAnyOrderElementsOf(ids);
    }
    assertThat(on.queue()).containsExactlyInAnyOrderElementsOf(ids);
  }

  private static List<String> moved(Scheduler scheduler) {
    on.redis.del(LOCK);
    return scheduler.run().moved();
  }
}
