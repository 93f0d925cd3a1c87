package cloud.wepp.rq;

import static cloud.wepp.rq.Wire.bytes;
import static cloud.wepp.rq.Wire.text;

import io.lettuce.core.KeyValue;
import io.lettuce.core.Limit;
import io.lettuce.core.Range;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.StreamMessage;
import io.lettuce.core.api.StatefulRedisConnection;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What an operator does to jobs while workers run: find, cancel, requeue. Each change is one script
 * that looks at the job's status again, so that a job which moved on meanwhile is left alone.
 *
 * <p>Every method throws {@link QueueUnavailable} when Redis does not answer.
 */
public final class JobActions implements AutoCloseable {
  /** Jobs that are read in one round trip. */
  private static final int PAGE = 500;

  private static final Pattern EXECUTION = Pattern.compile(":[0-9a-f]{32}$");

  private final RedisAccess redis;
  private final Keys keys;
  private final InstantSource clock;
  private final StatefulRedisConnection<String, byte[]> connection;
  private final Script cancel;
  private final Script requeue;

  public JobActions(RedisAccess redis, String prefix, InstantSource clock) {
    this.redis = redis;
    this.keys = new Keys(prefix);
    this.clock = clock;
    connection = redis.connect();
    cancel = new Script(connection, "limiter.lua", "cancel.lua");
    requeue = new Script(connection, "limiter.lua", "jobs.lua", "requeue.lua");
  }

  /** rq's registries of a queue, by the names in their keys. */
  public enum Registry {
    WIP,
    DEFERRED,
    SCHEDULED,
    READY,
    FINISHED,
    FAILED,
    CANCELED
  }

  /** What happened to a job, or would. */
  public enum Deed {
    CANCELED,
    /** A started job's worker was told to stop it; the detail names the worker. */
    ASKED,
    REQUEUED,
    /** Requeued, and it waits for its concurrency limit, which the detail names. */
    LIMITED,
    /** Nothing; the detail says why. */
    LEFT
  }

  /** The answer to one action. */
  public record Answer(Deed deed, String detail) {}

  /**
   * A job to act on.
   *
   * @param function for the history; empty when not known
   * @param run WEPPcloud's run id, for the history; empty when not known
   * @param dry whether nothing is written, so that the answer says what would be done
   */
  public record Target(String id, String function, String run, boolean dry) {}

  /**
   * Cancels a job that waits, as rq's {@code job.cancel()} does: its dependents stay deferred. A
   * started job's worker is told to stop it. Any other job is left alone.
   */
  public Answer cancel(Target target) {
    return act("cancel", cancel, target);
  }

  /** Puts a failed or stopped job at the end of its queue; any other job is left alone. */
  public Answer requeue(Target target) {
    return act("requeue", requeue, target);
  }

  private Answer act(String what, Script script, Target target) {
    byte[][] arguments = {
      bytes(keys.prefix),
      bytes(target.id()),
      bytes(Wire.iso(clock.instant())),
      bytes(target.dry() ? "1" : ""),
      bytes(target.function()),
      bytes(target.run())
    };
    String[] names = {keys.job(target.id()), keys.events(), keys.leases()};
    List<byte[]> answer =
        redis.reach(
            what + " job " + target.id(),
            () -> script.call(connection, ScriptOutputType.MULTI, names, arguments));
    return new Answer(
        Deed.valueOf(text(answer.getFirst()).toUpperCase(Locale.ROOT)), text(answer.getLast()));
  }

  /** The names of all queues that rq knows. */
  public List<String> queues() {
    String start = keys.queue("");
    return redis.reach(
        "read the queues",
        () ->
            connection.sync().smembers(keys.queues()).stream()
                .map(Wire::text)
                .filter(key -> key.startsWith(start))
                .map(key -> key.substring(start.length()))
                .sorted()
                .toList());
  }

  /** The ids that wait in a queue, head first. */
  public List<String> queued(String queue) {
    return redis.reach(
        "read queue " + queue, () -> texts(connection.sync().lrange(keys.queue(queue), 0, -1)));
  }

  /** The ids in one of a queue's registries. */
  public List<String> registered(Registry registry, String queue) {
    String name = registry.name().toLowerCase(Locale.ROOT);
    List<String> members =
        redis.reach(
            "read the " + name + " jobs of queue " + queue,
            () -> texts(connection.sync().zrange(keys.registry(name, queue), 0, -1)));
    return registry == Registry.WIP
        ? members.stream().map(member -> EXECUTION.matcher(member).replaceFirst("")).toList()
        : members;
  }

  /** The ids in a queue and in all its registries; one may be in several. */
  public List<String> anywhere(String queue) {
    return Stream.concat(
            queued(queue).stream(),
            Stream.of(Registry.values()).flatMap(registry -> registered(registry, queue).stream()))
        .toList();
  }

  /** The ids of jobs of any queue that wait for a concurrency limit of rq 3.0. */
  public List<String> limited() {
    return redis.reach(
        "read the limited jobs",
        () -> {
          List<String> ids = new ArrayList<>();
          for (byte[] limit : connection.sync().smembers(keys.limits())) {
            ids.addAll(texts(connection.sync().zrange(keys.limited(text(limit)), 0, -1)));
          }
          return ids;
        });
  }

  /**
   * Reads jobs, in the order of the ids; one that is gone has no {@code data}.
   *
   * @param view what is kept of a job, whose call may be large
   */
  public <T> List<T> read(List<String> ids, Function<JobRecord, T> view) {
    return ask(
        ids,
        id -> connection.async().hmget(keys.job(id), "data", "meta", "status", "origin"),
        (id, values) -> {
          Map<String, byte[]> fields = new HashMap<>();
          for (KeyValue<String, byte[]> field : values) {
            field.ifHasValue(value -> fields.put(field.getKey(), value));
          }
          return view.apply(new JobRecord(id, fields));
        });
  }

  /** The text of each job's last result, if that is an error that can be read, else empty. */
  public List<String> errors(List<String> ids) {
    return ask(
        ids,
        id ->
            connection
                .async()
                .xrevrange(keys.results(id), Range.<String>unbounded(), Limit.from(1)),
        (id, results) -> results.isEmpty() ? "" : error(results.getFirst()));
  }

  private static String error(StreamMessage<String, byte[]> result) {
    byte @Nullable [] packed = result.getBody().get("exc_string");
    try {
      return packed == null ? "" : ResultCodec.traceback(text(packed));
    } catch (MalformedJob e) {
      return "";
    }
  }

  private interface Reader<A, T> {
    T read(String id, A answer);
  }

  private <A, T> List<T> ask(
      List<String> ids, Function<String, RedisFuture<A>> send, Reader<A, T> reader) {
    return redis.reach(
        "read jobs",
        () -> {
          List<T> found = new ArrayList<>();
          for (int from = 0; from < ids.size(); from += PAGE) {
            List<String> page = ids.subList(from, Math.min(ids.size(), from + PAGE));
            List<RedisFuture<A>> sent = page.stream().map(send).toList();
            for (int i = 0; i < page.size(); i++) {
              found.add(reader.read(page.get(i), RedisAccess.answer(connection, sent.get(i))));
            }
          }
          return found;
        });
  }

  private static List<String> texts(List<byte[]> values) {
    return values.stream().map(Wire::text).toList();
  }

  @Override
  public void close() {
    connection.close();
  }
}
