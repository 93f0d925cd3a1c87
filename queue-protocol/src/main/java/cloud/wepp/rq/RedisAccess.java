package cloud.wepp.rq;

import io.lettuce.core.ClientOptions;
import io.lettuce.core.ClientOptions.DisconnectedBehavior;
import io.lettuce.core.LettuceFutures;
import io.lettuce.core.RedisBusyException;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisException;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisLoadingException;
import io.lettuce.core.RedisReadOnlyException;
import io.lettuce.core.RedisURI;
import io.lettuce.core.SocketOptions;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.codec.RedisCodec;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.pubsub.StatefulRedisPubSubConnection;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** One Redis server: opens connections, and says in one line why it cannot. */
public final class RedisAccess implements AutoCloseable {
  private static final RedisCodec<String, byte[]> CODEC =
      RedisCodec.of(StringCodec.UTF8, ByteArrayCodec.INSTANCE);
  private static final Duration COMMAND_TIMEOUT = Duration.ofSeconds(10);

  private final RedisClient client;
  private final RedisURI uri;

  /**
   * @param url {@code redis://} or {@code rediss://}
   * @param password overrides the one in the URL; null leaves it
   * @param database overrides the one in the URL; negative leaves it
   */
  public RedisAccess(String url, @Nullable String password, int database) {
    uri = RedisURI.create(url);
    if (password != null) {
      uri.setCredentialsProvider(
          io.lettuce.core.RedisCredentialsProvider.from(
              () -> io.lettuce.core.RedisCredentials.just(null, password)));
    }
    if (database >= 0) {
      uri.setDatabase(database);
    }
    uri.setTimeout(COMMAND_TIMEOUT);
    client = RedisClient.create(uri);
    client.setOptions(
        ClientOptions.builder()
            .disconnectedBehavior(DisconnectedBehavior.REJECT_COMMANDS)
            .replayFilter(command -> true)
            .socketOptions(
                SocketOptions.builder()
                    .connectTimeout(Duration.ofSeconds(5))
                    .keepAlive(true)
                    .build())
            .build());
  }

  /** The server without its password, for messages. */
  public String address() {
    return uri.getHost() + ":" + uri.getPort() + "/" + uri.getDatabase();
  }

  /**
   * Does something on this server; says what and where when it does not answer.
   *
   * @param what follows "could not"
   */
  <T extends @Nullable Object> T reach(String what, Supplier<T> work) {
    try {
      return work.get();
    } catch (RedisException e) {
      throw new QueueUnavailable(
          "could not " + what + " on Redis at " + address() + ": " + e.getMessage(), e);
    }
  }

  /**
   * Whether the server did answer, and refused what was asked: the next question may be answered.
   */
  static boolean refused(QueueUnavailable failure) {
    return failure.getCause() instanceof RedisCommandExecutionException e
        && !(e instanceof RedisLoadingException)
        && !(e instanceof RedisBusyException)
        && !(e instanceof RedisReadOnlyException);
  }

  /** The answer to a command already sent on a connection; its own error if it has one. */
  static <T extends @Nullable Object> T answer(
      StatefulRedisConnection<?, ?> connection, RedisFuture<T> sent) {
    return LettuceFutures.awaitOrCancel(
        sent, connection.getTimeout().toNanos(), TimeUnit.NANOSECONDS);
  }

  StatefulRedisConnection<String, byte[]> connect() {
    return open(() -> client.connect(CODEC, uri));
  }

  StatefulRedisConnection<String, byte[]> connect(int database) {
    RedisURI other = RedisURI.builder(uri).withDatabase(database).build();
    return open(() -> client.connect(CODEC, other));
  }

  /** A connection for commands that block for up to {@code longest}. */
  StatefulRedisConnection<String, byte[]> connectBlocking(Duration longest) {
    StatefulRedisConnection<String, byte[]> connection = connect();
    connection.setTimeout(longest.plus(COMMAND_TIMEOUT));
    return connection;
  }

  StatefulRedisPubSubConnection<String, byte[]> connectPubSub() {
    return open(() -> client.connectPubSub(CODEC, uri));
  }

  private <T> T open(Supplier<T> connect) {
    try {
      return connect.get();
    } catch (RedisException e) {
      Throwable cause = e;
      while (cause.getCause() != null) {
        cause = cause.getCause();
      }
      throw new QueueUnavailable("Redis at " + address() + ": " + cause.getMessage(), e);
    }
  }

  @Override
  public void close() {
    client.shutdown(0, 2, TimeUnit.SECONDS);
  }
}
