package cloud.wepp.rq;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.JobActions.Answer;
import cloud.wepp.rq.JobActions.Deed;
import cloud.wepp.rq.JobActions.Registry;
import io.lettuce.core.Range;
import io.lettuce.core.api.sync.RedisCommands;
import io.lettuce.core.pubsub.RedisPubSubAdapter;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Cancel and requeue against a real Redis: what is written, and what is left alone. */
class JobActionsIT {
  private static Fixture fixture;
  private static JobQueue jobs;
  private static JobActions actions;
  private static RedisCommands<String, String> redis;

  @BeforeAll
  static void start() {
    fixture = new Fixture();
    redis = fixture.redis;
    jobs = fixture.jobs;
    actions = new JobActions(fixture.access, "rq", InstantSource.system());
  }

  @AfterAll
  static void stop() {
    actions.close();
    fixture.close();
  }

  @BeforeEach
  void empty() {
    redis.flushall();
  }

  private static void job(String id, String status, String... more) {
    Map<String, String> fields =
        new HashMap<>(Map.of("data", "x", "status", status, "origin", "default"));
    for (int i = 0; i < more.length; i += 2) {
      fields.put(more[i], more[i + 1]);
    }
    redis.hset("rq:job:" + id, fields);
  }

  private static void registered(String id, String status, String registry) {
    job(id, status);
    redis.zadd("rq:" + registry + ":default", 1, id);
  }

  private static JobActions.Target target(String id) {
    return new JobActions.Target(id, "f", "run", false);
  }

  private static JobActions.Target looking(String id) {
    return new JobActions.Target(id, "f", "run", true);
  }

  private static Answer left(String why) {
    return new Answer(Deed.LEFT, why);
  }

  private static String status(String id) {
    return redis.hget("rq:job:" + id, "status");
  }

  private static List<String> events() {
    return redis.xrange("rq:wepp:events", Range.unbounded()).stream()
        .map(event -> event.getBody().get("event") + " " + event.getBody().get("status"))
        .toList();
  }

  private static void canceled(String id) {
    assertThat(actions.cancel(target(id))).isEqualTo(new Answer(Deed.CANCELED, ""));
    assertThat(status(id)).isEqualTo("canceled");
    assertThat(redis.zscore("rq:canceled:default", id))
        .isCloseTo(
            (double) InstantSource.system().instant().getEpochSecond(),
            org.assertj.core.data.Offset.offset(60.0));
    assertThat(events()).endsWith("canceled canceled");
  }

  @ParameterizedTest
  @ValueSource(strings = {"a", "with space|bar", "a:b*[c]{d}", "\"quotes'\\", "ü☃", "%s$1\n"})
  void aQueuedJobIsCanceledWhateverItsId(String id) {
    job(id, "queued");
    redis.rpush("rq:queue:default", "first", id, "last");
    canceled(id);
    assertThat(redis.lrange("rq:queue:default", 0, -1)).containsExactly("first", "last");
  }

  @ParameterizedTest
  @ValueSource(strings = {"deferred", "scheduled"})
  void aJobIsCanceledOutOfItsRegistry(String status) {
    registered("a", status, status);
    canceled("a");
    assertThat(redis.zcard("rq:" + status + ":default")).isZero();
  }

  @Test
  void aJobThatIsReadyForItsQueueIsCanceled() {
    registered("a", "ready_to_enqueue", "ready");
    canceled("a");
    assertThat(redis.zcard("rq:ready:default")).isZero();
  }

  @Test
  void aCanceledDeferredJobIsForgottenByItsParentsAndItsOwnDependentsWait() {
    registered("a", "deferred", "deferred");
    registered("child", "deferred", "deferred");
    redis.sadd("rq:job::a:dependencies", "one", "two");
    redis.sadd("rq:job:one:dependents", "a", "other");
    redis.sadd("rq:job:two:dependents", "a");
    redis.sadd("rq:job:a:dependents", "child");
    canceled("a");
    assertThat(redis.smembers("rq:job:one:dependents")).containsExactly("other");
    assertThat(redis.exists("rq:job:two:dependents")).isZero();
    assertThat(status("child")).isEqualTo("deferred");
    assertThat(redis.smembers("rq:job:a:dependents")).containsExactly("child");
  }

