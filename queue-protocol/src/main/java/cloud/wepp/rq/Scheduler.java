package cloud.wepp.rq;

import static cloud.wepp.rq.Wire.bytes;
import static cloud.wepp.rq.Wire.text;

import io.lettuce.core.Limit;
import io.lettuce.core.Range;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.StatefulRedisConnection;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Stream;

/**
 * rq's scheduler: jobs that are due go from {@code scheduled} into their queues. Works on those
 * queues whose lock it holds, so that it takes turns with rq's own; each job is moved by one
 * script, so that two schedulers which both believe to hold a lock do no harm to each other.
 *
 * <p>For one thread. Every method throws {@link QueueUnavailable} when Redis does not answer, and
 * may then be repeated.
 */
public final class Scheduler implements AutoCloseable {
  /** rq's: its interval and a minute. */
  private static final Duration LOCK = Duration.ofSeconds(61);

  private static final int MOST_AT_ONCE = 1000;

  private final RedisAccess redis;
  private final Keys keys;
  private final List<String> queues;
  private final String name;
  private final String host;
  private final String pid;
  private final String born;
  private final InstantSource clock;
  private final StatefulRedisConnection<String, byte[]> connection;
  private final Script locks;
  private final Script unlock;
  private final Script move;
  private List<String> held = List.of();

  /**
   * @param queues whose scheduled jobs are moved
   * @param host what rq's monitors show of this process
   */
  public Scheduler(
      RedisAccess redis,
      String prefix,
      List<String> queues,
      JobQueue.WorkerInfo host,
      InstantSource clock) {
    this.redis = redis;
    this.keys = new Keys(prefix);
    this.queues = List.copyOf(queues);
    this.host = host.hostname();
    this.clock = clock;
    // Clients before rq 2.10 read the lock as a process id; no process has such a number.
    name = Long.toString(ThreadLocalRandom.current().nextLong(1L << 60, Long.MAX_VALUE));
    pid = Long.toString(host.pid());
    born = Wire.iso(clock.instant());
    connection = redis.connect();
    locks = new Script("locks.lua", connection);
    unlock = new Script("unlock.lua", connection);
    move = new Script(connection, "limiter.lua", "jobs.lua", "move.lua");
  }

  /**
   * What one run did.
   *
   * @param moved the ids that went into a queue, or wait for their limit now
   * @param broken the ids that are due and stay, because Redis refuses to work on them
   */
  public record Run(List<String> moved, List<String> broken) {}

  /** The queues whose lock this scheduler held when it last ran. */
  public List<String> held() {
    return held;
  }

  /** Takes what locks are free, keeps its own, and moves the jobs that are due. */
  public Run run() {
    String now = Wire.iso(clock.instant());
    List<String> arguments = new ArrayList<>();
    arguments.addAll(List.of(name, Long.toString(LOCK.toSeconds()), host, pid, born, now));
    arguments.addAll(queues);
    String[] names =
        Stream.concat(
                Stream.of(keys.scheduler(name)),
                queues.stream().map(queue -> keys.schedulerLock(queue)))
            .toArray(String[]::new);
    List<byte[]> found =
        redis.reach(
            "keep the scheduler's locks",
            () ->
                locks.call(
                    connection,
                    ScriptOutputType.MULTI,
                    names,
                    arguments.stream().map(Wire::bytes).toArray(byte[][]::new)));
    List<String> all = found.stream().map(Wire::text).toList();
    held = all.subList(1, all.size());
    Run run = new Run(new ArrayList<>(), new ArrayList<>());
    for (String queue : held) {
      moveDue(queue, Long.parseLong(all.getFirst()), run);
    }
    return run;
  }

  private void moveDue(String queue, long now, Run run) {
    String scheduled = keys.registry("scheduled", queue);
    List<String> due =
        redis.reach(
            "read the scheduled jobs of queue " + queue,
            () ->
                connection
                    .sync()
                    .zrangebyscore(scheduled, Range.create(0, now), Limit.from(MOST_AT_ONCE))
                    .stream()
                    .map(Wire::text)
                    .toList());
    for (String id : due) {
      try {
        String becomes = move(scheduled, queue, id);
        if (becomes.equals("queued") || becomes.equals("rate_limited")) {
          run.moved.add(id);
        }
      } catch (QueueUnavailable e) {
        if (!RedisAccess.refused(e)) {
          throw e;
        }
        run.broken.add(id);
      }
    }
  }

  private String move(String scheduled, String queue, String id) {
    byte[] becomes =
        redis.reach(
            "queue the scheduled job " + id,
            () ->
                move.call(
                    connection,
                    ScriptOutputType.VALUE,
                    new String[] {scheduled, keys.job(id), keys.events()},
                    bytes(keys.prefix),
                    bytes(queue),
                    bytes(id),
                    bytes(Wire.iso(clock.instant())),
                    bytes("scheduled")));
    return text(becomes);
  }

  /** Gives up its locks, so that another scheduler can go on at once, and its record. */
  public void release() {
    String[] names = queues.stream().map(keys::schedulerLock).toArray(String[]::new);
    held = List.of();
    Long _ =
        redis.reach(
            "give up the scheduler's locks",
            () -> {
              connection.sync().del(keys.scheduler(name));
              return unlock.<Long>call(connection, ScriptOutputType.INTEGER, names, bytes(name));
            });
  }

  @Override
  public void close() {
    connection.close();
  }
}
