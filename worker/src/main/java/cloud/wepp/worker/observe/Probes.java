package cloud.wepp.worker.observe;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.json.JsonMapper;

/**
 * A small HTTP server for Kubernetes and Prometheus: {@code /started}, {@code /ready}, {@code
 * /live} (200 or 503, with each check as JSON) and {@code /metrics}. A port that is taken is no
 * reason not to work: the worker then runs without it.
 */
public final class Probes implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Probes.class);
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final int MOST_THREADS = 64;

  private final @Nullable HttpServer server;
  private final ThreadPoolExecutor threads =
      new ThreadPoolExecutor(
          0,
          MOST_THREADS,
          10,
          TimeUnit.SECONDS,
          new SynchronousQueue<>(),
          Thread.ofPlatform().daemon().name("http-", 0).factory());

  /** The kinds of probes, by the names of their pages. */
  public enum Kind {
    STARTED,
    READY,
    LIVE
  }

  /**
   * One thing that must be well. It is asked on a thread of the server, so it must answer at once:
   * what takes time, such as a look at a file system, is done elsewhere before.
   *
   * @param name in the answer
   * @param look what was found
   */
  public record Check(String name, Supplier<Found> look) {}

  /** What a check found, in a few words. */
  public record Found(boolean well, String text) {}

  /**
   * Opens the port.
   *
   * @param port 0 for any
   * @param checks of each kind
   */
  public Probes(int port, Map<Kind, List<Check>> checks, Supplier<String> metrics) {
    // A client that does not finish its request must not hold a thread; read by the server's class.
    System.setProperty("sun.net.httpserver.maxReqTime", "5");
    server = open(port);
    if (server != null) {
      server.setExecutor(threads);
      for (Kind kind : Kind.values()) {
        add(
            kind.name().toLowerCase(Locale.ROOT),
            exchange -> answer(exchange, checks.getOrDefault(kind, List.of())));
      }
      add(
          "metrics",
          exchange ->
              send(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", metrics.get()));
      server.start();
    }
  }

  private static @Nullable HttpServer open(int port) {
    try {
      return HttpServer.create(new InetSocketAddress(port), 0);
    } catch (IOException e) {
      LOG.warn(
          "Port {} (observe.port) cannot be opened: {}. The worker runs without probes and"
              + " metrics.",
          port,
          e.getMessage());
      return null;
    }
  }

  /** The port that is open; empty when it could not be opened. */
  public OptionalInt port() {
    return server == null ? OptionalInt.empty() : OptionalInt.of(server.getAddress().getPort());
  }

  private void add(String page, HttpHandler handler) {
    if (server != null) {
      var _ =
          server.createContext(
              "/" + page,
              exchange -> {
                try (exchange) {
                  boolean reads = List.of("GET", "HEAD").contains(exchange.getRequestMethod());
                  if (!exchange.getRequestURI().getPath().equals("/" + page)) {
                    send(exchange, 404, "text/plain", "there is no such page\n");
                  } else if (!reads) {
                    send(exchange, 405, "text/plain", "GET is needed\n");
                  } else {
                    handler.handle(exchange);
                  }
                } catch (RuntimeException e) {
                  LOG.error("The page {} met an unexpected error", page, e);
                  throw e;
                }
              });
    }
  }

  private static void answer(HttpExchange exchange, List<Check> checks) throws IOException {
    Map<String, Object> found = new LinkedHashMap<>();
    boolean well = true;
    for (Check check : checks) {
      Found one = check.look().get();
      well &= one.well();
      found.put(check.name(), Map.of("ok", one.well(), "text", one.text()));
    }
    Map<String, Object> body = new LinkedHashMap<>();
    body.put("ok", well);
    body.put("checks", found);
    send(exchange, well ? 200 : 503, "application/json", JSON.writeValueAsString(body) + "\n");
  }

  private static void send(HttpExchange exchange, int status, String type, String text)
      throws IOException {
    byte[] body = text.getBytes(UTF_8);
    exchange.getResponseHeaders().set("Content-Type", type);
    if (exchange.getRequestMethod().equals("HEAD")) {
      exchange.sendResponseHeaders(status, -1);
    } else {
      exchange.sendResponseHeaders(status, body.length);
      exchange.getResponseBody().write(body);
    }
  }

  @Override
  public void close() {
    if (server != null) {
      server.stop(0);
    }
    threads.shutdownNow();
  }
}
