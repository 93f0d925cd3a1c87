package cloud.wepp.worker.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.JobActions;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.LostJobs;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.Connections;
import cloud.wepp.worker.Worker;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.ledger.LedgerStore;
import cloud.wepp.worker.ledger.OpenJobs;
import cloud.wepp.worker.testing.PostgresServer;
import cloud.wepp.worker.testing.RecordingListener;
import cloud.wepp.worker.testing.Site;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Redis forgets, or the history does, and one is made from the other. */
class ReconcileIT {
  private RedisServer redis;
  private PostgresServer postgres;
  private Site site;
  private JobQueue client;
  private WorkerConfig config;
  private Worker worker; // of another queue: it carries the events
  private final RecordingListener listener = new RecordingListener();

  @BeforeEach
  void start() throws Exception {
    site = Site.start();
    redis = site.redis;
    postgres = site.postgres;
    client = site.client(Duration.ofSeconds(60), Duration.ofSeconds(90));
    config =
        ConfigReader.read(
                null,
                Map.of(),
                List.of(
                    "redis.url=" + redis.url(),
                    "postgres.url=" + postgres.url(),
                    "worker.queues=other",
                    "python.enabled=false",
                    "routing.native-queues=other"))
            .config();
    worker = Worker.start(config, Map.of(), List.of(listener), InstantSource.system());
  }

  @AfterEach
  void stop() {
    worker.close();
    client.close();
    site.close();
  }

  private String started() throws InterruptedException {
    String id = enqueue();
    assertThat(client.take(client.request("default", "somebody.1", List.of(id)))).isPresent();
    listener.awaitRecorded(id, "started");
    return id;
  }

  private String enqueue() {
    Call call = new Call("m.f", List.of(), Map.of());
    return client.enqueue("default", call.write(), "m.f()", Duration.ofMinutes(3));
  }

  private List<String> said(boolean dry, Consumer<Reconcile> action) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JobActions actions = new JobActions(site.access, "rq", InstantSource.system());
        LostJobs lost = new LostJobs(site.access, "rq", InstantSource.system());
        LedgerStore store = Connections.history(config)) {
      action.accept(
          new Reconcile(
              actions,
              lost,
              new OpenJobs(store, Duration.ZERO),
              new PrintStream(bytes, true, UTF_8),
              dry));
    }
    return bytes.toString(UTF_8).lines().toList();
  }

  @Test
  void whatRedisHasLostIsQueuedAgain() throws Exception {
    String kept = started();
    String id = started();
    redis.ask("DEL", "rq:job:" + id);
    assertThat(said(true, all -> all.requeue(List.of("elsewhere"), 30)))
        .containsExactly("0 jobs had not ended and are not in Redis: 0 would be requeued.");
    List<String> dry = said(true, all -> all.requeue(List.of(), 30));
    assertThat(dry).hasSize(2);
    assertThat(dry.getFirst())
        .startsWith(id + "  default  m.f()  20")
        .endsWith("started, and not in Redis  would be requeued");
    assertThat(redis.ask("EXISTS", "rq:job:" + id)).isEqualTo("0");
    assertThat(said(false, all -> all.requeue(List.of(), 30)).getLast())
        .isEqualTo("1 jobs had not ended and are not in Redis: 1 requeued.");
    assertThat(redis.ask("LRANGE", "rq:queue:default", "0", "-1")).isEqualTo(id);
    listener.awaitRecorded(id, "requeued");
    assertThat(said(false, all -> all.requeue(List.of(), 30)))
        .containsExactly("0 jobs had not ended and are not in Redis: 0 requeued.");
    assertThat(redis.ask("HGET", "rq:job:" + kept, "status")).isEqualTo("started");
  }

  @Test
  void whatTheHistoryDoesNotKnowIsTold() throws Exception {
    started();
    String id = enqueue();
    assertThat(said(true, all -> all.fill(List.of())))
        .containsExactly(
            id + "  default  m.f  -  queued, and not in the history  would be told to the history",
            "1 jobs of Redis are not in the history: 1 would be told to the history.");
    assertThat(said(false, all -> all.fill(List.of()))).hasSize(2);
    listener.awaitRecorded(id, "found");
    assertThat(said(false, all -> all.fill(List.of())))
        .containsExactly("0 jobs of Redis are not in the history: 0 told to the history.");
    redis.ask("FLUSHALL");
    assertThat(said(false, all -> all.requeue(List.of(), 30)).getLast())
        .isEqualTo("2 jobs had not ended and are not in Redis: 2 requeued.");
  }
}
