package cloud.wepp.worker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.Claim;
import cloud.wepp.rq.JobQueue.Settled;
import cloud.wepp.rq.JobRecord;
import cloud.wepp.rq.ResultCodec;
import cloud.wepp.rq.Settlement;
import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class WebhooksTest {
  private static final Instant NOW = Instant.parse("2026-11-25T01:02:03.5Z");
  private static final Settlement FINISH = new Settlement.Finish("", Duration.ZERO);
  private static final Settlement FAIL =
      new Settlement.Fail(ResultCodec.excString("Exception: why"), Duration.ZERO);

  private final BlockingQueue<String> received = new LinkedBlockingQueue<>();
  private final Webhooks webhooks = new Webhooks(InstantSource.fixed(NOW));
  private HttpServer server;

  @BeforeEach
  void listen() throws Exception {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          String body = new String(exchange.getRequestBody().readAllBytes(), UTF_8);
          received.add(
              "%s %s %s %s %s"
                  .formatted(
                      exchange.getRequestMethod(),
                      exchange.getRequestURI(),
                      exchange.getRequestHeaders().getFirst("Content-Type"),
                      exchange.getRequestHeaders().getFirst("X-Token"),
                      body));
          exchange.sendResponseHeaders(204, -1);
          exchange.close();
        });
    server.start();
  }

  @AfterEach
  void stop() {
    webhooks.close();
    server.stop(0);
  }

  private void settle(String hooks, Settlement settlement, Settled settled) {
    String urls = hooks.replace("URL", "http://127.0.0.1:" + server.getAddress().getPort());
    Map<String, byte[]> fields =
        Map.of(
            "data", new Call("a.function", List.of(), Map.of()).write(),
            "enqueued_at", "2026-11-25T01:00:00.000001Z".getBytes(UTF_8),
            "webhooks", urls.getBytes(UTF_8));
    JobRecord job = new JobRecord("a-job", fields);
    webhooks.settled(
        new Claim("claim", "default", "execution", "worker", NOW, job), settlement, settled);
  }

  private String next() throws InterruptedException {
    return String.valueOf(received.poll(30, TimeUnit.SECONDS));
  }

  @Test
  void aGetSaysNothingButThatItHappened() throws Exception {
    settle("[{\"url\":\"URL/done?a=b\",\"job_status\":\"finished\"}]", FINISH, Settled.SETTLED);
    assertThat(next()).isEqualTo("GET /done?a=b null null ");
  }

  @Test
  void aPostTellsWhatRqTells() throws Exception {
    settle(
        "[{\"url\":\"URL/a\",\"job_status\":\"finished\",\"method\":\"POST\",\"headers\":null,\"timeout\":10},"
            + "{\"url\":\"URL/b\",\"job_status\":\"failed\",\"method\":\"POST\",\"headers\":{\"X-Token\":\"t\"},\"timeout\":10}]",
        FAIL,
        Settled.SETTLED);
    assertThat(next())
        .isEqualTo(
            "POST /b application/json t"
                + " {\"job_id\":\"a-job\",\"func_name\":\"a.function\",\"status\":\"failed\","
                + "\"enqueued_at\":\"2026-11-25T01:00:00.000001+00:00\",\"ended_at\":\"2026-11-25T01:02:03.500000+00:00\",\"exc_info\":\"Exception:"
                + " why\"}");
    assertThat(received).isEmpty();
  }

  @Test
  void nothingIsSentOfWhatIsNoEnd() throws Exception {
    String hook = "[{\"url\":\"URL/%s\",\"job_status\":\"failed\"}]";
    settle(hook.formatted("lost"), FAIL, Settled.LOST);
    settle(hook.formatted("canceled"), FAIL, Settled.CANCELED);
    settle(hook.formatted("retried"), new Settlement.Retry(Duration.ZERO), Settled.SETTLED);
    settle(hook.formatted("stopped"), new Settlement.Stop("", Duration.ZERO), Settled.SETTLED);
    settle(hook.formatted("failed"), FAIL, Settled.SETTLED);
    assertThat(next()).startsWith("GET /failed");
    assertThat(received).isEmpty();
  }

  @Test
  void whatCannotBeSentHarmsNothing() throws Exception {
    settle("no JSON", FAIL, Settled.SETTLED);
    settle("[{\"url\":\"no url\",\"job_status\":\"failed\"}]", FAIL, Settled.SETTLED);
    settle(
        "[{\"url\":\"URL\",\"job_status\":\"failed\",\"headers\":{\"Host\":\"x\"}},"
            + "{\"url\":\"http://127.0.0.1:1\",\"job_status\":\"failed\"},"
            + "{\"url\":\"URL/last\",\"job_status\":\"failed\"}]",
        FAIL,
        Settled.SETTLED);
    assertThat(next()).startsWith("GET /last");
  }
}