  @ParameterizedTest
  @ValueSource(strings = {"finished", "failed", "stopped", "canceled", "unheard-of"})
  void aJobThatHasEndedIsNotCanceled(String status) {
    job("a", status);
    assertThat(actions.cancel(target("a"))).isEqualTo(left("it is " + status));
    assertThat(redis.keys("*")).containsExactly("rq:job:a");
  }

  @Test
  void aJobThatIsGoneIsNotMadeAgain() {
    assertThat(actions.cancel(target("a"))).isEqualTo(left("it is gone"));
    assertThat(actions.requeue(target("a"))).isEqualTo(left("it is gone"));
    assertThat(redis.keys("*")).isEmpty();
  }

  @Test
  void aJobThatAWorkerHasPoppedButNotStartedIsLeftAlone() {
    job("a", "queued");
    redis.rpush("rq:queue:default:intermediate", "a");
    Answer taken = left("a worker is just taking it");
    assertThat(actions.cancel(looking("a"))).isEqualTo(taken);
    assertThat(actions.cancel(target("a"))).isEqualTo(taken);

    redis.del("rq:queue:default:intermediate");
    redis.zadd("rq:executions:a", 4e9, "execution");
    assertThat(actions.cancel(looking("a"))).isEqualTo(taken);
    assertThat(actions.cancel(target("a"))).isEqualTo(taken);
    assertThat(status("a")).isEqualTo("queued");
  }

  @Test
  void aQueuedJobThatIsInNoListIsCanceled() {
    job("a", "queued");
    canceled("a");
  }

  @Test
  void theWorkerOfAStartedJobIsToldToStopIt() throws Exception {
    String id = "quote\" ü";
    job(id, "started", "worker_name", "w");
    assertThat(actions.cancel(target(id))).isEqualTo(left("its worker w does not listen"));

    CompletableFuture<String> heard = new CompletableFuture<>();
    try (var commands =
        new Commands(
            fixture.access.connectPubSub(),
            new Keys("rq"),
            List.of("w"),
            new Commands.Listener() {
              @Override
              public void shutdown(String worker) {}

              @Override
              public void killHorse(String worker) {}

              @Override
              public void stopJob(String worker, String job) {
                heard.complete(worker + " " + job);
              }
            })) {
      assertThat(commands).isNotNull();
      Answer asked = new Answer(Deed.ASKED, "w");
      assertThat(actions.cancel(looking(id))).isEqualTo(asked);
      assertThat(heard).isNotDone();
      assertThat(actions.cancel(target(id))).isEqualTo(asked);
      assertThat(heard.get(20, TimeUnit.SECONDS)).isEqualTo("w " + id);
    }
    assertThat(status(id)).isEqualTo("started");
    assertThat(redis.exists("rq:wepp:events")).isZero();
  }

  @Test
  void theMessageIsTheOneThatRqSends() throws Exception {
    job("a/b", "started", "worker_name", "w");
    CompletableFuture<String> heard = new CompletableFuture<>();
    try (var subscription = fixture.client.connectPubSub()) {
      subscription.addListener(
          new RedisPubSubAdapter<>() {
            @Override
            public void message(String channel, String message) {
              heard.complete(message);
            }
          });
      subscription.sync().subscribe("rq:pubsub:w");
      assertThat(actions.cancel(target("a/b")).deed()).isEqualTo(Deed.ASKED);
      var json =
          tools.jackson.databind.json.JsonMapper.builder()
              .build()
              .readTree(heard.get(20, TimeUnit.SECONDS));
      assertThat(json.path("command").asString("")).isEqualTo("stop-job");
      assertThat(json.path("job_id").asString("")).isEqualTo("a/b");
      assertThat(json.size()).isEqualTo(2);
    }
  }

