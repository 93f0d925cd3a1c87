package cloud.wepp.rq;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Inventory.QueueSeen;
import cloud.wepp.rq.Inventory.WorkerSeen;
import io.lettuce.core.api.sync.RedisCommands;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a real Redis holds is seen, and is the same afterwards. */
class InventoryIT {
  private static Fixture fixture;
  private static JobQueue jobs;
  private static Inventory inventory;
  private static RedisCommands<String, String> redis;

  @BeforeAll
  static void start() {
    fixture = new Fixture();
    redis = fixture.redis;
    jobs = fixture.jobs;
    inventory = new Inventory(fixture.access, "rq");
  }

  @AfterAll
  static void stop() {
    inventory.close();
    fixture.close();
  }

  @BeforeEach
  void empty() {
    redis.flushall();
  }

  private static Inventory.Seen read(String... queues) {
    return inventory.read(List.of(queues));
  }

  private static String enqueue(String queue) {
    return jobs.enqueue(queue, "data".getBytes(UTF_8), "f()", Duration.ofMinutes(3));
  }

  private static void register(String... workers) {
    jobs.register(
        List.of(workers),
        List.of("default", "other"),
        new JobQueue.WorkerInfo(7, "host", "127.0.0.1:1", "test"));
  }

  private static Claim take(String worker) {
    return jobs.take(jobs.request("default", worker, List.of())).orElseThrow();
  }

