package cloud.wepp.worker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Comparator.comparingLong;
import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobOutcome;
import cloud.wepp.worker.testing.RecordingListener;
import cloud.wepp.worker.testing.Site;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What Kubernetes' autoscaler makes of our signals. It is played by this test, with its rules: as
 * many pods as are wanted, within bounds; out at once, in one by one, those first that cost least.
 */
class AutoscaleIT {
  private static final int MOST = 4;
  private static final int BURST = 500;
  private static final Pattern WANTED = Pattern.compile("(?m)^rq_wanted_workers (\\S+)$");
  private static final Pattern COST = Pattern.compile("pod-deletion-cost\":\"(\\d+)\"");

  private final RecordingListener listener = new RecordingListener();
  private final CountDownLatch released = new CountDownLatch(1);
  private final Map<String, Worker> pods = new LinkedHashMap<>(); // by name
  private final Map<String, Long> costs = new ConcurrentHashMap<>();
  private final HttpClient http = HttpClient.newHttpClient();
  private Site site;
  private HttpServer kubernetes;
  @TempDir private Path account;

  @BeforeEach
  void start() throws IOException {
    site = Site.start();
    Files.writeString(account.resolve("token"), "t");
    Files.writeString(account.resolve("namespace"), "n");
    kubernetes = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    kubernetes.createContext("/api/v1/namespaces/n/pods/", this::patch);
    kubernetes.start();
  }

  @AfterEach
  void stop() {
    released.countDown();
    pods.values().forEach(Worker::close);
    kubernetes.stop(0);
    http.close();
    site.close();
  }

  private void patch(HttpExchange exchange) throws IOException {
    String path = exchange.getRequestURI().getPath();
    Matcher cost = COST.matcher(new String(exchange.getRequestBody().readAllBytes(), UTF_8));
    assertThat(cost.find()).isTrue();
    costs.put(path.substring(path.lastIndexOf('/') + 1), Long.valueOf(cost.group(1)));
    exchange.sendResponseHeaders(200, -1);
    exchange.close();
  }

  private void scaleOut() throws Exception {
    String pod = "pod-" + pods.size();
    JobHandler held =
        (call, context) -> {
          released.await();
          return new JobOutcome.Succeeded(PyValue.of(pod));
        };
    pods.put(
        pod,
        Worker.start(
            ConfigReader.read(
                    null,
                    Map.of("POD_NAME", pod),
                    List.of(
                        "redis.url=" + site.redis.url(),
                        "ledger.mode=off",
                        "python.enabled=false",
                        "routing.native-queues=default",
                        "worker.slots=2",
                        "worker.name=" + pod,
                        "observe.port=0",
                        "observe.every=100ms",
                        "kubernetes.deletion-cost-every=50ms",
                        "kubernetes.account=" + account,
                        "kubernetes.api=http://127.0.0.1:" + kubernetes.getAddress().getPort()))
                .config(),
            Map.of("test.held", held),
            List.of(listener),
            InstantSource.system()));
  }

  /** One pod fewer: the one that Kubernetes would take. */
  private void scaleIn() {
    String cheapest =
        pods.keySet().stream().min(comparingLong(pod -> costs.getOrDefault(pod, 0L))).orElseThrow();
    Objects.requireNonNull(pods.remove(cheapest)).close();
  }

  private double wanted() throws Exception {
    int port = pods.values().iterator().next().port().orElseThrow();
    String page =
        http.send(
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:%d/metrics".formatted(port)))
                    .build(),
                HttpResponse.BodyHandlers.ofString())
            .body();
    Matcher wanted = WANTED.matcher(page);
    assertThat(wanted.find()).as(page).isTrue();
    return Double.parseDouble(wanted.group(1));
  }

  /** As often as the autoscaler would, only faster. */
  private void await(Condition condition) throws Exception {
    long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    while (!condition.holds()) {
      assertThat(System.nanoTime())
          .as("wanted: %s, costs: %s", wanted(), costs)
          .isLessThan(deadline);
      boolean _ = new CountDownLatch(1).await(20, TimeUnit.MILLISECONDS);
    }
  }

  private interface Condition {
    boolean holds() throws Exception;
  }

  private String enqueue(String function) {
    Call call = new Call(function, List.of(PyValue.of("a-run")), Map.of());
    return site.client.enqueue("default", call.write(), function, Duration.ofHours(12));
  }

  @Test
  void aBurstScalesOutAndInAgainAndNoBusyPodIsStopped() throws Exception {
    scaleOut();
    List<String> held = List.of(enqueue("test.held"), enqueue("test.held"));
    await(() -> wanted() == 1);
    await(() -> costs.containsKey("pod-0"));
    for (int i = 0; i < BURST; i++) {
      enqueue("cloud.wepp.noop");
    }
    await(() -> wanted() == (BURST + 2) / 2.0);

    double desired = Math.min(MOST, wanted());
    while (pods.size() < desired) {
      scaleOut();
    }
    listener.await(RecordingListener.Ended.class, BURST, end -> true);
    await(() -> wanted() == 1);
    while (pods.size() > wanted()) {
      scaleIn();
    }

    assertThat(pods).containsOnlyKeys("pod-0");
    released.countDown();
    for (String job : held) {
      assertThat(listener.awaitEnd(job).toString()).contains("Finish");
    }
    assertThat(listener.await(RecordingListener.Started.class, 2, one -> held.contains(one.job())))
        .as("starts of the long jobs")
        .hasSize(2);
    await(() -> wanted() == 0);
    await(() -> costs.getOrDefault("pod-0", -1L) == 0);
  }
}
