package cloud.wepp.worker.testing;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;

/** A network between a worker and its server that can be cut, or worse, on demand. */
public final class FaultProxy implements AutoCloseable {
  /** What becomes of bytes. */
  public enum Fault {
    NONE,
    /** All that is sent comes later. */
    DELAY,
    /** Connections are closed, and new ones too. */
    CUT,
    /** Connections stay open, and nothing gets through: no answer, no error. */
    HALF_OPEN,
    /** As cut, but the question gets through first; only its answer does not. */
    CUT_MID_REPLY
  }

  private static final Duration LATER = Duration.ofMillis(50);

  private final int target;
  private final ServerSocket server;
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();
  private Fault fault = Fault.NONE; // guarded by this

  private FaultProxy(int target) throws IOException {
    this.target = target;
    server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    Thread.ofPlatform().daemon().name("proxy").start(this::accept);
  }

  /** Starts before the server of a URL. */
  public static FaultProxy before(String url) {
    try {
      return new FaultProxy(Integer.parseInt(url.replaceFirst(".*127\\.0\\.0\\.1:(\\d+).*", "$1")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The server's URL by way of this proxy. */
  public String through(String url) {
    return url.replace("127.0.0.1:" + target, "127.0.0.1:" + server.getLocalPort());
  }

  /** From now on. */
  public synchronized void set(Fault now) {
    fault = now;
    if (now == Fault.CUT || now == Fault.NONE) { // after a half-open time the old ones are dead
      open.forEach(FaultProxy::close);
    }
    notifyAll();
  }

  private synchronized Fault fault() {
    return fault;
  }

  private void accept() {
    while (!server.isClosed()) {
      try {
        Socket from = server.accept();
        open.add(from);
        if (fault() == Fault.CUT) {
          close(from);
          continue;
        }
        Socket to = new Socket(InetAddress.getLoopbackAddress(), target);
        open.add(to);
        carry(from, to, false);
        carry(to, from, true);
      } catch (IOException e) {
        // the proxy is closed, or the server is down
      }
    }
  }

  private void carry(Socket from, Socket to, boolean reply) {
    Thread.ofPlatform()
        .daemon()
        .name("proxy")
        .start(() -> {
          byte[] bytes = new byte[65536];
          try (from;
              to) {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            for (int count = in.read(bytes); count >= 0; count = in.read(bytes)) {
              Fault now = fault();
              if (now == Fault.CUT_MID_REPLY && reply) {
                out.write(bytes, 0, count / 2);
                set(Fault.CUT);
                return;
              }
              if (now == Fault.DELAY) {
                LockSupport.parkNanos(LATER.toNanos());
              }
              if (now != Fault.HALF_OPEN) {
                out.write(bytes, 0, count);
              }
            }
          } catch (IOException e) {
            // either side has gone
          } finally {
            open.remove(from);
            open.remove(to);
          }
        });
  }

  private static void close(Socket socket) {
    try {
      socket.close();
    } catch (IOException e) {
      // it is closed
    }
  }

  @Override
  public void close() {
    set(Fault.CUT);
    try {
      server.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
