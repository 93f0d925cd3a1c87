package cloud.wepp.worker.observe;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.worker.testing.Keytool;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Against a stand-in for Kubernetes' API: TLS by an authority of its own, and strict. */
class DeletionCostTest {
  private static final Duration EVERY = Duration.ofMillis(50);
  private static final char[] PASSWORD = Keytool.PASSWORD.toCharArray();

  @TempDir private static Path made;
  @TempDir private Path folder;

  private final BlockingQueue<String> told = new LinkedBlockingQueue<>(); // a cost, or a complaint
  private HttpsServer api;
  private volatile int status = 200;
  private volatile List<Duration> ages = List.of();

  @BeforeAll
  static void makeKeys() throws Exception {
    Keytool.run(
        made.resolve("keys"),
        "-genkeypair -alias api -keyalg EC -dname CN=api -ext SAN=dns:localhost -validity 2");
    Keytool.run(
        made.resolve("keys"), "-exportcert -alias api -rfc -file " + made.resolve("ca.crt"));
  }

  @BeforeEach
  void start() throws Exception {
    Files.copy(made.resolve("ca.crt"), folder.resolve("ca.crt"));
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(made.resolve("keys"))) {
      store.load(in, PASSWORD);
    }
    KeyManagerFactory managers =
        KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    managers.init(store, PASSWORD);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(managers.getKeyManagers(), null, null);
    api = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    api.setHttpsConfigurator(new HttpsConfigurator(context));
    var _ = api.createContext("/", this::answer);
    api.start();
    Files.writeString(folder.resolve("token"), "first-token\n");
    Files.writeString(folder.resolve("namespace"), "weppcloud");
  }

  @AfterEach
  void stop() {
    api.stop(0);
  }

  private void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      String body = new String(exchange.getRequestBody().readAllBytes(), UTF_8);
      String wrong = wrong(exchange);
      if (!wrong.isEmpty()) {
        told.add(wrong);
        exchange.sendResponseHeaders(400, -1);
        return;
      }
      JsonNode patch = JsonMapper.builder().build().readTree(body);
      JsonNode cost =
          patch
              .path("metadata")
              .path("annotations")
              .path("controller.kubernetes.io/pod-deletion-cost");
      told.add(cost.isString() ? cost.asString() : "not a string: " + body); // Kubernetes insists
      byte[] pod = "{\"kind\":\"Pod\"}".getBytes(UTF_8);
      exchange.sendResponseHeaders(status, pod.length);
      exchange.getResponseBody().write(pod);
    }
  }

  private String wrong(HttpExchange exchange) throws IOException {
    String token = Files.readString(folder.resolve("token")).strip();
    if (!exchange.getRequestMethod().equals("PATCH")) {
      return "method " + exchange.getRequestMethod();
    }
    if (!exchange
        .getRequestURI()
        .toString()
        .equals("/api/v1/namespaces/weppcloud/pods/rq-worker-1")) {
      return "path " + exchange.getRequestURI();
    }
    if (!("Bearer " + token).equals(exchange.getRequestHeaders().getFirst("Authorization"))) {
      return "token";
    }
    return "application/merge-patch+json"
            .equals(exchange.getRequestHeaders().getFirst("Content-Type"))
        ? ""
        : "type";
  }

  private DeletionCost started() {
    DeletionCost cost =
        new DeletionCost(
            new DeletionCost.Account(
                URI.create("https://localhost:" + api.getAddress().getPort()),
                folder,
                "rq-worker-1"),
            () -> ages,
            EVERY);
    cost.start();
    return cost;
  }

  private String next() throws InterruptedException {
    return told.poll(30, TimeUnit.SECONDS);
  }

  @Test
  void risesWithTheAgeOfJobsAndFallsWhenTheyEnd() throws Exception {
    ages = List.of(Duration.ofSeconds(40), Duration.ofSeconds(30));
    try (DeletionCost _ = started()) {
      assertThat(next()).isEqualTo("64");
      ages = List.of(Duration.ofSeconds(127)); // as before, rounded: not told
      Files.writeString(folder.resolve("token"), "next-token");
      ages = List.of(Duration.ofSeconds(128));
      assertThat(next()).isEqualTo("128");
      ages = List.of();
      assertThat(next()).isEqualTo("0");
      assertThat(told.poll(EVERY.multipliedBy(5).toMillis(), TimeUnit.MILLISECONDS)).isNull();
    }
  }

  @Test
  void aRefusalEndsIt() throws Exception {
    status = 403;
    ages = List.of(Duration.ofSeconds(1));
    try (DeletionCost _ = started()) {
      assertThat(next()).isEqualTo("1");
      ages = List.of(Duration.ofHours(1));
      assertThat(told.poll(EVERY.multipliedBy(5).toMillis(), TimeUnit.MILLISECONDS)).isNull();
    }
  }

  @Test
  void anErrorIsTriedAgain() throws Exception {
    status = 500;
    ages = List.of(Duration.ofSeconds(1));
    try (DeletionCost _ = started()) {
      assertThat(next()).isEqualTo("1");
      assertThat(next()).isEqualTo("1");
      status = 200;
      ages = List.of(Duration.ofSeconds(9));
      String last = next();
      while ("1".equals(last)) { // it was under way
        last = next();
      }
      assertThat(last).isEqualTo("8");
    }
  }

  @Test
  void shortJobsCostNothing() {
    Duration least = Duration.ofSeconds(30);
    assertThat(DeletionCost.cost(List.of(), least)).isZero();
    assertThat(DeletionCost.cost(List.of(Duration.ofSeconds(29)), least)).isZero();
    assertThat(DeletionCost.cost(List.of(Duration.ofSeconds(33)), least)).isEqualTo(32);
    assertThat(DeletionCost.cost(List.of(Duration.ofDays(36_500)), least)).isEqualTo(1 << 30);
  }

  @Test
  void withoutAnAccountThereIsNothingToTell() {
    assertThat(
            new DeletionCost.Account(URI.create("https://x"), folder.resolve("no"), "p").isThere())
        .isFalse();
  }
}
