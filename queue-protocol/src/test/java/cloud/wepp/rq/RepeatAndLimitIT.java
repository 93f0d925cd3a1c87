package cloud.wepp.rq;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What else the end of a job brings about: its repeat, and the next job of its limit. */
class RepeatAndLimitIT {
  private static final Settlement FINISH = new Settlement.Finish("", Duration.ofSeconds(500));
  private static final Settlement FAIL = new Settlement.Fail("eA==", Duration.ofMinutes(1));
  private static final String[] LIMIT = {"rate_limit_key", "k", "rate_limit_concurrency", "1"};

  private static Fixture on;

  @BeforeAll
  static void start() {
    on = new Fixture();
  }

  @AfterAll
  static void stop() {
    on.close();
  }

  @BeforeEach
  void empty() {
    on.empty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      nullValues = "-",
      textBlock =
          """
          # left | intervals       | then | intervals
          3      | [100, 200, 300] | 100  | [200,300]
          2      | [200, 300]      | 200  | [300]
          1      | [300]           | 300  | [300]
          5      | [0]             | 0    | [0]
          5      | [0, 7]          | 0    | [7]
          5      | -               | 0    | -
          5      | {}              | 0    | {}
          5      | not a list      | 0    | not a list
          """)
  void aFinishedJobIsRepeated(
      String left, @Nullable String intervals, long then, @Nullable String stays) {
    on.queued("a", "repeats_left", left);
    if (intervals != null) {
      on.redis.hset("rq:job:a", "repeat_intervals", intervals);
    }
    on.run(FINISH);

    assertThat(on.field("a", "repeats_left"))
        .isEqualTo(Integer.toString(Integer.parseInt(left) - 1));
    assertThat(on.field("a", "repeat_intervals")).isEqualTo(stays);
    if (then == 0) {
      assertThat(on.status("a")).isEqualTo("queued");
      assertThat(on.queue()).containsExactly("a");
    } else {
      assertThat(on.status("a")).isEqualTo("scheduled");
      assertThat(on.redis.zscore("rq:scheduled:default", "a") - on.in(0))
          .isBetween(then - 5.0, then + 0.0);
    }
    assertThat(on.redis.ttl("rq:job:a")).isEqualTo(-1);
    assertThat(on.redis.xlen("rq:results:a")).isEqualTo(1);
    assertThat(on.redis.zcard("rq:finished:default")).isEqualTo(1);
    assertThat(on.redis.zcard("rq:wip:default")).isZero();
    assertThat(on.events()).containsExactly("started", "finished", "repeated");
  }

  @Test
  void aRepeatThatKeepsNoResultIsNotDeleted() {
    on.queued("a", "repeats_left", "1");
    on.run(new Settlement.Finish("", Duration.ZERO));

    assertThat(on.queue()).containsExactly("a");
    assertThat(on.redis.exists("rq:results:a", "rq:finished:default")).isZero();
    on.run(new Settlement.Finish("", Duration.ZERO));
    assertThat(on.redis.exists("rq:job:a")).isZero();
  }

  @ParameterizedTest
  @CsvSource({"0", "-1", "soon"})
  void withoutRepeatsTheJobIsDone(String left) {
    on.queued("a", "repeats_left", left);
    on.run(FINISH);

    assertThat(on.status("a")).isEqualTo("finished");
    assertThat(on.queue()).isEmpty();
  }

  @Test
  void aFailureEndsTheRepetition() {
    on.queued("a", "repeats_left", "2");
    on.run(FAIL);

    assertThat(on.status("a")).isEqualTo("failed");
    assertThat(on.queue()).isEmpty();
  }

  /** One job has the only place of the limit k, and another waits for it. */
  private static void limited(String... more) {
    on.queued("a", LIMIT);
    for (int i = 0; i < more.length; i += 2) {
      on.redis.hset("rq:job:a", more[i], more[i + 1]);
    }
    on.job("next", "rate_limited", LIMIT);
    on.redis.sadd("rq:rl-keys", "k");
    on.redis.hset("rq:rl:k", "concurrency", "1");
    on.redis.zadd("rq:rl:k:allowed", on.in(0), "a");
    on.redis.zadd("rq:rl:k:rate_limited", on.in(0), "next");
  }

  private static void nextRuns(boolean runs) {
    assertThat(on.status("next")).isEqualTo(runs ? "queued" : "rate_limited");
    assertThat(on.redis.zrange("rq:rl:k:allowed", 0, -1)).containsExactly(runs ? "next" : "a");
    assertThat(on.queue().contains("next")).isEqualTo(runs);
  }

  @Test
  void everyEndGivesThePlaceAway() {
    limited();
    on.run(FINISH);
    nextRuns(true);
    on.empty();
    limited();
    on.run(FAIL);
    nextRuns(true);
    on.empty();
    limited();
    on.run(new Settlement.Stop("eA==", Duration.ofMinutes(1)));
    nextRuns(true);
    on.empty();
    limited();
    on.run(new Settlement.Finish("", Duration.ZERO));
    nextRuns(true);
  }

  @Test
  void aJobThatRunsAgainAtOnceKeepsItsPlace() {
    limited("retries_left", "1");
    on.run(new Settlement.Retry(Duration.ZERO));
    nextRuns(false);
    on.run(new Settlement.GiveBack());
    nextRuns(false);
    on.redis.hset("rq:job:a", "repeats_left", "1");
    on.run(FINISH);
    nextRuns(false);
    on.run(FINISH);
    nextRuns(true);
  }

  @Test
  void aJobThatRunsAgainLaterGivesItsPlaceAway() {
    limited("retries_left", "1");
    on.run(new Settlement.Retry(Duration.ofSeconds(9)));
    nextRuns(true);
    on.empty();
    limited("repeats_left", "1", "repeat_intervals", "[9]");
    on.run(FINISH);
    nextRuns(true);
  }

  @Test
  void aJobCanceledWhileItRunsGivesItsPlaceAway() {
    limited();
    Claim claim = on.take();
    on.redis.hset("rq:job:a", "status", "canceled");
    on.jobs.settle(claim, FINISH, new Ended(Fixture.CLOCK.instant(), "f", "", "{}"));
    nextRuns(true);
  }

  @Test
  void oneFieldAloneIsNoLimit() {
    limited();
    on.redis.hdel("rq:job:a", "rate_limit_concurrency");
    on.run(FINISH);
    nextRuns(false);
  }

  @Test
  void aLimitedChildWaitsForItsLimit() {
    limited();
    on.queued("parent");
    on.job("child", "deferred", LIMIT);
    on.redis.sadd("rq:job:parent:dependents", "child");
    on.redis.sadd("rq:job::child:dependencies", "parent");
    on.redis.zadd("rq:deferred:default", 1, "child");
    on.redis.zrem("rq:rl:k:rate_limited", "next");

    Claim held = on.take();
    on.run(FINISH);
    assertThat(on.status("child")).isEqualTo("rate_limited");
    assertThat(on.redis.zcard("rq:deferred:default")).isZero();
    on.jobs.settle(held, FINISH, new Ended(Fixture.CLOCK.instant(), "f", "", "{}"));
    assertThat(on.status("child")).isEqualTo("queued");
    assertThat(on.queue()).containsExactly("child");
  }
}
