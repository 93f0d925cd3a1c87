package cloud.wepp.rq.testing;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * A real Redis of its own: the system's redis-server, else the one that a Maven package brings
 * (6.2).
 */
public final class RedisServer implements AutoCloseable {
  private static final AtomicBoolean ANNOUNCED = new AtomicBoolean();

  private final ProcessBuilder program;
  private final Path log;
  private final int port;
  private final @Nullable Path scratch;
  private Process process;

  private RedisServer(ProcessBuilder program, Path log, int port, @Nullable Path scratch)
      throws IOException {
    this.program = program;
    this.log = log;
    this.port = port;
    this.scratch = scratch;
    process = program.start();
  }

  /**
   * Starts with a folder of its own, which goes when it is closed.
   *
   * @param settings as in its configuration file
   */
  public static RedisServer start(String... settings) {
    try {
      Path folder = Files.createTempDirectory("rq-redis");
      Path file = Files.write(folder.resolve("redis.conf"), List.of(settings));
      return start(
          folder, folder, Map.of(), List.of(file.toString(), "--save", "", "--appendonly", "no"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Starts so that the process has these variables too. */
  public static RedisServer start(Map<String, String> environment) {
    try {
      Path folder = Files.createTempDirectory("rq-redis");
      return start(folder, folder, environment, List.of("--save", "", "--appendonly", "no"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Starts with an append-only file in {@code folder}, which is kept. */
  public static RedisServer start(Path folder) {
    try {
      Files.createDirectories(folder);
      return start(folder, null, Map.of(), List.of("--save", "", "--appendonly", "yes"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * A sentinel that does not wait for others' votes.
   *
   * @param name of what it watches
   * @param port of the master
   * @param settings more of its file
   */
  public static RedisServer sentinel(String name, int port, List<String> settings) {
    try {
      Path folder = Files.createTempDirectory("rq-sentinel");
      List<String> lines =
          new ArrayList<>(
              List.of(
                  "sentinel monitor %s 127.0.0.1 %d 1".formatted(name, port),
                  "sentinel down-after-milliseconds %s 1000".formatted(name),
                  "sentinel failover-timeout %s 5000".formatted(name)));
      lines.addAll(settings);
      Path file = Files.write(folder.resolve("sentinel.conf"), lines);
      return start(folder, folder, Map.of(), List.of(file.toString(), "--sentinel"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static RedisServer start(
      Path folder, @Nullable Path scratch, Map<String, String> environment, List<String> more)
      throws IOException {
    String executable = executable(folder);
    if (ANNOUNCED.compareAndSet(false, true)) {
      System.err.println("Redis server: " + executable);
    }
    int port = freePort();
    Path log = folder.resolve("redis.log");
    List<String> command = new ArrayList<>(List.of(executable));
    command.addAll(more);
    command.addAll(List.of("--port", Integer.toString(port), "--bind", "127.0.0.1"));
    command.addAll(List.of("--dir", folder.toString()));
    ProcessBuilder program =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
    program.environment().putAll(environment);
    RedisServer server = new RedisServer(program, log, port, scratch);
    server.awaitReady(log);
    return server;
  }

  /** Kills the server and starts it again, on the same port and with what it has kept. */
  public void restart() {
    try {
      process.destroyForcibly().waitFor();
      process = program.start();
      awaitReady(log);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  public int port() {
    return port;
  }

  /** Kills the server, which stays dead. */
  public void kill() {
    process.destroyForcibly();
  }

  /** The server's process. */
  public long pid() {
    return process.pid();
  }

  private static String executable(Path folder) throws IOException {
    Optional<Path> installed =
        List.of(System.getenv().getOrDefault("PATH", "").split(":")).stream()
            .map(entry -> Path.of(entry, "redis-server"))
            .filter(Files::isExecutable)
            .findFirst();
    if (installed.isPresent()) {
      return installed.get().toString();
    }
    Path bundled = folder.resolve("redis-server");
    try (var jar = RedisServer.class.getResourceAsStream("/redis-server-6.2.6-v5-linux-amd64")) {
      if (jar == null) {
        throw new IOException("no redis-server on PATH and none bundled for this platform");
      }
      Files.copy(jar, bundled, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    }
    if (!bundled.toFile().setExecutable(true)) {
      throw new IOException("cannot make " + bundled + " executable");
    }
    return bundled.toString();
  }

  /** A port on which nobody listens yet. */
  public static int freePort() {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Sends one command and returns the answer, its parts one a line; an error throws. */
  public String ask(String... words) {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      socket.setSoTimeout(10_000);
      StringBuilder command = new StringBuilder("*" + words.length + "\r\n");
      for (String word : words) {
        command.append('$').append(word.getBytes(UTF_8).length).append("\r\n");
        command.append(word).append("\r\n");
      }
      socket.getOutputStream().write(command.toString().getBytes(UTF_8));
      return answer(new DataInputStream(new BufferedInputStream(socket.getInputStream())));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String answer(DataInputStream in) throws IOException {
    StringBuilder line = new StringBuilder();
    for (int c = in.read(); c != '\r' && c >= 0; c = in.read()) {
      line.append((char) c);
    }
    in.readByte(); // the line feed
    String rest = line.substring(1);
    return switch (line.charAt(0)) {
      case '-' -> throw new IOException("Redis answers " + rest);
      case '$' -> text(in, Integer.parseInt(rest));
      case '*' -> {
        List<String> parts = new ArrayList<>();
        for (int left = Integer.parseInt(rest); left > 0; left--) {
          parts.add(answer(in));
        }
        yield String.join("\n", parts);
      }
      default -> rest;
    };
  }

  private static String text(DataInputStream in, int length) throws IOException {
    if (length < 0) {
      return "";
    }
    byte[] text = in.readNBytes(length);
    in.skipNBytes(2);
    return new String(text, UTF_8);
  }

  /** A server that listens answers PING; one that has ended says why in its log. */
  private void awaitReady(Path log) throws IOException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (process.isAlive() && System.nanoTime() < deadline) {
      try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
        socket.setSoTimeout(2000);
        socket.getOutputStream().write("PING\r\n".getBytes(UTF_8));
        String answer = new String(socket.getInputStream().readNBytes(7), UTF_8);
        if (answer.startsWith("+PONG") || answer.startsWith("-NOAUTH")) {
          return;
        }
      } catch (IOException e) {
        Thread.onSpinWait();
      }
    }
    throw new IOException("redis-server did not start: " + Files.readString(log));
  }

  public String url() {
    return "redis://127.0.0.1:" + port;
  }

  @Override
  public void close() {
    process.destroy();
    try {
      if (!process.waitFor(10, TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
      if (scratch != null) {
        try (var files = Files.walk(scratch)) {
          files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