  @Test
  void nothingIsSeenInAnEmptyDatabase() {
    Inventory.Seen seen = read();
    assertThat(seen.queues()).isEmpty();
    assertThat(seen.workers()).isEmpty();
    assertThat(seen.suspension()).isEqualTo(new Inventory.Suspension(false, null));
    assertThat(seen.paused()).isEmpty();
    assertThat(seen.leases()).isEqualTo(new Inventory.Leases(0, 0));
    assertThat(seen.events()).isEqualTo(new Inventory.Events(0, null, 0));
    assertThat(read("unknown").queues())
        .containsExactly(new QueueSeen("unknown", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  }

  @Test
  void jobsAreCountedWhereTheyAre() {
    double over = Integer.parseInt(redis.time().getFirst()) - 1;
    double later = over + 60;
    redis.sadd("rq:queues", "rq:queue:b", "rq:queue:a", "not a queue");
    redis.rpush("rq:queue:a", "1", "2");
    redis.rpush("rq:queue:a:intermediate", "3");
    redis.zadd("rq:wip:a", over, "4:x");
    redis.zadd("rq:wip:a", later, "5:x");
    redis.zadd("rq:finished:a", over, "6");
    redis.zadd("rq:finished:a", Double.POSITIVE_INFINITY, "7");
    redis.zadd("rq:failed:a", over, "8");
    redis.zadd("rq:failed:a", -1, "9");
    redis.zadd("rq:failed:a", later, "10");
    redis.zadd("rq:deferred:a", over, "11");
    redis.zadd("rq:scheduled:a", over, "12");
    redis.zadd("rq:canceled:a", over, "13");
    redis.zadd("rq:ready:a", over, "14");
    QueueSeen a = new QueueSeen("a", 2, 1, 1, 2, 1, 1, 1, 1, 1, 1);
    assertThat(read().queues())
        .containsExactly(a, new QueueSeen("b", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    assertThat(read("a").queues()).containsExactly(a);
  }

  @Test
  void aBusyWorkerIsSeenWithItsJobAndItsLease() {
    register("w.2", "w.10");
    String job = enqueue("default");
    Claim claim = take("w.10");

    Inventory.Seen seen = read();
    assertThat(seen.workers()).extracting(WorkerSeen::name).containsExactly("w.2", "w.10");
    WorkerSeen busy = seen.workers().getLast();
    assertThat(busy.state()).isEqualTo("busy");
    assertThat(busy.job()).isEqualTo(job);
    assertThat(busy.queues()).containsExactly("default", "other");
    assertThat(busy.host()).isEqualTo("host");
    assertThat(busy.pid()).isEqualTo(7);
    assertThat(busy.heartbeat()).isBetween(seen.at().minusSeconds(60), seen.at().plusSeconds(1));
    assertThat(seen.leases()).isEqualTo(new Inventory.Leases(1, 0));
    assertThat(seen.events().waiting()).isEqualTo(1);
    assertThat(seen.events().oldest()).isBetween(seen.at().minusSeconds(60), seen.at());

    jobs.settle(
        claim,
        new Settlement.Finish("", Duration.ofSeconds(60)),
        new Ended(claim.startedAt().plusSeconds(3), "f", "", "{}"));
    WorkerSeen idle = read().workers().getLast();
    assertThat(idle.job()).isNull();
    assertThat(idle.succeeded()).isEqualTo(1);
    assertThat(idle.worked()).isEqualTo(Duration.ofSeconds(3));
  }

  @Test
  void workersAreThoseOfTheQueuesThatWereAskedFor() {
    register("w.1");
    assertThat(read("other", "elsewhere").workers()).hasSize(1);
    assertThat(read("elsewhere").workers()).isEmpty();
  }

  @Test
  void theJobOfAWorkerOfRq3IsTheOneThatStillRuns() {
    redis.sadd("rq:workers", "rq:worker:python");
    redis.hset("rq:worker:python", "queues", "default");
    redis.sadd("rq:worker:python:executions", "dead:x", "alive:y", "odd");
    redis.hset("rq:execution:alive:y", "id", "y");
    assertThat(read().workers()).extracting(WorkerSeen::job).containsExactly("alive");
  }

  @Test
  void whatCannotBeReadIsUnknown() {
    redis.sadd("rq:workers", "rq:worker:odd", "rq:worker:gone", "rq:worker:odd:executions");
    redis.sadd("rq:worker:odd:executions", "1:x");
    redis.hset(
        "rq:worker:odd",
        Map.of(
            "pid", "one", "birth", "yesterday", "total_working_time", "", "failed_job_count", "x"));
    assertThat(read().workers())
        .containsExactly(
            new WorkerSeen(
                "odd", "", null, List.of(), "", null, 0, 0, Duration.ZERO, null, null, ""));
  }

  @Test
  void aSuspensionIsSeenWithItsEnd() {
    redis.set("rq:suspended", "1");
    assertThat(read().suspension()).isEqualTo(new Inventory.Suspension(true, null));
    redis.expire("rq:suspended", 60);
    assertThat(read().suspension().left())
        .isBetween(Duration.ofSeconds(30), Duration.ofSeconds(60));
  }

  @Test
  void whatIsPausedIsSeen() {
    jobs.pause("queue default", true);
    jobs.pause("function a.*", true);
    assertThat(read().paused()).containsExactly("function a.*", "queue default");
  }

  @Test
  void nothingIsWritten() {
    register("w.1");
    enqueue("default");
    enqueue("default");
    take("w.1");
    redis.zadd("rq:finished:default", 1, "expired");
    redis.zadd("rq:failed:default", 1, "expired");
    redis.zadd("rq:wip:default", 1, "abandoned");
    redis.zadd("rq:wepp:leases", 1, "abandoned|claim");
    redis.sadd("rq:workers", "rq:worker:dead");
    redis.sadd("rq:workers:default", "rq:worker:dead");
    redis.sadd("rq:worker:w.1:executions", "ended:x");
    redis.hdel("rq:worker:w.1", "current_job");
    redis.set("rq:suspended", "1");
    Map<String, String> before = dump();
    String changes = changes();

    assertThat(read().queues()).hasSize(1);
    assertThat(read("default", "another").queues()).hasSize(2);

    assertThat(changes()).as("changes that Redis has counted").isEqualTo(changes);
    assertThat(dump()).isEqualTo(before);
  }

  private static String changes() {
    return redis
        .info("persistence")
        .lines()
        .filter(line -> line.startsWith("rdb_changes_since_last_save:"))
        .findFirst()
        .orElseThrow();
  }

  /** Every key with its bytes, and whether it expires. */
  private static Map<String, String> dump() {
    Map<String, String> dump = new TreeMap<>();
    for (String key : redis.keys("*")) {
      dump.put(
          key,
          new String(redis.dump(key), StandardCharsets.ISO_8859_1)
              + (redis.ttl(key) < 0 ? "" : " expires"));
    }
    return dump;
  }
}
