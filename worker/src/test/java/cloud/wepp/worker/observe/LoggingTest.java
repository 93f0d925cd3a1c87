package cloud.wepp.worker.observe;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.LoggingEvent;
import ch.qos.logback.core.Appender;
import cloud.wepp.rq.Claim;
import cloud.wepp.rq.JobRecord;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.WorkerConfig;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.micrometer.core.instrument.Counter;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Lines of the log, in JSON and at a stand-in for Loki that takes its push API at its word. */
class LoggingTest {
  private static final Logger LOG = (Logger) LoggerFactory.getLogger(LoggingTest.class);
  private static final Claim CLAIM =
      new Claim("c", "default", "e", "w.1", Instant.EPOCH, new JobRecord("job-17", Map.of()));
  private static final JsonMapper JSON = JsonMapper.builder().build();

  private final BlockingQueue<Line> arrived = new LinkedBlockingQueue<>();
  private final BlockingQueue<String> refused = new LinkedBlockingQueue<>();
  private int port;
  private @Nullable HttpServer loki;

  /** One line, with the labels of its stream. */
  private record Line(Map<String, String> labels, String text, Map<String, String> metadata) {}

  @BeforeEach
  void start() throws IOException {
    startLoki(0);
    LOG.setLevel(Level.INFO);
  }

