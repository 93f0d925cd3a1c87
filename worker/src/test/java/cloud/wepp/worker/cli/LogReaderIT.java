package cloud.wepp.worker.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.JobLog;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.Worker;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobOutcome;
import cloud.wepp.worker.testing.RecordingListener;
import cloud.wepp.worker.testing.RecordingListener.Started;
import cloud.wepp.worker.testing.Site;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code rq-worker logs}: what a job prints, seen from another process than its worker's. */
class LogReaderIT {
  @TempDir private Path folder;

  private final RecordingListener listener = new RecordingListener();
  private final CountDownLatch goOn = new CountDownLatch(1);
  private final JobHandler talker =
      (call, context) -> {
        context.printed("before");
        goOn.await();
        context.printed("after");
        return new JobOutcome.Succeeded(PyValue.None.NONE);
      };
  private Site site;
  private JobLog log;
  private Worker worker;

  @BeforeEach
  void start() throws Exception {
    site = Site.start();
    log = new JobLog(site.access, "rq");
    worker =
        Worker.start(
            ConfigReader.read(
                    null,
                    Map.of(),
                    List.of(
                        "redis.url=" + site.redis.url(),
                        "ledger.mode=emit",
                        "python.enabled=false",
                        "routing.native-queues=default",
                        "worker.slots=1",
                        "observe.port=off"))
                .config(),
            Map.of("test.talk", talker),
            List.of(listener),
            InstantSource.system());
  }

  @AfterEach
  void stop() {
    goOn.countDown();
    worker.close();
    log.close();
    site.close();
  }

  private String enqueue(String function) {
    byte[] call = new Call(function, List.of(), Map.of()).write();
    return site.client.enqueue("default", call, function, Duration.ofMinutes(3));
  }

  private String printed(String job, boolean follow) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    boolean _ =
        new LogReader(
                log, site.client, call -> files(call.function()), new PrintStream(out, true, UTF_8))
            .print(job, follow);
    return out.toString(UTF_8);
  }

  private List<Path> files(String function) {
    return function.equals("test.talk") ? List.of(folder.resolve("p1.err")) : List.of();
  }

  @Test
  void aRunningJobsOutputIsFollowedToItsEnd() throws Exception {
    String job = enqueue("test.talk");
    listener.await(Started.class, 1, told -> told.job().equals(job));
    assertThat(site.redis.ask("KEYS", "rq:wepp:log:*")).as("nobody asks yet").isEmpty();
    assertThat(printed(job, false)).isEqualTo("before\n");
    String key = site.redis.ask("KEYS", "rq:wepp:log:*");
    assertThat(Long.parseLong(site.redis.ask("TTL", key))).isBetween(1L, 60L);
    CompletableFuture<String> all = CompletableFuture.supplyAsync(() -> printed(job, true));
    site.redis.ask("XREAD", "BLOCK", "20000", "STREAMS", key, "$"); // it follows
    goOn.countDown();
    assertThat(all.get(60, TimeUnit.SECONDS))
        .isEqualTo("before\nafter\nJob " + job + " is finished.\n");
  }

  @Test
  void ofANativeJobThatHasEndedTheFilesArePrinted() throws Exception {
    Files.writeString(folder.resolve("p1.err"), "what WEPP said\n");
    goOn.countDown();
    String job = enqueue("test.talk");
    listener.awaitEnd(job);
    assertThat(printed(job, true)).endsWith("p1.err <==\nwhat WEPP said\n");
    assertThat(site.redis.ask("KEYS", "rq:wepp:log:*")).isEmpty();
  }

  @Test
  void saysWhereItIsOtherwise() throws Exception {
    assertThat(printed("nobody", false)).isEqualTo("There is no job nobody.\n");
    String noop = enqueue("cloud.wepp.noop");
    listener.awaitEnd(noop);
    assertThat(printed(noop, true)).contains("What it printed is in the log of its worker");
    assertThat(printed(enqueue("os.getpid"), false)).contains("is queued");
  }
}
