package cloud.wepp.rq;

import static cloud.wepp.rq.Wire.text;

import io.lettuce.core.Range;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.api.StatefulRedisConnection;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/** What waits in queues, and what this kind of worker runs of it. Only reads. */
public final class QueueLoad implements AutoCloseable {
  private final RedisAccess redis;
  private final Keys keys;
  private final StatefulRedisConnection<String, byte[]> connection;

  /**
   * @param prefix of all keys, {@code rq} by default
   * @throws QueueUnavailable if Redis cannot be reached
   */
  public QueueLoad(RedisAccess redis, String prefix) {
    this.redis = redis;
    this.keys = new Keys(prefix);
    connection = redis.connect();
  }

  /**
   * One look.
   *
   * @param at by Redis' clock
   * @param answered how long Redis took for the simplest of questions
   * @param suspended whether rq's workers are told to take nothing
   * @param events that wait for Postgres
   * @param paused as {@link JobQueue#paused} has it
   * @param queues in the order in which they were asked for
   */
  public record Look(
      Instant at,
      Duration answered,
      boolean suspended,
      long events,
      Set<String> paused,
      List<Queue> queues) {}

  /**
   * One queue.
   *
   * @param running its jobs under a lease of this kind of worker
   */
  public record Queue(String name, long waiting, long running) {}

  /**
   * Looks in two round trips.
   *
   * @throws QueueUnavailable if Redis does not answer
   */
  public Look look(Collection<String> queues) {
    return redis.reach("look at the load of queues", () -> lookNow(queues));
  }

  private Look lookNow(Collection<String> queues) {
    long asked = System.nanoTime();
    List<byte[]> time = connection.sync().time();
    Duration answered = Duration.ofNanos(System.nanoTime() - asked);
    Instant at = Wire.time(time);
    var async = connection.async();
    RedisFuture<Long> suspended = async.exists(keys.suspended());
    RedisFuture<Long> events = async.xlen(keys.events());
    RedisFuture<Set<byte[]>> paused = async.smembers(keys.paused());
    RedisFuture<List<byte[]>> leases =
        async.zrangebyscore(keys.leases(), Range.create(at.toEpochMilli(), Long.MAX_VALUE));
    List<Function<Set<String>, Queue>> answers = new ArrayList<>();
    for (String queue : queues) {
      RedisFuture<Long> waiting = async.llen(keys.queue(queue));
      RedisFuture<List<byte[]>> started = async.zrange(keys.registry("wip", queue), 0, -1);
      answers.add(ours ->
          new Queue(
              queue,
              answer(waiting),
              answer(started).stream().map(Wire::text).filter(ours::contains).count()));
    }
    Set<String> ours =
        answer(leases).stream().map(QueueLoad::job).collect(Collectors.toUnmodifiableSet());
    return new Look(
        at,
        answered,
        answer(suspended) == 1,
        answer(events),
        answer(paused).stream().map(Wire::text).collect(Collectors.toUnmodifiableSet()),
        answers.stream().map(one -> one.apply(ours)).toList());
  }

  /** A lease is {@code <job>|<claim>}, and a job's id may be anything. */
  private static String job(byte[] lease) {
    String text = text(lease);
    return text.substring(0, Math.max(0, text.lastIndexOf('|')));
  }

  /** When a job was put into its queue; empty if it does not say so. */
  public Optional<Instant> enqueuedAt(String job) {
    return redis.reach(
        "read job " + job,
        () ->
            Optional.ofNullable(connection.sync().hget(keys.job(job), "enqueued_at"))
                .flatMap(text -> Wire.instant(text(text))));
  }

  private <T> T answer(RedisFuture<T> sent) {
    return RedisAccess.answer(connection, sent);
  }

  @Override
  public void close() {
    connection.close();
  }
}
