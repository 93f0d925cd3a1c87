package cloud.wepp.worker.python;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** One Python process at the other end of a connection: a JSON object a line, both ways. */
final class Peer {
  private final SocketChannel channel;
  private final Executor writer;
  private final int pid;
  private final BlockingQueue<JsonNode> received = new LinkedBlockingQueue<>();
  private final CompletableFuture<@Nullable Void> gone = new CompletableFuture<>();

  Peer(SocketChannel channel, Executor writer, int pid) {
    this.channel = channel;
    this.writer = writer;
    this.pid = pid;
  }

  int pid() {
    return pid;
  }

  /** Does not wait; what a process that is gone does not get is lost with it. */
  void send(Map<String, ?> message) {
    ByteBuffer line =
        ByteBuffer.wrap((Board.JSON.writeValueAsString(message) + "\n").getBytes(UTF_8));
    writer.execute(() -> {
      try {
        while (line.hasRemaining()) {
          channel.write(line);
        }
      } catch (IOException e) {
        // told by gone()
      }
    });
  }

  /** The next message; null when none came in time; a missing node once the process is gone. */
  @Nullable JsonNode next(Duration longest) throws InterruptedException {
    if (isGone() && received.isEmpty()) {
      return Board.JSON.missingNode();
    }
    return received.poll(longest.toNanos(), TimeUnit.NANOSECONDS);
  }

  boolean isGone() {
    return gone.isDone();
  }

  /** Fails {@code waiting} when the process is gone. */
  void failWhenGone(CompletableFuture<?> waiting) {
    var _ = gone.thenRun(() -> waiting.completeExceptionally(new IOException("the process ended")));
  }

  void received(JsonNode message) {
    received.add(message);
  }

  void gone() {
    received.add(Board.JSON.missingNode());
    gone.complete(null);
  }

  /** Hangs up, upon which the process ends. */
  void hangUp() {
    writer.execute(() -> {
      try {
        channel.close();
      } catch (IOException e) {
        // it is gone
      }
    });
  }
}
