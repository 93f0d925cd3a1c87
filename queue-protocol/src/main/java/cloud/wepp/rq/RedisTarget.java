package cloud.wepp.rq;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.lettuce.core.RedisCredentials;
import io.lettuce.core.RedisCredentialsProvider;
import io.lettuce.core.RedisURI;
import io.lettuce.core.SslOptions;
import java.net.URLDecoder;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Where Redis is, and what it asks of those who come.
 *
 * @param url {@code redis://host/0}, or {@code redis-sentinel://host,host/0#master}, where the user
 *     and password are those of the master; {@code rediss} in place of {@code redis} for TLS
 * @param database in place of the one in the URL; null leaves it
 * @param password overrides the one in the URL; null leaves it
 * @param sentinelPassword null if the sentinels ask for none
 * @param tls for the master and the sentinels
 */
public record RedisTarget(
    String url,
    @Nullable Integer database,
    @Nullable String password,
    @Nullable String sentinelPassword,
    Tls tls) {
  private static final Pattern CREDENTIALS =
      Pattern.compile("[\\w+.-]+://(?:([^:@/]*)(?::([^/]*))?@)?.*");

  /**
   * Files in PEM form.
   *
   * @param authorities whom to trust; null for those whom Java trusts
   * @param certificate the client's own; null for none
   * @param key that of the certificate, not encrypted
   */
  public record Tls(@Nullable Path authorities, @Nullable Path certificate, @Nullable Path key) {
    public static final Tls USUAL = new Tls(null, null, null);

    SslOptions options() {
      SslOptions.Builder options = SslOptions.builder().jdkSslProvider();
      if (authorities != null) {
        options.trustManager(authorities.toFile());
      }
      if (certificate != null && key != null) {
        options.keyManager(certificate.toFile(), key.toFile(), new char[0]);
      }
      return options.build();
    }
  }

  /** A server that asks for nothing but what its URL says. */
  static RedisTarget of(String url, @Nullable String password) {
    return new RedisTarget(url, null, password, null, Tls.USUAL);
  }

  /** As Lettuce wants it; a new one each time, for it can be changed. */
  RedisURI uri() {
    RedisURI uri = RedisURI.create(url);
    if (database != null) {
      uri.setDatabase(database);
    }
    String known = password();
    if (known != null) {
      String user = user();
      uri.setCredentialsProvider(
          RedisCredentialsProvider.from(() -> RedisCredentials.just(user, known)));
    }
    String ofSentinels = sentinelPassword;
    if (ofSentinels != null) {
      for (RedisURI sentinel : uri.getSentinels()) {
        sentinel.setCredentialsProvider(
            RedisCredentialsProvider.from(() -> RedisCredentials.just(null, ofSentinels)));
      }
    }
    return uri;
  }

  @Override
  public @Nullable String password() {
    return password != null ? password : credential(2);
  }

  private @Nullable String user() {
    return credential(1);
  }

  private @Nullable String credential(int group) {
    Matcher matcher = CREDENTIALS.matcher(url);
    String found = matcher.matches() ? Objects.requireNonNullElse(matcher.group(group), "") : "";
    return found.isEmpty() ? null : URLDecoder.decode(found, UTF_8);
  }

  /** All of this for a client that is not Java's; what is not set is empty or missing. */
  public Map<String, Object> parts() {
    RedisURI uri = uri();
    Map<String, Object> parts = new HashMap<>();
    parts.put("db", uri.getDatabase());
    parts.put("username", Objects.requireNonNullElse(user(), ""));
    parts.put("password", Objects.requireNonNullElse(password(), ""));
    parts.put("tls", uri.isSsl());
    parts.put("verify", uri.getVerifyMode().name());
    parts.put("authorities", text(tls.authorities));
    parts.put("certificate", text(tls.certificate));
    parts.put("key", text(tls.key));
    List<List<Object>> sentinels =
        uri.getSentinels().stream().map(RedisTarget::hostAndPort).toList();
    parts.put("sentinels", sentinels);
    if (sentinels.isEmpty()) {
      parts.put("host", uri.getHost());
      parts.put("port", uri.getPort());
    } else {
      parts.put("master", uri.getSentinelMasterId());
      parts.put("sentinel_password", Objects.requireNonNullElse(sentinelPassword, ""));
    }
    return parts;
  }

  private static List<Object> hostAndPort(RedisURI server) {
    return List.of(server.getHost(), server.getPort());
  }

  private static String text(@Nullable Path file) {
    return file == null ? "" : file.toString();
  }

  /** Without its passwords, for messages. */
  @Override
  public String toString() {
    RedisURI uri = uri();
    String where =
        uri.getSentinels().isEmpty()
            ? uri.getHost() + ":" + uri.getPort()
            : uri.getSentinelMasterId() + " of the sentinels";
    return where + "/" + uri.getDatabase();
  }
}
