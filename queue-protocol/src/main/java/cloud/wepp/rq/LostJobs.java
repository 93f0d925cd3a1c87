package cloud.wepp.rq;

import static cloud.wepp.rq.Wire.bytes;
import static cloud.wepp.rq.Wire.text;

import io.lettuce.core.Limit;
import io.lettuce.core.Range;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.StreamMessage;
import io.lettuce.core.api.StatefulRedisConnection;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Brings Redis and a history of its events together again, after one of them has lost something.
 *
 * <p>Every method throws {@link QueueUnavailable} when Redis does not answer.
 */
public final class LostJobs implements AutoCloseable {
  private static final int PAGE = 1000;

  private final RedisAccess redis;
  private final Keys keys;
  private final InstantSource clock;
  private final StatefulRedisConnection<String, byte[]> connection;
  private final Script restore;
  private final Script found;

  public LostJobs(RedisAccess redis, String prefix, InstantSource clock) {
    this.redis = redis;
    this.keys = new Keys(prefix);
    this.clock = clock;
    connection = redis.connect();
    restore = new Script(connection, "limiter.lua", "jobs.lua", "restore.lua");
    found = new Script(connection, "payload.lua", "found.lua");
  }

  /** Those of these jobs that Redis does not have. */
  public Set<String> missing(Collection<String> ids) {
    List<String> all = List.copyOf(ids);
    return redis.reach(
        "look for jobs",
        () -> {
          Set<String> missing = new HashSet<>();
          for (int from = 0; from < all.size(); from += PAGE) {
            List<String> page = all.subList(from, Math.min(all.size(), from + PAGE));
            List<RedisFuture<Boolean>> sent =
                page.stream().map(id -> connection.async().hexists(keys.job(id), "data")).toList();
            for (int i = 0; i < page.size(); i++) {
              if (!RedisAccess.answer(connection, sent.get(i))) {
                missing.add(page.get(i));
              }
            }
          }
          return missing;
        });
  }

  /** The jobs of all events that are not in the history yet. */
  public Set<String> unwritten() {
    return redis.reach(
        "read the events that wait",
        () -> {
          Set<String> jobs = new HashSet<>();
          Range<String> rest = Range.unbounded();
          List<StreamMessage<String, byte[]>> page;
          do {
            page = connection.sync().xrange(keys.events(), rest, Limit.from(PAGE));
            for (StreamMessage<String, byte[]> message : page) {
              byte[] job = message.getBody().get("job");
              if (job != null) {
                jobs.add(text(job));
              }
              rest =
                  Range.from(Range.Boundary.excluding(message.getId()), Range.Boundary.unbounded());
            }
          } while (page.size() == PAGE);
          return jobs;
        });
  }

  /**
   * Puts a job that Redis has lost back into its queue, and writes an event {@code requeued}.
   *
   * @param queue if the payload names none
   * @param payload that of the job's last event which has one
   * @param dry whether nothing is written
   * @return why it was left alone; empty when it was not
   */
  public String restore(String id, String queue, byte[] payload, boolean dry) {
    return act("restore", restore, id, dry, bytes(queue), payload);
  }

  /**
   * Writes an event {@code found}, which tells the history of a job that it does not know.
   *
   * @return why it was left alone; empty when it was not
   */
  public String found(JobActions.Target target) {
    return act(
        "tell of", found, target.id(), target.dry(), bytes(target.function()), bytes(target.run()));
  }

  private String act(String what, Script script, String id, boolean dry, byte[]... more) {
    List<byte[]> arguments =
        new ArrayList<>(
            List.of(
                bytes(keys.prefix),
                bytes(id),
                bytes(Wire.iso(clock.instant())),
                bytes(dry ? "1" : "")));
    arguments.addAll(List.of(more));
    String[] names = {keys.job(id), keys.events()};
    byte[] why =
        redis.reach(
            what + " job " + id,
            () ->
                script.call(
                    connection, ScriptOutputType.VALUE, names, arguments.toArray(byte[][]::new)));
    return text(why);
  }

  @Override
  public void close() {
    connection.close();
  }
}
