package cloud.wepp.worker.ledger;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.net.URLDecoder;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Where the history is kept. Made from a JDBC URL, or from the {@code postgresql://user:pw@host/db}
 * form of other languages; afterwards the URL is JDBC's and holds no secret.
 *
 * @param url {@code jdbc:postgresql://host:port/database?options}
 * @param user null: the one in the URL
 * @param password null: the one in the URL
 */
public record PostgresAccess(String url, @Nullable String user, @Nullable String password) {
  private static final Pattern URL =
      Pattern.compile(
          "(?:jdbc:)?postgres(?:ql)?(?:\\+\\w+)?://(?:([^?]*)@)?([^@/?]*)(?:/([^?]*))?(?:\\?(.*))?");

  /** Throws IllegalArgumentException when it is no Postgres URL; the message does not repeat it. */
  public PostgresAccess {
    Matcher matcher = URL.matcher(url.strip());
    if (!matcher.matches()) {
      throw new IllegalArgumentException(
          "not a Postgres URL: it must start with jdbc:postgresql:// or postgresql://");
    }
    if (matcher.group(1) != null) {
      String[] pair = matcher.group(1).split(":", 2);
      user = user == null ? decode(pair[0]) : user;
      password = password == null && pair.length == 2 ? decode(pair[1]) : password;
    }
    List<String> options = new ArrayList<>();
    for (String option : matcher.group(4) == null ? new String[0] : matcher.group(4).split("&")) {
      if (option.startsWith("user=")) {
        user = user == null ? decode(option.substring("user=".length())) : user;
      } else if (option.startsWith("password=")) {
        password = password == null ? decode(option.substring("password=".length())) : password;
      } else if (!option.isEmpty()) {
        options.add(option);
      }
    }
    String database = matcher.group(3) == null ? "" : matcher.group(3);
    url =
        "jdbc:postgresql://"
            + matcher.group(2)
            + "/"
            + database
            + (options.isEmpty() ? "" : "?" + String.join("&", options));
  }

  /**
   * A connection outside of any pool.
   *
   * @param answerSeconds how long an answer may take, until the server is taken for gone
   */
  Connection connect(int answerSeconds) throws SQLException {
    Properties how = new Properties();
    how.put("ApplicationName", "rq-worker");
    how.put("connectTimeout", "5");
    how.put("socketTimeout", Integer.toString(answerSeconds));
    how.put("tcpKeepAlive", "true");
    if (user != null) {
      how.put("user", user);
    }
    if (password != null) {
      how.put("password", password);
    }
    return DriverManager.getConnection(url, how);
  }

  /** The server and database, for messages. */
  public String address() {
    String withoutOptions = url.split("\\?", 2)[0];
    return withoutOptions.substring("jdbc:postgresql://".length());
  }

  @Override
  public String toString() {
    return "Postgres at " + address();
  }

  private static String decode(String text) {
    try {
      return URLDecoder.decode(text.replace("+", "%2B"), UTF_8);
    } catch (IllegalArgumentException e) {
      return text; // a bare percent sign
    }
  }
}
