package cloud.wepp.rq;

import io.lettuce.core.pubsub.RedisPubSubAdapter;
import io.lettuce.core.pubsub.StatefulRedisPubSubConnection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * rq's commands to the workers of this process, on one subscription. Unknown ones are ignored, as
 * rq does.
 */
public final class Commands implements AutoCloseable {
  private static final JsonMapper JSON = JsonMapper.builder().build();

  /** The name of our own command, which rq's workers ignore. */
  static final String FOLLOW = "wepp-follow";

  private final StatefulRedisPubSubConnection<String, byte[]> connection;

  /** Told of each command on a Redis thread: must not block. */
  public interface Listener {
    /** rq's {@code shutdown}: finish the current job and leave. */
    void shutdown(String worker);

    /** rq's {@code kill-horse}: end the current job's process; the job fails. */
    void killHorse(String worker);

    /** rq's {@code stop-job}, and {@code stop-execution} of 3.0. */
    void stopJob(String worker, String job);

    /** Our own: tell what the job prints, as {@link JobLog} has it. */
    default void follow(String worker, String job, String token) {}
  }

  Commands(
      StatefulRedisPubSubConnection<String, byte[]> connection,
      Keys keys,
      List<String> workers,
      Listener listener) {
    this.connection = connection;
    Map<String, String> workerOf = new HashMap<>();
    workers.forEach(worker -> workerOf.put(keys.commands(worker), worker));
    connection.addListener(
        new RedisPubSubAdapter<>() {
          @Override
          public void message(String channel, byte[] message) {
            String worker = workerOf.get(channel);
            if (worker != null) {
              dispatch(worker, message, listener);
            }
          }
        });
    connection.sync().subscribe(workerOf.keySet().toArray(String[]::new));
  }

  private static void dispatch(String worker, byte[] message, Listener listener) {
    JsonNode command;
    try {
      command = JSON.readTree(message);
    } catch (JacksonException e) {
      return;
    }
    switch (command.path("command").asString("")) {
      case "shutdown" -> listener.shutdown(worker);
      case "kill-horse" -> listener.killHorse(worker);
      case "stop-job", "stop-execution" ->
          listener.stopJob(worker, command.path("job_id").asString(""));
      case FOLLOW ->
          listener.follow(
              worker, command.path("job_id").asString(""), command.path("token").asString(""));
      default -> {}
    }
  }

  @Override
  public void close() {
    connection.close();
  }
}
