package cloud.wepp.rq;

import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisNoScriptException;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.StatefulRedisConnection;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** One Lua script: sent by its digest, and whole when the server does not know it yet. */
final class Script {
  private final byte[] source;
  private final String digest;

  Script(String resource, StatefulRedisConnection<String, byte[]> connection) {
    this(connection, resource);
  }

  /** A script whose text is in several resources, in this order. */
  Script(StatefulRedisConnection<String, byte[]> connection, String... resources) {
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    for (String resource : resources) {
      text.writeBytes(read(resource));
    }
    source = text.toByteArray();
    digest = connection.sync().digest(source);
  }

  /** Runs the script and waits for its answer. */
  @SuppressWarnings("TypeParameterUnusedInFormals") // see JobQueue.call
  <T extends @Nullable Object> T call(
      StatefulRedisConnection<String, byte[]> connection,
      ScriptOutputType output,
      String[] keys,
      byte[]... arguments) {
    return this.<T>send(connection, output, keys, arguments).get();
  }

  /** Sends the script now; the supplier waits for its answer. */
  @SuppressWarnings("TypeParameterUnusedInFormals") // see JobQueue.call
  <T extends @Nullable Object> Supplier<T> send(
      StatefulRedisConnection<String, byte[]> connection,
      ScriptOutputType output,
      String[] keys,
      byte[]... arguments) {
    RedisFuture<T> sent = connection.async().<T>evalsha(digest, output, keys, arguments);
    return () -> {
      try {
        return RedisAccess.answer(connection, sent);
      } catch (RedisNoScriptException e) {
        return RedisAccess.answer(
            connection, connection.async().<T>eval(source, output, keys, arguments));
      }
    };
  }

  private static byte[] read(String resource) {
    try (InputStream stream = Script.class.getResourceAsStream(resource)) {
      if (stream == null) {
        throw new IllegalStateException("script " + resource + " is not on the class path");
      }
      return stream.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