  private void startLoki(int at) throws IOException {
    loki = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), at), 0);
    var _ = loki.createContext("/", this::push);
    loki.start();
    port = loki.getAddress().getPort();
  }

  @AfterEach
  void stop() {
    stopLoki();
    LOG.setLevel(null);
  }

  private void stopLoki() {
    if (loki != null) {
      loki.stop(0);
      loki = null;
    }
  }

  private void push(HttpExchange exchange) throws IOException {
    try (exchange) {
      try {
        exchange.sendResponseHeaders(take(exchange), -1);
      } catch (RuntimeException e) {
        refused.add(e.toString());
        exchange.sendResponseHeaders(400, -1);
      }
    }
  }

  private int take(HttpExchange exchange) throws IOException {
    String login = "Basic " + Base64.getEncoder().encodeToString("me:hush".getBytes(UTF_8));
    require(exchange.getRequestMethod().equals("POST"), "POST");
    require(exchange.getRequestURI().getPath().equals("/loki/api/v1/push"), "path");
    require("application/json".equals(type(exchange)), "type " + type(exchange));
    require(login.equals(exchange.getRequestHeaders().getFirst("Authorization")), "login");
    require("team".equals(exchange.getRequestHeaders().getFirst("X-Scope-OrgID")), "tenant");
    JsonNode body = JSON.readTree(exchange.getRequestBody().readAllBytes());
    require(names(body).equals(Set.of("streams")), "body " + names(body));
    List<Line> lines = new ArrayList<>();
    for (JsonNode stream : body.path("streams")) {
      require(names(stream).equals(Set.of("stream", "values")), "stream " + names(stream));
      Map<String, String> labels = texts(stream.path("stream"));
      require(labels.keySet().stream().allMatch(name -> name.matches("[a-zA-Z_]\\w*")), "label");
      require(!labels.isEmpty() && labels.size() <= 15, "labels " + labels);
      for (JsonNode value : stream.path("values")) {
        require(value.isArray() && value.size() == 3, "value " + value);
        require(value.path(0).isString() && value.path(0).asString().matches("\\d{19}"), "time");
        require(value.path(1).isString(), "line");
        lines.add(new Line(labels, value.path(1).asString(), texts(value.path(2))));
      }
    }
    arrived.addAll(lines);
    return 204;
  }

  private static String type(HttpExchange exchange) {
    return String.valueOf(exchange.getRequestHeaders().getFirst("Content-Type"));
  }

  private static void require(boolean what, String otherwise) {
    if (!what) {
      throw new IllegalArgumentException(otherwise);
    }
  }

  private static Set<String> names(JsonNode node) {
    return new TreeSet<>(node.propertyNames());
  }

  private static Map<String, String> texts(JsonNode object) {
    Map<String, String> texts = new TreeMap<>();
    object
        .properties()
        .forEach(entry -> {
          require(entry.getValue().isString(), "not a text: " + entry);
          texts.put(entry.getKey(), entry.getValue().asString());
        });
    return texts;
  }

  private Logging logging(String... sets) throws Exception {
    List<String> all =
        new ArrayList<>(
            List.of("loki.url=http://127.0.0.1:" + port, "loki.user=me", "loki.tenant=team"));
    all.addAll(List.of(sets));
    WorkerConfig config =
        ConfigReader.read(null, Map.of("RQ_WORKER_LOKI_PASSWORD", "hush"), all).config();
    return new Logging(config.log(), config.loki(), "pod-1");
  }

  private Line next() throws InterruptedException {
    Line line = arrived.poll(30, TimeUnit.SECONDS);
    assertThat(line).as("refused: %s", refused).isNotNull();
    return line;
  }

  @Test
  void aJobsLinesArriveWithTheJobAsMetadata() throws Exception {
    try (Logging _ = logging()) {
      try (LogContext _ = LogContext.of(CLAIM, "a.function", "a-run")) {
        LOG.info("line {}", 1);
      }
      LOG.info("line 2");
      Line first = next();
      assertThat(first.text()).isEqualTo("line 1\n");
      assertThat(first.labels())
          .isEqualTo(Map.of("app", "rq-worker", "pod", "pod-1", "level", "INFO"));
      assertThat(first.metadata())
          .containsEntry("job", "job-17")
          .containsEntry("run", "a-run")
          .containsEntry("function", "a.function")
          .containsEntry("queue", "default")
          .containsEntry("logger", "LoggingTest");
      assertThat(next().metadata()).containsOnlyKeys("logger", "thread");
      assertThat(refused).isEmpty();
    }
  }

  @Test
  void linesOfAnOutageArriveAfterwards() throws Exception {
    try (Logging _ = logging()) {
      LOG.info("before");
      assertThat(next().text()).startsWith("before");
      stopLoki();
      for (int i = 0; i < 10; i++) {
        LOG.info("meanwhile {}", i);
      }
      while (Logging.COUNTS.find("loki4j.retry.errors").counters().stream()
          .allMatch(counter -> counter.count() == 0)) {
        Thread.onSpinWait();
      }
      startLoki(port);
      for (int i = 0; i < 10; i++) {
        assertThat(next().text()).isEqualTo("meanwhile " + i + "\n");
      }
    }
  }

  @Test
  void aDeadLokiHoldsNobodyUpAndWhatIsLostIsCounted() throws Exception {
    stopLoki();
    holdsNobodyUp();
  }

  @Test
  void oneThatDoesNotAnswerHoldsNobodyUpEither() throws Exception {
    stopLoki();
    try (ServerSocket silent = new ServerSocket(port, 50, InetAddress.getLoopbackAddress())) {
      holdsNobodyUp();
      silent.accept().close(); // somebody was there
    }
  }

  private void holdsNobodyUp() throws Exception {
    Logger root = (Logger) LoggerFactory.getLogger(Logger.ROOT_LOGGER_NAME);
    Appender<ILoggingEvent> console = root.getAppender("console");
    root.detachAppender(console); // 20 MB
    try {
      flood();
    } finally {
      root.addAppender(console);
    }
  }

  private static double dropped() {
    return Logging.COUNTS.find("loki4j.drop.events").counters().stream()
        .mapToDouble(Counter::count)
        .sum();
  }

  private void flood() throws Exception {
    Metrics metrics =
        new Metrics(new Metrics.Observed("1", List.of(), List.of(), 1, () -> 0, () -> false));
    long start;
    try (metrics;
        Logging _ = logging("loki.drain=100ms")) {
      String kilobyte = "x".repeat(1024);
      start = System.nanoTime();
      for (int i = 0; i < 20_000; i++) {
        LOG.info(kilobyte);
      }
      assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(10));
      // Whoever logs is ahead of the thread that finds the queue full.
      while (dropped() == 0 && System.nanoTime() - start < Duration.ofSeconds(30).toNanos()) {
        LOG.info(kilobyte);
      }
      assertThat(metrics.scrape()).containsPattern("rq_worker_loki_dropped_lines_total [1-9]");
      start = System.nanoTime();
    }
    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(3));
  }

  @Test
  void jsonIsOneObjectALine() {
    LoggingEvent event =
        new LoggingEvent(
            "",
            LOG,
            Level.WARN,
            "two\nlines \"{}\"",
            new IllegalStateException("bad"),
            new Object[] {"x"});
    event.setMDCPropertyMap(Map.of("job", "job-17"));
    JsonLines encoder = new JsonLines();
    encoder.setContext((LoggerContext) LoggerFactory.getILoggerFactory());
    String line = new String(encoder.encode(event), UTF_8);
    assertThat(line.lines()).hasSize(1);
    assertThat(line).endsWith("}\n");
    Map<String, String> fields = texts(JSON.readTree(line));
    assertThat(fields)
        .containsEntry("message", "two\nlines \"x\"")
        .containsEntry("level", "WARN")
        .containsEntry("job", "job-17");
    assertThat(fields.get("error")).startsWith("java.lang.IllegalStateException: bad\n\tat ");
  }
}
