package cloud.wepp.rq;

import io.lettuce.core.KeyValue;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.api.StatefulRedisConnection;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Finds deferred jobs that nothing will release any more: rq enqueues a job when its last parent
 * ends, and looks at it never again. Reads only.
 */
public final class StuckJobs implements AutoCloseable {
  private static final int PAGE = 500;

  private final RedisAccess redis;
  private final Keys keys;
  private final StatefulRedisConnection<String, byte[]> connection;

  public StuckJobs(RedisAccess redis, String prefix) {
    this.redis = redis;
    this.keys = new Keys(prefix);
    connection = redis.connect();
  }

  /**
   * A deferred job, and why no parent can release it.
   *
   * @param why a sentence without its end
   */
  public record Stuck(String queue, String job, String description, String why) {}

  /** The stuck jobs among a queue's deferred ones, oldest first. */
  public List<Stuck> in(String queue) {
    return redis.reach(
        "read deferred jobs of queue " + queue,
        () -> {
          List<Stuck> stuck = new ArrayList<>();
          List<String> page = deferred(queue, 0);
          for (int from = PAGE; !page.isEmpty(); from += PAGE) {
            stuck.addAll(stuckOf(queue, page));
            page = deferred(queue, from);
          }
          return stuck;
        });
  }

  private List<String> deferred(String queue, int from) {
    return connection.sync().zrange(keys.deferred(queue), from, from + PAGE - 1L).stream()
        .map(Wire::text)
        .toList();
  }

  private List<Stuck> stuckOf(String queue, List<String> jobs) {
    record Child(
        String id,
        RedisFuture<List<KeyValue<String, byte[]>>> hash,
        RedisFuture<Set<byte[]>> parents) {}
    var async = connection.async();
    List<Child> children = new ArrayList<>();
    for (String job : jobs) {
      children.add(
          new Child(
              job,
              async.hmget(keys.job(job), "status", "description", "allow_dependency_failures"),
              async.smembers(keys.dependencies(job))));
    }
    List<Stuck> stuck = new ArrayList<>();
    for (Child child : children) {
      List<KeyValue<String, byte[]>> hash = answer(child.hash);
      List<String> parents = answer(child.parents).stream().map(Wire::text).sorted().toList();
      if (value(hash.get(0)).equals("deferred")) {
        boolean allow = value(hash.get(2)).equals("1");
        why(parents, statuses(parents), allow)
            .ifPresent(why -> stuck.add(new Stuck(queue, child.id, value(hash.get(1)), why)));
      }
    }
    return stuck;
  }

  private Map<String, String> statuses(List<String> ids) {
    Map<String, RedisFuture<byte[]>> asked = new LinkedHashMap<>();
    ids.forEach(id -> asked.put(id, connection.async().hget(keys.job(id), "status")));
    Map<String, String> statuses = new LinkedHashMap<>();
    asked.forEach((id, status) -> statuses.put(id, text(answer(status))));
    return statuses;
  }

  /** Empty while a parent may still end and release the job. */
  private static Optional<String> why(
      List<String> parents, Map<String, String> statuses, boolean allow) {
    for (String parent : parents) {
      String status = String.valueOf(statuses.get(parent));
      if (status.equals("stopped") || status.equals("canceled")) {
        return Optional.of(
            "its parent %s was %s, which releases nothing".formatted(parent, status));
      }
      if (status.equals("failed") && !allow) {
        return Optional.of("its parent %s failed, and it does not allow that".formatted(parent));
      }
    }
    boolean ended =
        statuses.values().stream()
            .allMatch(
                status -> status.isEmpty() || status.equals("finished") || status.equals("failed"));
    if (!ended) {
      return Optional.empty();
    }
    return Optional.of(
        statuses.values().stream().allMatch(String::isEmpty)
            ? "its parents are gone"
            : "all its parents have ended, and none has released it");
  }

  private <T> T answer(RedisFuture<T> sent) {
    return RedisAccess.answer(connection, sent);
  }

  private static String value(KeyValue<String, byte[]> field) {
    return field.hasValue() ? Wire.text(field.getValue()) : "";
  }

  private static String text(byte @Nullable [] value) {
    return value == null ? "" : Wire.text(value);
  }

  @Override
  public void close() {
    connection.close();
  }
}
