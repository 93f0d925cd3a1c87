package cloud.wepp.worker.shipping;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.mapping;
import static java.util.stream.Collectors.toSet;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * That the proxy of {@code affinity-hash} pins a run to a pod: HAProxy with its configuration and
 * two pods.
 */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class AffinityIT {
  private static final List<String> RUNS =
      IntStream.range(0, 60).mapToObj("dour-watershed-%d"::formatted).toList();

  @TempDir Path folder;

  @Test
  void aRunStaysOnItsPodWhoeverAsks() throws Exception {
    Tool.run("haproxy", "-v");
    try (Pod one = Pod.start("127.0.0.2", 0);
        Pod two = Pod.start("127.0.0.3", one.port());
        Names names = new Names();
        Proxy proxy = proxy(names, one.port())) {
      proxy.awaits(
          "by-run/web1 administratively READY",
          "by-run/web2 administratively READY",
          "any/web1 administratively READY",
          "any/web2 administratively READY");

      Map<String, Set<String>> before = podsByRun(proxy);
      assertThat(before.values()).as("one pod for a run").allMatch(pods -> pods.size() == 1);
      assertThat(before.values().stream().flatMap(Set::stream).collect(toSet()))
          .as("both pods have runs")
          .hasSize(2);
      assertThat(IntStream.range(0, 8).mapToObj(i -> proxy.ask("/", "u" + i)).collect(toSet()))
          .as("what is not of a run goes anywhere")
          .hasSize(2);
      assertThat(proxy.ask("/runs/batch;;a;;b/c/", "x"))
          .as("a run id is the same however it is written")
          .isEqualTo(proxy.ask("/runs/batch%3B%3Ba%3B%3Bb/c/", "y"));

      two.server().stop(0);
      proxy.awaits("by-run/web2 is DOWN");
      Map<String, Set<String>> after = podsByRun(proxy);
      assertThat(after.values()).allMatch(Set.of("127.0.0.2")::equals);
      assertThat(before.values()).as("some runs did not move").contains(Set.of("127.0.0.2"));
    }
  }

  /** Each run is asked for by three browsers, on different pages. */
  private static Map<String, Set<String>> podsByRun(Proxy proxy) {
    record Answer(String run, String pod) {}
    return RUNS.stream()
        .flatMap(run ->
            IntStream.range(0, 3)
                .mapToObj(i -> new Answer(run, proxy.ask("/runs/" + run + "/c/" + i, "u" + i))))
        .collect(groupingBy(Answer::run, mapping(Answer::pod, toSet())));
  }

  private Proxy proxy(Names names, int web) throws IOException {
    String config =
        Files.readString(Tool.ROOT.resolve("k8s/platform/components/affinity-hash/haproxy.cfg"))
            .replace("parse-resolv-conf", "nameserver test 127.0.0.1:" + names.port());
    Path file = Files.writeString(folder.resolve("haproxy.cfg"), config);
    int port;
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    ProcessBuilder builder = new ProcessBuilder("haproxy", "-db", "-f", file.toString());
    builder.environment().put("PORT", String.valueOf(port));
    builder.environment().put("WEB", "weppcloud-pods.n.svc.cluster.local:" + web);
    Process process = builder.redirectErrorStream(true).start();
    return new Proxy(process, process.inputReader(), port, HttpClient.newHttpClient());
  }

  private record Proxy(Process process, BufferedReader log, int port, HttpClient client)
      implements AutoCloseable {
    /** Until its log has said all these. */
    void awaits(String... texts) throws IOException {
      Set<String> missing = new HashSet<>(List.of(texts));
      StringBuilder said = new StringBuilder();
      while (!missing.isEmpty()) {
        String line = log.readLine();
        assertThat(line).as("HAProxy's log until its end: %s", said).isNotNull();
        said.append(line).append('\n');
        missing.removeIf(line::contains);
      }
    }

    String ask(String path, String browser) {
      HttpRequest request =
          HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
              .header("Cookie", "session=" + browser)
              .build();
      try {
        HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
        assertThat(answer.statusCode()).isEqualTo(200);
        return answer.body();
      } catch (IOException | InterruptedException e) {
        throw new AssertionError(path, e);
      }
    }

    @Override
    public void close() {
      process.destroy();
      client.close();
    }
  }

  /** Answers with its address. */
  private record Pod(HttpServer server) implements AutoCloseable {
    static Pod start(String address, int port) throws IOException {
      HttpServer server = HttpServer.create(new InetSocketAddress(address, port), 0);
      server.createContext(
          "/",
          exchange -> {
            byte[] body = address.getBytes(UTF_8);
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
          });
      server.start();
      return new Pod(server);
    }

    int port() {
      return server.getAddress().getPort();
    }

    @Override
    public void close() {
      server.stop(0);
    }
  }

  /** A name server that knows two addresses, as a cluster's does of a Service without one. */
  private static final class Names implements AutoCloseable {
    private final DatagramSocket socket;

    Names() throws IOException {
      socket = new DatagramSocket(0, InetAddress.getLoopbackAddress());
      Thread.ofVirtual().start(this::answer);
    }

    int port() {
      return socket.getLocalPort();
    }

    private void answer() {
      try {
        while (true) {
          DatagramPacket packet = new DatagramPacket(new byte[512], 512);
          socket.receive(packet);
          byte[] answer = answer(packet.getData());
          socket.send(new DatagramPacket(answer, answer.length, packet.getSocketAddress()));
        }
      } catch (IOException closed) {
        // by close()
      }
    }

    /** RFC 1035: the question, and both addresses if it was for such. */
    private static byte[] answer(byte[] question) {
      int end = 12;
      while (question[end] != 0) {
        end += question[end] + 1;
      }
      boolean forAddresses = question[end + 2] == 1;
      ByteBuffer answer = ByteBuffer.allocate(512);
      answer.put(question, 0, 2).putShort((short) 0x8180).putShort((short) 1);
      answer.putShort((short) (forAddresses ? 2 : 0)).putInt(0).put(question, 12, end + 5 - 12);
      for (int i = 2; forAddresses && i <= 3; i++) {
        answer.putShort((short) 0xC00C).putShort((short) 1).putShort((short) 1).putInt(5);
        answer.putShort((short) 4).put(new byte[] {127, 0, 0, (byte) i});
      }
      byte[] bytes = new byte[answer.position()];
      answer.flip().get(bytes);
      return bytes;
    }

    @Override
    public void close() {
      socket.close();
    }
  }
}
