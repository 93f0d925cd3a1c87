package cloud.wepp.rq;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.lettuce.core.RedisException;
import io.lettuce.core.api.StatefulRedisConnection;
import java.time.Instant;
import java.util.Map;
import java.util.TreeMap;

/**
 * What WEPPcloud reads beside the queue: status lines on pub/sub, and the RedisPrep hash of a run.
 */
public final class WeppcloudRedis implements AutoCloseable {
  private final StatefulRedisConnection<String, byte[]> status;
  private final StatefulRedisConnection<String, byte[]> prep;

  public WeppcloudRedis(RedisAccess redis, int statusDatabase, int prepDatabase) {
    status = redis.connect(statusDatabase);
    prep = redis.connect(prepDatabase);
  }

  /**
   * Publishes one line; a line that cannot be sent now is dropped, as pub/sub drops it for an
   * absent reader.
   */
  public void publish(String channel, String text) {
    try {
      var _ = status.async().publish(channel, text.getBytes(UTF_8));
    } catch (RedisException e) {
      return; // status is for display only; the job goes on
    }
  }

  /**
   * Sets {@code timestamps:<task>} of a run.
   *
   * @return the hash as it is now, in the order of its names, without {@code locked:} fields
   * @throws QueueUnavailable if Redis does not answer
   */
  public Map<String, String> timestamp(String run, String task, Instant at) {
    try {
      prep.sync()
          .hset(run, "timestamps:" + task, Long.toString(at.getEpochSecond()).getBytes(UTF_8));
      Map<String, String> hash = new TreeMap<>();
      prep.sync()
          .hgetall(run)
          .forEach((name, value) -> {
            if (!name.startsWith("locked:")) {
              hash.put(name, new String(value, UTF_8));
            }
          });
      return hash;
    } catch (RedisException e) {
      throw new QueueUnavailable("RedisPrep of run " + run + ": " + e.getMessage(), e);
    }
  }

  @Override
  public void close() {
    status.close();
    prep.close();
  }
}
