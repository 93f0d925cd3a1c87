package cloud.wepp.worker.observe;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

class ProbesTest {
  private final AtomicBoolean redis = new AtomicBoolean(true);
  private final Probes.Check staying =
      new Probes.Check("staying", () -> new Probes.Found(true, "stays"));
  private final Map<Probes.Kind, List<Probes.Check>> checks =
      Map.of(
          Probes.Kind.READY,
          List.of(
              staying,
              new Probes.Check("redis", () -> new Probes.Found(redis.get(), "said \"no\""))));

  private static HttpResponse<String> get(Probes probes, String page) throws Exception {
    try (HttpClient client = HttpClient.newHttpClient()) {
      return client.send(
          HttpRequest.newBuilder(
                  URI.create("http://127.0.0.1:%d%s".formatted(probes.port().getAsInt(), page)))
              .build(),
          HttpResponse.BodyHandlers.ofString());
    }
  }

  @Test
  void tellsEachCheck() throws Exception {
    try (Probes probes = new Probes(0, checks, () -> "up 1\n")) {
      assertThat(get(probes, "/ready").statusCode()).isEqualTo(200);
      redis.set(false);
      assertThat(get(probes, "/ready").statusCode()).isEqualTo(503);
      assertThat(get(probes, "/ready").body())
          .contains("\"ok\":false", "\"staying\":{", "\"text\":\"said \\\"no\\\"\"");
      assertThat(get(probes, "/live").statusCode()).isEqualTo(200);
      assertThat(get(probes, "/metrics").body()).isEqualTo("up 1\n");
      assertThat(get(probes, "/metrics/x").statusCode()).isEqualTo(404);
      assertThat(get(probes, "/").statusCode()).isEqualTo(404);
    }
  }

  @Test
  void answersWhileOthersDoNotFinishTheirRequests() throws Exception {
    List<Socket> halfOpen = new ArrayList<>();
    try (Probes probes = new Probes(0, checks, () -> "")) {
      for (int i = 0; i < 40; i++) {
        Socket socket = new Socket(InetAddress.getLoopbackAddress(), probes.port().getAsInt());
        socket.getOutputStream().write("GET /re".getBytes(US_ASCII));
        halfOpen.add(socket);
      }
      assertThat(get(probes, "/ready").statusCode()).isEqualTo(200);
    } finally {
      for (Socket socket : halfOpen) {
        socket.close();
      }
    }
  }

  @Test
  void aPortThatIsTakenIsNoReasonNotToWork() throws IOException {
    try (Probes first = new Probes(0, checks, () -> "");
        Probes second = new Probes(first.port().getAsInt(), checks, () -> "")) {
      assertThat(second.port()).isEmpty();
    }
  }
}
