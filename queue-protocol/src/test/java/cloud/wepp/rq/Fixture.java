package cloud.wepp.rq;

import cloud.wepp.rq.testing.RedisServer;
import io.lettuce.core.RedisClient;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.sync.RedisCommands;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A Redis of a test's own, looked at as text. */
final class Fixture implements AutoCloseable {
  static final InstantSource CLOCK = InstantSource.system();

  private final RedisServer server = RedisServer.start();
  final RedisClient client = RedisClient.create(server.url());
  private final StatefulRedisConnection<String, String> connection = client.connect();
  final RedisAccess access = new RedisAccess(server.url(), null, RedisAccess.USUAL_TIMEOUT);
  final RedisCommands<String, String> redis = connection.sync();
  final JobQueue jobs =
      new JobQueue(
          access,
          "rq",
          new JobQueue.QueueTiming(Duration.ofSeconds(20), Duration.ofSeconds(90), 1000),
          CLOCK);

  /** An empty database with the worker {@code w}. */
  void empty() {
    redis.flushall();
    jobs.register(List.of("w"), List.of("default"), info());
  }

  static JobQueue.WorkerInfo info() {
    return new JobQueue.WorkerInfo(4711, "host", "127.0.0.1:1", "test");
  }

  /** Seconds of Redis' clock from now on; negative for the past. */
  double in(long seconds) {
    return Double.parseDouble(redis.time().getFirst()) + seconds;
  }

  /** A job hash of the queue {@code default}; more fields in pairs. */
  void job(String id, String status, String... more) {
    Map<String, String> fields = new HashMap<>();
    fields.putAll(Map.of("data", "x", "origin", "default", "status", status));
    for (int i = 0; i < more.length; i += 2) {
      fields.put(more[i], more[i + 1]);
    }
    redis.hset("rq:job:" + id, fields);
  }

  /** A job that waits in the queue {@code default}. */
  void queued(String id, String... more) {
    job(id, "queued", more);
    redis.rpush("rq:queue:default", id);
  }

  String field(String id, String field) {
    return redis.hget("rq:job:" + id, field);
  }

  String status(String id) {
    return field(id, "status");
  }

  List<String> queue() {
    return redis.lrange("rq:queue:default", 0, -1);
  }

  List<String> events() {
    return redis.xrange("rq:wepp:events", io.lettuce.core.Range.unbounded()).stream()
        .map(event -> event.getBody().get("event"))
        .toList();
  }

  Claim take() {
    return jobs.take(jobs.request("default", "w", List.of())).orElseThrow();
  }

  /** Takes the head of the queue and ends it so. */
  Claim run(Settlement settlement) {
    Claim claim = take();
    jobs.settle(
        claim, settlement, new Ended(Instant.parse("2026-11-24T01:02:03.000004Z"), "f", "", "{}"));
    return claim;
  }

  @Override
  public void close() {
    jobs.close();
    access.close();
    connection.close();
    client.shutdown();
    server.close();
  }
}
