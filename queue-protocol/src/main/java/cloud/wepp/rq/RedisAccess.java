package cloud.wepp.rq;

import io.lettuce.core.ClientOptions;
import io.lettuce.core.ClientOptions.DisconnectedBehavior;
import io.lettuce.core.LettuceFutures;
import io.lettuce.core.MaintNotificationsConfig;
import io.lettuce.core.RedisBusyException;
import io.lettuce.core.RedisChannelHandler;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisCommandTimeoutException;
import io.lettuce.core.RedisException;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisLoadingException;
import io.lettuce.core.RedisReadOnlyException;
import io.lettuce.core.RedisURI;
import io.lettuce.core.SocketOptions;
import io.lettuce.core.TimeoutOptions;
import io.lettuce.core.api.StatefulConnection;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.codec.RedisCodec;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.protocol.DefaultEndpoint;
import io.lettuce.core.pubsub.StatefulRedisPubSubConnection;
import io.lettuce.core.resource.ClientResources;
import io.lettuce.core.resource.Delay;
import io.lettuce.core.resource.NettyCustomizer;
import io.netty.channel.Channel;
import io.netty.handler.flush.FlushConsolidationHandler;
import java.time.Duration;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** One Redis server: opens connections, and says in one line why it cannot. */
public final class RedisAccess implements AutoCloseable {
  private static final RedisCodec<String, byte[]> CODEC =
      RedisCodec.of(StringCodec.UTF8, ByteArrayCodec.INSTANCE);
  private static final int MOST_TOGETHER = 256;

  /** How long an answer may take that nobody has set. */
  public static final Duration USUAL_TIMEOUT = Duration.ofSeconds(5);

  /** After a server was replaced nothing must wait long: leases are running out. */
  private static final Delay RECONNECTS =
      Delay.fullJitter(Duration.ZERO, Duration.ofSeconds(2), 10, TimeUnit.MILLISECONDS);

  /** Commands of several threads go to the server in one write: a system call each is dear. */
  private static final NettyCustomizer TOGETHER =
      new NettyCustomizer() {
        @Override
        public void afterChannelInitialized(Channel channel) {
          channel.pipeline().addFirst(new FlushConsolidationHandler(MOST_TOGETHER, true));
        }
      };

  private final ClientResources resources =
      ClientResources.builder().nettyCustomizer(TOGETHER).reconnectDelay(RECONNECTS).build();
  private final RedisClient client;
  private final RedisTarget target;
  private final RedisURI uri;
  private final Duration timeout;
  private final Set<RedisChannelHandler<?, ?>> connections = ConcurrentHashMap.newKeySet();

  /**
   * @param timeout how long an answer may take, until the connection is taken for dead
   */
  public RedisAccess(RedisTarget target, Duration timeout) {
    this.target = target;
    this.timeout = timeout;
    uri = toConnect();
    client = RedisClient.create(resources, uri);
    client.setOptions(
        ClientOptions.builder()
            .disconnectedBehavior(DisconnectedBehavior.REJECT_COMMANDS)
            .replayFilter(command -> true)
            // Who waits for an answer counts the time; a timer for each command is dear.
            .timeoutOptions(TimeoutOptions.create())
            .maintNotificationsConfig(MaintNotificationsConfig.disabled())
            .socketOptions(
                SocketOptions.builder()
                    .connectTimeout(Duration.ofSeconds(5))
                    .keepAlive(true)
                    .build())
            .sslOptions(target.tls().options())
            .build());
  }

  /** A server that asks for nothing but what its URL says, and this password. */
  public RedisAccess(String url, @Nullable String password, Duration timeout) {
    this(RedisTarget.of(url, password), timeout);
  }

  private RedisURI toConnect() {
    RedisURI to = target.uri();
    to.setTimeout(timeout.compareTo(USUAL_TIMEOUT) > 0 ? timeout : USUAL_TIMEOUT);
    return to;
  }

  /** The database of the queues. */
  public int database() {
    return uri.getDatabase();
  }

  /** The server without its password, for messages. */
  public String address() {
    return target.toString();
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
      if (e instanceof RedisCommandTimeoutException || e instanceof RedisReadOnlyException) {
        connectAnew();
      }
      throw new QueueUnavailable(
          "could not " + what + " on Redis at " + address() + ": " + e.getMessage(), e);
    }
  }

  /**
   * Gives all connections up, which open again by themselves. One without an answer may be dead
   * without knowing it, and a server that is read-only may be the master no longer.
   */
  private void connectAnew() {
    for (RedisChannelHandler<?, ?> connection : connections) {
      if (connection.getChannelWriter() instanceof DefaultEndpoint endpoint) {
        endpoint.disconnect();
      }
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
    RedisURI other = toConnect(); // Lettuce's builder copies no sentinels
    other.setDatabase(database);
    return open(() -> client.connect(CODEC, other));
  }

  /** A connection for commands that block for up to {@code longest}. */
  StatefulRedisConnection<String, byte[]> connectBlocking(Duration longest) {
    StatefulRedisConnection<String, byte[]> connection = connect();
    connection.setTimeout(longest.plus(timeout));
    return connection;
  }

  StatefulRedisPubSubConnection<String, byte[]> connectPubSub() {
    return open(() -> client.connectPubSub(CODEC, uri));
  }

  private <T extends StatefulConnection<?, ?>> T open(Supplier<T> connect) {
    try {
      T opened = connect.get();
      opened.setTimeout(timeout);
      if (opened instanceof RedisChannelHandler<?, ?> connection) {
        connections.add(connection);
      }
      return opened;
    } catch (RedisException e) {
      Throwable cause = e;
      while (cause.getCause() != null) {
        cause = cause.getCause();
      }
      throw new QueueUnavailable(
          "Redis at "
              + address()
              + ": "
              + Objects.requireNonNullElse(cause.getMessage(), cause.toString()),
          e);
    }
  }

  @Override
  public void close() {
    client.shutdown(0, 2, TimeUnit.SECONDS);
    boolean _ =
        resources
            .shutdown(0, 2, TimeUnit.SECONDS)
            .awaitUninterruptibly(USUAL_TIMEOUT.toSeconds(), TimeUnit.SECONDS);
  }
}
