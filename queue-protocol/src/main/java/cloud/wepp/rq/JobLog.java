package cloud.wepp.rq;

import static cloud.wepp.rq.Wire.bytes;
import static cloud.wepp.rq.Wire.text;

import io.lettuce.core.KeyValue;
import io.lettuce.core.StreamMessage;
import io.lettuce.core.XAddArgs;
import io.lettuce.core.XReadArgs;
import io.lettuce.core.api.StatefulRedisConnection;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a running job prints, on its way from its worker to those who follow it: a bounded stream
 * for each claim, which is there only while somebody asks for it. For one thread.
 *
 * <p>Every method throws {@link QueueUnavailable} when Redis does not answer.
 */
public final class JobLog implements AutoCloseable {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final int MOST_LINES = 5000;
  private static final Duration LIFE = Duration.ofMinutes(1);
  private static final Duration LONGEST_WAIT = Duration.ofSeconds(2);

  private final RedisAccess redis;
  private final Keys keys;
  private final StatefulRedisConnection<String, byte[]> connection;

  public JobLog(RedisAccess redis, String prefix) {
    this.redis = redis;
    this.keys = new Keys(prefix);
    connection = redis.connectBlocking(LONGEST_WAIT);
  }

  /**
   * Who has a job.
   *
   * @param status rq's word; empty when there is no such job
   * @param claim empty when none of this kind of worker runs it
   */
  public record Holder(String status, String worker, String claim) {}

  /** What comes over the stream. */
  public sealed interface Item {
    /** One line that a process of the job has printed. */
    record Line(String text) implements Item {}

    /** All that was printed before this was asked has been told. */
    record Answered(String token) implements Item {}

    /** The job has ended. */
    record End() implements Item {}
  }

  /** An item, and where it is in the stream. */
  public record Placed(String id, Item item) {}

  public Holder holder(String job) {
    List<KeyValue<String, byte[]>> fields =
        redis.reach(
            "read job " + job,
            () -> connection.sync().hmget(keys.job(job), "status", "worker_name", "claim"));
    List<String> texts =
        fields.stream().map(field -> text(field.getValueOrElse(new byte[0]))).toList();
    return new Holder(texts.get(0), texts.get(1), texts.get(2));
  }

  /**
   * Asks the job's worker to tell what the job prints, for some seconds.
   *
   * @param token comes back as {@link Item.Answered}
   */
  public void ask(Holder holder, String job, String token) {
    String command =
        JSON.writeValueAsString(Map.of("command", Commands.FOLLOW, "job_id", job, "token", token));
    redis.reach(
        "ask worker " + holder.worker(),
        () -> connection.sync().publish(keys.commands(holder.worker()), bytes(command)));
  }

  /** What has come after {@code id}; waits up to 2 s for something to come. */
  @SuppressWarnings("unchecked") // Lettuce takes one stream or many
  public List<Placed> read(String claim, String id) {
    @Nullable List<StreamMessage<String, byte[]>> found =
        redis.reach(
            "read what a job prints",
            () ->
                connection
                    .sync()
                    .xread(
                        XReadArgs.Builder.block(LONGEST_WAIT),
                        XReadArgs.StreamOffset.from(keys.log(claim), id)));
    return found == null
        ? List.of()
        : found.stream().map(one -> new Placed(one.getId(), item(one.getBody()))).toList();
  }

  private static Item item(Map<String, byte[]> body) {
    if (body.containsKey("line")) {
      return new Item.Line(text(body.getOrDefault("line", new byte[0])));
    }
    return body.containsKey("end")
        ? new Item.End()
        : new Item.Answered(text(body.getOrDefault("answered", new byte[0])));
  }

  /** Tells those who follow the claim. */
  public void tell(String claim, List<Item> items) {
    redis.reach(
        "tell what a job prints",
        () -> {
          // Together, so that no stream is left without an end to its life.
          var async = connection.async();
          var _ = async.multi();
          XAddArgs bounded = XAddArgs.Builder.maxlen(MOST_LINES).approximateTrimming();
          for (Item item : items) {
            var _ = async.xadd(keys.log(claim), bounded, body(item));
          }
          var _ = async.expire(keys.log(claim), LIFE);
          var _ = RedisAccess.answer(connection, async.exec());
          return true;
        });
  }

  private static Map<String, byte[]> body(Item item) {
    return switch (item) {
      case Item.Line(String text) -> Map.of("line", bytes(text));
      case Item.Answered(String token) -> Map.of("answered", bytes(token));
      case Item.End() -> Map.of("end", bytes("1"));
    };
  }

  @Override
  public void close() {
    connection.close();
  }
}
