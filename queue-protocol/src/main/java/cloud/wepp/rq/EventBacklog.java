package cloud.wepp.rq;

import static cloud.wepp.rq.Wire.bytes;

import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.StatefulRedisConnection;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Locale;

/** The stream of state changes, seen as what waits for its reader; and the bound of it. */
public final class EventBacklog implements AutoCloseable {
  private final RedisAccess redis;
  private final String[] names;
  private final String group;
  private final Bound bound;
  private final InstantSource clock;
  private final StatefulRedisConnection<String, byte[]> connection;
  private final Script look;

  /** What becomes of events when as many wait as may. */
  public enum Full {
    /** They stay; takes stop by themselves: {@link JobQueue.QueueTiming#mostEvents}. */
    STOP,
    /** The oldest are dropped, and an event {@code dropped_events} tells how many. */
    DROP,
    /** Nobody wants any: all are dropped, unless somebody reads the stream; then as DROP. */
    OFF
  }

  /** How many events may wait, and what becomes of more. */
  public record Bound(long most, Full full) {}

  /**
   * What was found.
   *
   * @param events that wait
   * @param oldest how long the first of them has waited; zero when none does
   * @param dropped how many were dropped by this look; those that nobody wants do not count
   */
  public record Look(long events, Duration oldest, long dropped) {}

  /**
   * @param prefix of all keys, {@code rq} by default
   * @param group of the readers: {@link EventStream}
   */
  public EventBacklog(
      RedisAccess redis, String prefix, String group, Bound bound, InstantSource clock) {
    Keys keys = new Keys(prefix);
    this.redis = redis;
    this.names = new String[] {keys.events(), keys.dropped()};
    this.group = group;
    this.bound = bound;
    this.clock = clock;
    connection = redis.connect();
    look = new Script("backlog.lua", connection);
  }

  public Bound bound() {
    return bound;
  }

  /** Looks, and holds the bound. Throws {@link QueueUnavailable} when Redis does not answer. */
  public Look look() {
    List<Long> answer =
        redis.reach(
            "look at the events that wait",
            () ->
                look.call(
                    connection,
                    ScriptOutputType.MULTI,
                    names,
                    bytes(group),
                    bytes(Long.toString(bound.most())),
                    bytes(bound.full().name().toLowerCase(Locale.ROOT)),
                    bytes(Wire.iso(clock.instant()))));
    return new Look(answer.get(0), Duration.ofMillis(answer.get(1)), answer.get(2));
  }

  @Override
  public void close() {
    connection.close();
  }
}