  @Test
  void aStartedJobWithoutAWorkerIsLeftAlone() {
    job("a", "started", "worker_name", "");
    assertThat(actions.cancel(target("a"))).isEqualTo(left("it names no worker"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"failed", "stopped"})
  void aFailedJobGoesToTheEndOfItsQueue(String status) {
    job("a", status, "started_at", "then", "ended_at", "then", "retries_left", "0");
    redis.hset("rq:job:a", Map.of("worker_name", "w", "enqueue_at_front", "1"));
    redis.expire("rq:job:a", 100);
    redis.zadd("rq:failed:default", 4e9, "a");
    redis.rpush("rq:queue:default", "first");

    assertThat(actions.requeue(target("a"))).isEqualTo(new Answer(Deed.REQUEUED, ""));

    assertThat(redis.hgetall("rq:job:a"))
        .containsEntry("status", "queued")
        .containsEntry("started_at", "")
        .containsEntry("ended_at", "")
        .containsEntry("worker_name", "w")
        .containsEntry("retries_left", "0")
        .containsKey("enqueued_at");
    assertThat(redis.lrange("rq:queue:default", 0, -1)).containsExactly("first", "a");
    assertThat(redis.smembers("rq:queues")).containsExactly("rq:queue:default");
    assertThat(redis.zcard("rq:failed:default")).isZero();
    assertThat(redis.ttl("rq:job:a")).isEqualTo(-1);
    assertThat(events()).containsExactly("requeued queued");

    assertThat(actions.requeue(target("a"))).isEqualTo(left("it is queued"));
    assertThat(redis.lrange("rq:queue:default", 0, -1)).containsExactly("first", "a");
  }

  @Test
  void aRequeuedJobHasItsOwnTimeToLiveAgain() {
    job("a", "failed", "ttl", "50");
    redis.zadd("rq:failed:default", 4e9, "a");
    assertThat(actions.requeue(target("a")).deed()).isEqualTo(Deed.REQUEUED);
    assertThat(redis.ttl("rq:job:a")).isBetween(1L, 50L);
  }

  @Test
  void aJobThatIsNotInTheRegistryOfFailedJobsIsNotRequeued() {
    job("a", "failed");
    Answer left = left("it is not in the registry of failed jobs");
    assertThat(actions.requeue(looking("a"))).isEqualTo(left);
    assertThat(actions.requeue(target("a"))).isEqualTo(left);
    assertThat(redis.keys("*")).containsExactly("rq:job:a");
  }

  @Test
  void aJobThatWasCalledAbandonedWhileItsWorkerLivesIsNotRequeued() {
    registered("a", "failed", "failed");
    redis.hset("rq:job:a", "claim", "c");
    redis.zadd("rq:wepp:leases", 4e12, "a|c");
    assertThat(actions.requeue(target("a"))).isEqualTo(left("a worker still runs it"));

    redis.zadd("rq:wepp:leases", 1, "a|c");
    assertThat(actions.requeue(target("a")).deed()).isEqualTo(Deed.REQUEUED);
  }

  /** Whoever comes first has the job; nobody gets half of it. */
  @Test
  void jobsThatAreTakenWhileTheyAreCanceledAreOneOrTheOther() throws Exception {
    int count = 1000;
    for (int i = 0; i < count; i++) {
      job("j" + i, "queued");
      redis.rpush("rq:queue:default", "j" + i);
    }
    CompletableFuture<List<String>> taking =
        CompletableFuture.supplyAsync(() -> {
          List<String> taken = new ArrayList<>();
          Optional<Claim> claim = jobs.take(jobs.request("default", "w", List.of()));
          while (claim.isPresent()) {
            taken.add(claim.get().job().id());
            claim = jobs.take(jobs.request("default", "w", List.of()));
          }
          return taken;
        });
    List<String> canceled = new ArrayList<>();
    for (int i = count - 1; i >= 0; i--) {
      if (actions.cancel(target("j" + i)).deed() == Deed.CANCELED) {
        canceled.add("j" + i);
      }
    }
    List<String> taken = taking.get(60, TimeUnit.SECONDS);

    assertThat(taken).isNotEmpty().doesNotContainAnyElementsOf(canceled);
    assertThat(canceled).isNotEmpty();
    assertThat(taken.size() + canceled.size()).isEqualTo(count);
    assertThat(taken).allSatisfy(id -> assertThat(status(id)).isEqualTo("started"));
    assertThat(canceled).allSatisfy(id -> assertThat(status(id)).isEqualTo("canceled"));
    assertThat(redis.zcard("rq:canceled:default")).isEqualTo(canceled.size());
    assertThat(redis.zcard("rq:wip:default")).isEqualTo(taken.size());
  }

  @Test
  void lookingChangesNothing() {
    job("queued", "queued");
    redis.rpush("rq:queue:default", "queued");
    registered("deferred", "deferred", "deferred");
    registered("failed", "failed", "failed");
    List<String> before = dump();

    assertThat(actions.cancel(looking("queued")).deed()).isEqualTo(Deed.CANCELED);
    assertThat(actions.cancel(looking("deferred")).deed()).isEqualTo(Deed.CANCELED);
    assertThat(actions.requeue(looking("failed")).deed()).isEqualTo(Deed.REQUEUED);
    assertThat(dump()).isEqualTo(before);
  }

  private static List<String> dump() {
    return redis.keys("*").stream()
        .sorted()
        .map(key -> key + java.util.Arrays.toString(redis.dump(key)))
        .toList();
  }

  private static void limited(String id, String status) {
    job(id, status, "rate_limit_key", "k", "rate_limit_concurrency", "1");
    redis.sadd("rq:rl-keys", "k");
    redis.hset("rq:rl:k", "concurrency", "1");
  }

  @Test
  void aCanceledJobGivesItsPlaceInTheLimitToTheNext() {
    limited("a", "queued");
    redis.rpush("rq:queue:default", "a");
    redis.zadd("rq:rl:k:allowed", 1, "a");
    limited("b", "rate_limited");
    redis.zadd("rq:rl:k:rate_limited", 1, "b");
    limited("c", "rate_limited");
    redis.zadd("rq:rl:k:rate_limited", 2, "c");

    assertThat(actions.limited()).containsExactly("b", "c");
    canceled("c");
    assertThat(status("b")).isEqualTo("rate_limited");
    canceled("a");
    assertThat(status("b")).isEqualTo("queued");
    assertThat(redis.lrange("rq:queue:default", 0, -1)).containsExactly("b");
    assertThat(redis.zrange("rq:rl:k:allowed", 0, -1)).containsExactly("b");
    assertThat(actions.limited()).isEmpty();
  }

  @Test
  void aRequeuedJobWaitsForItsLimit() {
    limited("a", "failed");
    redis.zadd("rq:failed:default", 4e9, "a");
    redis.zadd("rq:rl:k:allowed", 1, "other");

    assertThat(actions.requeue(target("a"))).isEqualTo(new Answer(Deed.LIMITED, "k"));
    assertThat(status("a")).isEqualTo("rate_limited");
    assertThat(redis.llen("rq:queue:default")).isZero();
    assertThat(redis.zrange("rq:rl:k:rate_limited", 0, -1)).containsExactly("a");
    assertThat(events()).containsExactly("requeued rate_limited");
  }

  @Test
  void aRequeuedJobTakesAFreePlaceInItsLimitAlsoWhenItStillHadOne() {
    limited("a", "failed");
    redis.zadd("rq:failed:default", 4e9, "a");
    redis.zadd("rq:rl:k:allowed", 1, "a");

    assertThat(actions.requeue(target("a")).deed()).isEqualTo(Deed.REQUEUED);
    assertThat(status("a")).isEqualTo("queued");
    assertThat(redis.lrange("rq:queue:default", 0, -1)).containsExactly("a");
    assertThat(redis.zrange("rq:rl:k:allowed", 0, -1)).containsExactly("a");
  }

  @Test
  void findsJobsInEveryRegistryOfAQueue() {
    String execution = "0123456789abcdef0123456789abcdef";
    redis.zadd("rq:wip:q:1", 1, "plain");
    redis.zadd("rq:wip:q:1", 2, "with:colon");
    redis.zadd("rq:wip:q:1", 3, "composite:" + execution);
    redis.zadd("rq:failed:q:1", 1, "f");
    redis.sadd("rq:queues", "rq:queue:q:1", "rq:queue:b");

    assertThat(actions.queues()).containsExactly("b", "q:1");
    assertThat(actions.registered(Registry.WIP, "q:1"))
        .containsExactly("plain", "with:colon", "composite");
    assertThat(actions.registered(Registry.FAILED, "q:1")).containsExactly("f");
  }

  @Test
  void readsTheLastErrorOfEachJob() {
    redis.xadd("rq:results:a", Map.of("type", "2", "exc_string", ResultCodec.excString("old")));
    redis.xadd("rq:results:a", Map.of("type", "2", "exc_string", ResultCodec.excString("new ☃")));
    redis.xadd("rq:results:b", Map.of("type", "2", "exc_string", "eA=="));
    redis.xadd("rq:results:c", Map.of("type", "1"));

    assertThat(actions.errors(List.of("a", "b", "c", "d"))).containsExactly("new ☃", "", "", "");
  }
}
