package cloud.wepp.worker.python;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The Unix socket at which the fork server and its supervisors report. All input and output is on
 * threads of its own, because an interrupt, which stops a job, would close a channel.
 */
final class Board implements AutoCloseable {
  static final JsonMapper JSON = JsonMapper.builder().build();

  private final ServerSocketChannel server;
  private final ConcurrentMap<String, CompletableFuture<Peer>> expected = new ConcurrentHashMap<>();
  private final ExecutorService readers =
      Executors.newCachedThreadPool(Thread.ofPlatform().daemon().name("python-in-", 1).factory());
  private final ExecutorService writer =
      Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().name("python-out").factory());

  /** Listens at {@code socket}, in a folder that nobody else may enter. */
  Board(Path socket) throws IOException {
    server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    server.bind(UnixDomainSocketAddress.of(socket));
    readers.execute(this::accept);
  }

  /** The next connection of this name; {@code server} for a fork server. */
  CompletableFuture<Peer> expect(String name) {
    CompletableFuture<Peer> peer = new CompletableFuture<>();
    expected.put(name, peer);
    return peer;
  }

  private void accept() {
    try {
      while (true) {
        SocketChannel channel = server.accept();
        readers.execute(() -> read(channel));
      }
    } catch (IOException e) {
      // closed
    }
  }

  private void read(SocketChannel channel) {
    Peer peer = null;
    try (channel;
        BufferedReader lines = new BufferedReader(Channels.newReader(channel, UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        JsonNode message = JSON.readTree(line);
        if (peer == null) {
          String name = message.path("supervisor").asString("server");
          CompletableFuture<Peer> waiting = expected.remove(name);
          if (waiting == null) {
            return; // nobody waits for it any more
          }
          peer = new Peer(channel, writer, message.path("pid").asInt());
          waiting.complete(peer);
        } else {
          peer.received(message);
        }
      }
    } catch (IOException | JacksonException e) {
      // the process is gone, or is none of ours
    } finally {
      if (peer != null) {
        peer.gone();
      }
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
    readers.shutdownNow();
    writer.shutdownNow();
  }
}
