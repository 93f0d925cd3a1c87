package cloud.wepp.rq;

import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.SetArgs;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.sync.RedisCommands;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What a Redis tells of itself, and what of a worker's work it refuses. */
public final class RedisCheck {
  private static final String NOBODY = "rq-worker:trial"; // a run that is none

  private final RedisAccess redis;
  private final Map<String, String> told = new HashMap<>();
  private final List<String> refused = new ArrayList<>();

  private RedisCheck(RedisAccess redis) {
    this.redis = redis;
  }

  /**
   * What was found.
   *
   * @param told {@code INFO} by its names, such as {@code maxmemory_policy}; empty if that is
   *     refused
   * @param refused each thing that was, with Redis' reason
   */
  public record Seen(Map<String, String> told, List<String> refused) {}

  /**
   * Tries it. Writes nothing but a key of its own.
   *
   * @param prefix of all keys
   * @param status the database of status channels
   * @param prep the database of RedisPrep hashes
   * @throws QueueUnavailable if Redis cannot be reached
   */
  public static Seen look(RedisAccess redis, String prefix, int status, int prep) {
    RedisCheck check = new RedisCheck(redis);
    String trial = new Keys(prefix).trial();
    try (StatefulRedisConnection<String, byte[]> queues = redis.connect()) {
      RedisCommands<String, byte[]> to = queues.sync();
      check.attempt("information (INFO)", () -> check.read(to.info()));
      check.attempt("writing a key", () -> to.set(trial, new byte[0], SetArgs.Builder.px(1000)));
      check.attempt(
          "a script that writes",
          () ->
              to.eval(
                  "return redis.call('DEL', KEYS[1])",
                  ScriptOutputType.INTEGER,
                  new String[] {trial}));
    }
    check.attempt(
        "publishing in database " + status, status, to -> to.publish(NOBODY, new byte[0]));
    check.attempt("reading a hash in database " + prep, prep, to -> to.hgetall(NOBODY));
    return new Seen(Map.copyOf(check.told), List.copyOf(check.refused));
  }

  private void read(String info) {
    for (String line : info.lines().toList()) {
      int colon = line.indexOf(':');
      if (colon > 0) {
        told.put(line.substring(0, colon), line.substring(colon + 1).strip());
      }
    }
  }

  private interface Trial {
    void of(RedisCommands<String, byte[]> to);
  }

  private void attempt(String what, int database, Trial trial) {
    try (StatefulRedisConnection<String, byte[]> other = redis.connect(database)) {
      attempt(what, () -> trial.of(other.sync()));
    }
  }

  private void attempt(String what, Runnable trial) {
    try {
      redis.reach(
          what,
          () -> {
            trial.run();
            return null;
          });
    } catch (QueueUnavailable e) {
      if (!(e.getCause() instanceof RedisCommandExecutionException refusal)) {
        throw e;
      }
      refused.add(what + ": " + refusal.getMessage());
    }
  }
}
