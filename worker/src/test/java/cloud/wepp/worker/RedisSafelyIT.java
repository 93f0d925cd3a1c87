package cloud.wepp.worker;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.QueueUnavailable;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobOutcome;
import cloud.wepp.worker.testing.Keytool;
import cloud.wepp.worker.testing.PostgresServer;
import cloud.wepp.worker.testing.PythonWithRq;
import cloud.wepp.worker.testing.RecordingListener;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Redis behind TLS, and Redis that a sentinel replaces; for this worker and for its Python. */
class RedisSafelyIT {
  private static final String PASSWORD = "pass:w/rd@";
  private static final String OF_SENTINELS = "another";

  @TempDir Path folder;
  private final RecordingListener listener = new RecordingListener();
  private final List<AutoCloseable> open = new ArrayList<>();
  private PostgresServer postgres;
  private String python;

  @BeforeEach
  void start() throws Exception {
    python = PythonWithRq.interpreter("3.0.0");
    postgres = opened(PostgresServer.start());
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable one : open.reversed()) {
      one.close();
    }
  }

  private <T extends AutoCloseable> T opened(T one) {
    open.add(one);
    return one;
  }

  /** The server asks for the client's certificate, as it does unless it is told not to. */
  @Test
  void redisBehindTls() throws Exception {
    Pem pem = Pem.make(folder);
    int port = RedisServer.freePort();
    opened(start(pem.ofServer(port), "requirepass " + PASSWORD));
    String url = "rediss://127.0.0.1:" + port + "/3";
    WorkerConfig config = config(url, pem.settings());

    worker(config, Map.of());
    JobQueue client = client(config);
    listener.awaitRecorded(enqueue(client, "cloud.wepp.noop"), "finished");
    listener.awaitRecorded(enqueue(client, "os.getpid"), "finished");

    WorkerConfig trustless = config(url, List.of());
    assertThatThrownBy(() -> client(trustless))
        .isInstanceOf(QueueUnavailable.class)
        .hasMessageContaining("certificat");
  }

  /** The first sentinel of the URL is down; the other one and the master ask for passwords. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void anotherMasterWhileJobsRun(boolean tls) throws Exception {
    Pem pem = Pem.make(folder);
    List<Integer> ports = Stream.generate(RedisServer::freePort).limit(3).toList();
    List<List<String>> settings =
        ports.stream().map(port -> tls ? pem.ofServer(port) : List.<String>of()).toList();
    String user = "user worker on >" + PASSWORD + " ~* &* +@all";
    RedisServer master = opened(start(settings.get(0), user));
    int port = tls ? ports.get(0) : master.port();
    String follow = "replicaof 127.0.0.1 " + port;
    RedisServer replica =
        opened(start(settings.get(1), user, follow, "repl-diskless-sync-delay 0"));
    List<String> ofSentinel = new ArrayList<>(settings.get(2));
    ofSentinel.add("requirepass " + OF_SENTINELS);
    RedisServer sentinel = opened(RedisServer.sentinel("jobs", port, ofSentinel));
    String url =
        "%s-sentinel://worker@127.0.0.1:1,127.0.0.1:%d/3#jobs"
            .formatted(tls ? "rediss" : "redis", tls ? ports.get(2) : sentinel.port());
    WorkerConfig config = config(url, tls ? pem.settings() : List.of());
    CountDownLatch goOn = new CountDownLatch(1);
    JobHandler waiting =
        (call, context) -> {
          goOn.await();
          return new JobOutcome.Succeeded(PyValue.None.NONE);
        };
    Files.writeString(
        folder.resolve("drill.py"),
        """
        import os, time
        def wait_for(path):
            open(path + ".waits", "w").close()
            while not os.path.exists(path):
                time.sleep(0.05)
        """);

    worker(config, Map.of("drill.native", waiting));
    JobQueue client = client(config);
    Path released = folder.resolve("released");
    List<String> running =
        List.of(
            enqueue(client, "drill.native"),
            enqueue(client, "drill.wait_for", PyValue.of(released.toString())));
    listener.await(RecordingListener.Started.class, 2, started -> true);
    await(() -> Files.exists(Path.of(released + ".waits")));
    master.ask("SET", "last", "written");
    await(() -> replica.ask("GET", "last").equals("written"));
    await(() -> replica.ask("CLIENT", "LIST").contains("name=sentinel-"));
    master.kill();
    List<String> later = new ArrayList<>();
    await(() -> tryToEnqueue(client, later)); // the sentinel names another master
    goOn.countDown();
    Files.writeString(released, "");
    later.add(enqueue(client, "os.getpid"));

    for (String job : Stream.of(running, later).flatMap(List::stream).toList()) {
      listener.awaitRecorded(job, "finished");
      String results = "redis.call('SELECT', 3) return redis.call('XLEN', KEYS[1])";
      assertThat(replica.ask("EVAL", results, "1", "rq:results:" + job)).as(job).isEqualTo("1");
    }
    assertThat(listener.count(RecordingListener.Started.class)).as("starts").isEqualTo(4);
  }

  private static boolean tryToEnqueue(JobQueue client, List<String> enqueued) {
    try {
      return enqueued.add(enqueue(client, "cloud.wepp.noop"));
    } catch (QueueUnavailable e) {
      return false;
    }
  }

  /** For what nobody tells of; looks again and again. */
  private static void await(BooleanSupplier holds) {
    long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    while (!holds.getAsBoolean()) {
      assertThat(System.nanoTime()).as("waited in vain").isLessThan(deadline);
      LockSupport.parkNanos(20_000_000);
    }
  }

  private static RedisServer start(List<String> settings, String... more) {
    return RedisServer.start(
        Stream.concat(settings.stream(), Stream.of(more)).toArray(String[]::new));
  }

  private WorkerConfig config(String url, List<String> more) throws Exception {
    List<String> settings =
        new ArrayList<>(
            List.of(
                "redis.url=" + url,
                "redis.timeout=1s",
                "postgres.url=" + postgres.url(),
                "observe.port=off",
                "python.command=" + python,
                "python.directory=" + folder,
                "timing.heartbeat=250ms"));
    settings.addAll(more);
    Map<String, String> secrets =
        Map.of("REDIS_PASSWORD", PASSWORD, "REDIS_SENTINEL_PASSWORD", OF_SENTINELS);
    return ConfigReader.read(null, secrets, settings).config();
  }

  private void worker(WorkerConfig config, Map<String, JobHandler> more) {
    opened(Worker.start(config, more, List.of(listener), InstantSource.system()));
  }

  private JobQueue client(WorkerConfig config) {
    RedisAccess access = opened(Connections.redis(config));
    return opened(Connections.queue(config, access, InstantSource.system()));
  }

  private static String enqueue(JobQueue client, String function, PyValue... arguments) {
    Call call = new Call(function, List.of(arguments), Map.of());
    return client.enqueue("default", call.write(), function, Duration.ofMinutes(3));
  }

  /** A certificate of 127.0.0.1 that is its own authority, for both sides. */
  private record Pem(Path certificate, Path key) {
    static Pem make(Path folder) throws Exception {
      Path store = folder.resolve("store.p12");
      Keytool.run(
          store,
          "-genkeypair -alias redis -keyalg EC -dname CN=redis -ext san=ip:127.0.0.1 -ext"
              + " bc:c=ca:true -ext ku:c=digitalSignature,keyCertSign -validity 2");
      char[] password = Keytool.PASSWORD.toCharArray();
      KeyStore keys = KeyStore.getInstance(store.toFile(), password);
      return new Pem(
          write(folder, "CERTIFICATE", keys.getCertificate("redis").getEncoded()),
          write(folder, "PRIVATE KEY", keys.getKey("redis", password).getEncoded()));
    }

    private static Path write(Path folder, String what, byte[] encoded) throws Exception {
      String body = Base64.getMimeEncoder(64, "\n".getBytes(US_ASCII)).encodeToString(encoded);
      return Files.writeString(
          folder.resolve(what.replace(" ", "-") + ".pem"),
          "-----BEGIN %s-----%n%s%n-----END %s-----%n".formatted(what, body, what));
    }

    List<String> ofServer(int port) {
      return List.of(
          "tls-port " + port,
          "tls-replication yes",
          "tls-cert-file " + certificate,
          "tls-key-file " + key,
          "tls-ca-cert-file " + certificate);
    }

    List<String> settings() {
      return List.of(
          "redis.authorities=" + certificate,
          "redis.certificate=" + certificate,
          "redis.key=" + key);
    }
  }
}
