package cloud.wepp.rq;

import static cloud.wepp.rq.Wire.bytes;
import static cloud.wepp.rq.Wire.text;

import io.lettuce.core.Consumer;
import io.lettuce.core.RedisBusyException;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisException;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.SetArgs;
import io.lettuce.core.StreamMessage;
import io.lettuce.core.UnblockType;
import io.lettuce.core.XAutoClaimArgs;
import io.lettuce.core.XGroupCreateArgs;
import io.lettuce.core.XReadArgs;
import io.lettuce.core.XReadArgs.StreamOffset;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.models.stream.ClaimedMessages;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The stream of state changes, read as one consumer of a group. An event stays in the stream until
 * {@link #done}: the stream holds what nobody has kept elsewhere yet, and whoever reads may die.
 *
 * <p>For one thread, except {@link #wake} and {@link #waiting}. Every method throws {@link
 * QueueUnavailable} when Redis does not answer, and may then be repeated.
 */
public final class EventStream implements AutoCloseable {
  /** The longest wait of one read. */
  public static final Duration LONGEST_WAIT = Duration.ofSeconds(5);

  /** The one field that is not text; {@link Event} has it as base64. */
  private static final String PAYLOAD = "payload";

  private static final Duration SILENT = Duration.ofHours(1);

  private final RedisAccess redis;
  private final String events;
  private final String source;
  private final String group;
  private final Consumer<String> consumer;
  private final StatefulRedisConnection<String, byte[]> reading; // blocks
  private final StatefulRedisConnection<String, byte[]> connection;
  private final Script done;
  private final Script tend;
  private volatile long reader; // Redis' id of the connection that may be blocked

  /**
   * @param prefix of all keys, {@code rq} by default
   * @param group shared by all processes that carry the events to the same place
   * @param consumer unique per process
   */
  public EventStream(RedisAccess redis, String prefix, String group, String consumer) {
    Keys keys = new Keys(prefix);
    this.redis = redis;
    this.events = keys.events();
    this.source = keys.source();
    this.group = group;
    this.consumer = Consumer.from(group, consumer);
    connection = redis.connect();
    reading = redis.connectBlocking(LONGEST_WAIT);
    done = new Script("done.lua", connection);
    tend = new Script("tend.lua", connection);
  }

  /**
   * Takes the next events that no consumer has been given, in order.
   *
   * @param wait how long to wait for the first one, at most {@link #LONGEST_WAIT}
   */
  public List<Event> read(int most, Duration wait) {
    return redis.reach(
        "read events",
        () -> {
          try {
            return readOnce(most, wait);
          } catch (RedisCommandExecutionException e) {
            if (!groupIsGone(e)) {
              throw e;
            }
            createGroup();
            return readOnce(most, wait);
          }
        });
  }

  @SuppressWarnings("unchecked") // Lettuce takes one stream or many
  private List<Event> readOnce(int most, Duration wait) {
    var async = reading.async();
    XReadArgs args = XReadArgs.Builder.count(most);
    if (wait.isPositive()) {
      // For Redis, 0 ms is for ever.
      args.block(Math.clamp(wait.toMillis(), 1, LONGEST_WAIT.toMillis()));
      reader = await(async.clientId());
    }
    // Sent together: Redis answers one after the other, so the events are of this data set.
    var read = async.xreadgroup(consumer, args, StreamOffset.lastConsumed(events));
    RedisFuture<byte[]> name = async.get(source);
    List<StreamMessage<String, byte[]>> messages = await(read);
    byte @Nullable [] known = await(name);
    return messages == null || messages.isEmpty() ? List.of() : events(messages, known);
  }

  private static boolean groupIsGone(RedisCommandExecutionException e) {
    String message = String.valueOf(e.getMessage());
    return message.startsWith("NOGROUP") || message.startsWith("UNBLOCKED");
  }

  private void createGroup() {
    try {
      connection
          .sync()
          .xgroupCreate(
              StreamOffset.from(events, "0"), group, XGroupCreateArgs.Builder.mkstream(true));
    } catch (RedisBusyException another) {
      // another process was first
    }
  }

  /**
   * Takes over events that some consumer was given at least {@code idle} ago and has not done:
   * those of a dead process, and own ones whose delivery was lost. Also forgets consumers that hold
   * nothing and have been silent for an hour.
   */
  public List<Event> abandoned(Duration idle, int most) {
    return redis.reach(
        "take over abandoned events",
        () -> {
          try {
            tend("");
            return claim(idle, most);
          } catch (RedisCommandExecutionException e) {
            if (!groupIsGone(e)) {
              throw e;
            }
            return List.of();
          }
        });
  }

  private List<Event> claim(Duration idle, int most) {
    String from = "0-0";
    do {
      XAutoClaimArgs<String> args =
          XAutoClaimArgs.Builder.xautoclaim(consumer, idle, from).count(most);
      ClaimedMessages<String, byte[]> claimed = connection.sync().xautoclaim(events, args);
      List<Event> found = events(claimed.getMessages(), connection.sync().get(source));
      if (!found.isEmpty()) {
        return found;
      }
      from = claimed.getId();
    } while (!from.equals("0-0"));
    return List.of();
  }

  private List<Event> events(
      List<StreamMessage<String, byte[]>> messages, byte @Nullable [] known) {
    UUID from = identity(known == null ? name() : text(known));
    List<Event> found = new ArrayList<>(messages.size());
    for (StreamMessage<String, byte[]> message : messages) {
      Map<String, byte[]> body = message.getBody();
      if (message.getId() == null || body == null || body.isEmpty()) {
        continue; // Redis 6.2 answers so for an entry that was deleted while it was held
      }
      Map<String, String> fields = HashMap.newHashMap(body.size());
      body.forEach((name, value) ->
          fields.put(
              name,
              name.equals(PAYLOAD) ? Base64.getEncoder().encodeToString(value) : text(value)));
      String id = message.getId();
      int dash = id.indexOf('-');
      found.add(
          new Event(
              from,
              Long.parseLong(id, 0, dash, 10),
              Long.parseLong(id, dash + 1, id.length(), 10),
              fields));
    }
    return found;
  }

  /** Gives the data set a name, unless another process does so first. */
  private String name() {
    String name = UUID.randomUUID().toString();
    connection.sync().set(source, bytes(name), SetArgs.Builder.nx());
    byte @Nullable [] known = connection.sync().get(source);
    return known == null ? name : text(known);
  }

  private static UUID identity(String name) {
    try {
      return UUID.fromString(name);
    } catch (IllegalArgumentException e) {
      return UUID.nameUUIDFromBytes(bytes(name));
    }
  }

  /** Removes events that are safe elsewhere. May be repeated. */
  public void done(List<Event> kept) {
    if (kept.isEmpty()) {
      return;
    }
    byte[][] arguments = new byte[kept.size() + 1][];
    arguments[0] = bytes(group);
    for (int i = 0; i < kept.size(); i++) {
      arguments[i + 1] = bytes(kept.get(i).id());
    }
    String[] names = {events};
    Long _ =
        redis.reach(
            "remove events",
            () -> done.<Long>call(connection, ScriptOutputType.INTEGER, names, arguments));
  }

  private void tend(String leaving) {
    Long _ =
        tend.<Long>call(
            connection,
            ScriptOutputType.INTEGER,
            new String[] {events},
            bytes(group),
            bytes(leaving),
            bytes(Long.toString(SILENT.toMillis())));
  }

  /** How many events are in the stream: those that are not done. Any thread may call it. */
  public long waiting() {
    return redis.reach("count events", () -> connection.sync().xlen(events));
  }

  /** Ends the wait of a read that is going on. Any thread may call it. */
  public void wake() {
    Long _ =
        redis.reach(
            "end a wait", () -> connection.sync().clientUnblock(reader, UnblockType.TIMEOUT));
  }

  private <T> T await(RedisFuture<T> answer) {
    return RedisAccess.answer(reading, answer);
  }

  /** Leaves the group. Events that were read and are not done go to another consumer in time. */
  @Override
  public void close() {
    try {
      tend(consumer.getName());
    } catch (RedisException e) {
      // the name is forgotten later, by another process
    }
    reading.close();
    connection.close();
  }
}
