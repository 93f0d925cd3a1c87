package cloud.wepp.rq;

import static cloud.wepp.rq.Wire.text;

import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.StatefulRedisConnection;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Finds the claims whose lease is over: their worker is gone, or cut off. Changes nothing. */
public final class Leases implements AutoCloseable {
  private static final int MOST_AT_ONCE = 500;

  /** What precedes the fields of a job in the answer. */
  private static final int HEAD = 8;

  private final RedisAccess redis;
  private final Keys keys;
  private final StatefulRedisConnection<String, byte[]> connection;
  private final Script overdue;

  public Leases(RedisAccess redis, String prefix) {
    this.redis = redis;
    this.keys = new Keys(prefix);
    connection = redis.connect();
    overdue = new Script("overdue.lua", connection);
  }

  /**
   * One look at the leases.
   *
   * @param at by Redis' clock
   * @param up how long Redis has been up; zero when nothing is overdue
   */
  public record Look(Instant at, Duration up, List<Overdue> overdue) {}

  /**
   * A claim whose lease is over.
   *
   * @param claim with the job as it is now; worker and execution are empty if they are not known
   * @param held whether the job still has this claim
   * @param rqWaits how long rq itself would wait until it calls the job abandoned
   * @param memory what the worker's container held at its last heartbeat, in words; empty if that
   *     is not known
   */
  public record Overdue(Claim claim, boolean held, Duration rqWaits, String memory) {

    /** Whether a Python function of this claim may have begun. */
    public boolean begun() {
      return claim.job().text("begun").equals(claim.id());
    }
  }

  /**
   * Looks now.
   *
   * @throws QueueUnavailable when Redis does not answer
   */
  public Look look() {
    List<Object> answer =
        redis.reach(
            "look for overdue leases",
            () ->
                overdue.call(
                    connection,
                    ScriptOutputType.MULTI,
                    new String[] {keys.leases()},
                    Wire.bytes(keys.prefix),
                    Wire.bytes(Integer.toString(MOST_AT_ONCE))));
    Instant at = Instant.ofEpochMilli(Long.parseLong(text((byte[]) answer.get(0))));
    Duration up = Duration.ofSeconds(Long.parseLong(text((byte[]) answer.get(1))));
    return new Look(
        at,
        up,
        answer.subList(2, answer.size()).stream().map(one -> overdue((List<?>) one, at)).toList());
  }

  private static Overdue overdue(List<?> answer, Instant now) {
    List<byte[]> parts = new ArrayList<>();
    answer.forEach(part -> parts.add((byte[]) part));
    Map<String, byte[]> fields = new HashMap<>();
    for (int i = HEAD; i + 1 < parts.size(); i += 2) {
      fields.put(text(parts.get(i)), parts.get(i + 1));
    }
    JobRecord job = new JobRecord(text(parts.get(0)), fields);
    return new Overdue(
        new Claim(
            text(parts.get(1)),
            text(parts.get(3)),
            text(parts.get(5)),
            text(parts.get(4)),
            Wire.instant(job.text("started_at")).orElse(now),
            job),
        text(parts.get(2)).equals("1"),
        Duration.ofSeconds(Long.parseLong(text(parts.get(6)))),
        text(parts.get(7)));
  }

  @Override
  public void close() {
    connection.close();
  }
}
