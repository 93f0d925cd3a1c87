package cloud.wepp.worker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.stream.Collectors.toMap;
import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.MalformedJob;
import cloud.wepp.rq.ResultCodec;
import cloud.wepp.rq.Settlement;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.InvalidConfig;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobOutcome;
import cloud.wepp.worker.process.ProcessRunner;
import cloud.wepp.worker.process.ProcessSpec;
import cloud.wepp.worker.process.SpawnFailed;
import cloud.wepp.worker.testing.PostgresServer;
import cloud.wepp.worker.testing.RecordingListener;
import cloud.wepp.worker.testing.Site;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The whole worker between a real Redis and a real Postgres. */
class WorkerIT {
  private static final String NOOP = "cloud.wepp.noop";
  private static final JobHandler ENDLESS =
      (call, context) -> {
        context.pause(Duration.ofHours(1));
        return new JobOutcome.Succeeded(PyValue.None.NONE);
      };

  private static RedisServer redis;
  private static PostgresServer postgres;
  private static Site site;
  private static JobQueue client;

  private final RecordingListener listener = new RecordingListener();
  private final List<AutoCloseable> open = new ArrayList<>();

  @BeforeAll
  static void servers() {
    site = Site.start();
    redis = site.redis;
    postgres = site.postgres;
    client = site.client;
  }

  @AfterAll
  static void stopServers() {
    site.close();
  }

  @BeforeEach
  void empty() {
    redis.ask("FLUSHALL");
  }

  @AfterEach
  void closeAll() throws Exception {
    for (AutoCloseable one : open.reversed()) {
      one.close();
    }
  }

  private Worker worker(Map<String, JobHandler> functions, String... sets) throws InvalidConfig {
    List<String> all =
        new ArrayList<>(
            List.of(
                "redis.url=" + redis.url(),
                "postgres.url=" + postgres.url(),
                "python.enabled=false",
                "routing.native-queues=default"));
    all.addAll(List.of(sets));
    WorkerConfig config = ConfigReader.read(null, Map.of(), all).config();
    Worker worker = Worker.start(config, functions, List.of(listener), InstantSource.system());
    open.add(worker);
    return worker;
  }

  private static String enqueue(String function, PyValue... args) {
    return enqueueTo("default", function, args);
  }

  private static String enqueueTo(String queue, String function, PyValue... args) {
    Call call = new Call(function, List.of(args), Map.of());
    return client.enqueue(queue, call.write(), function + "()", Duration.ofMinutes(3));
  }

  private static String field(String job, String field) {
    return redis.ask("HGET", "rq:job:" + job, field);
  }

  @Test
  void runsAJobFromQueueToHistory() throws Exception {
    worker(Map.of());
    String job = enqueue(NOOP);
    assertThat(listener.awaitEnd(job)).isInstanceOf(Settlement.Finish.class);
    assertThat(listener.awaitRecorded(job, "finished").text("function")).isEqualTo(NOOP);
    assertThat(field(job, "status")).isEqualTo("finished");
    assertThat(redis.ask("ZCARD", "rq:finished:default")).isEqualTo("1");
    assertThat(redis.ask("ZCARD", "rq:wip:default")).isEqualTo("0");
    assertThat(redis.ask("ZCARD", "rq:wepp:leases")).isEqualTo("0");
  }

  @Test
  void metaKeepsWhatOthersWriteWhileTheJobRuns() throws Exception {
    JobHandler twice =
        (call, context) -> {
          context.putMeta(Map.of("ours", PyValue.of(1)));
          redis.ask("HSET", "rq:job:" + context.jobId(), "meta", "{\"ours\": 1, \"theirs\": 2}");
          context.putMeta(Map.of("ours", PyValue.of(3)));
          return new JobOutcome.Succeeded(PyValue.None.NONE);
        };
    byte[] json = "[\"test.twice\", null, [], {}]".getBytes(UTF_8);
    worker(Map.of("test.twice", twice));
    String job = client.enqueue("default", json, "", Duration.ofMinutes(3));
    listener.awaitEnd(job);
    assertThat(field(job, "meta").replace(" ", "")).isEqualTo("{\"ours\":3,\"theirs\":2}");
  }

  @Test
  void theHistoryHasThatAModelDidNothing() throws Exception {
    JobHandler stalls =
        (call, context) -> {
          context.stalled("wepp watershed", "process 7 has done nothing for 600 s");
          return new JobOutcome.Failed("Exception: stalled", "stalled");
        };
    worker(Map.of("test.stalls", stalls));
    String job = enqueue("test.stalls");
    assertThat(listener.awaitRecorded(job, "stalled").text("stalled"))
        .isEqualTo("wepp watershed: process 7 has done nothing for 600 s");
    assertThat(listener.awaitRecorded(job, "failed").text("detail")).contains("\"stalled\"");
  }

  @Test
  void leavesAForeignFunctionInPlaceAndTakesWhatIsBehindIt() throws Exception {
    String before = enqueue(NOOP);
    String foreign = enqueue("os.getpid");
    String behind = enqueue(NOOP);
    worker(Map.of());
    listener.awaitEnd(before);
    listener.awaitEnd(behind);
    assertThat(listener.await(RecordingListener.Foreign.class, 1, told -> true))
        .containsExactly(new RecordingListener.Foreign("default", 1));
    assertThat(redis.ask("LRANGE", "rq:queue:default", "0", "-1")).isEqualTo(foreign);
    assertThat(field(foreign, "status")).isEqualTo("queued");
    String later = enqueue(NOOP);
    assertThat(listener.awaitEnd(later)).isInstanceOf(Settlement.Finish.class);
  }

  @Test
  void waitsAtAForeignHeadWithFewCommandsAndNoPeek() throws Exception {
    enqueue("os.getpid");
    worker(Map.of(), "timing.heartbeat=3s");
    listener.await(RecordingListener.Foreign.class, 1, told -> true);
    assertFewCommandsAndNoPeek("at a foreign head", 1);
  }

  /** Some for others, some paused, some whose slots are in use. */
  @Test
  void waitsAtHeadsThatMayNotStartWithFewCommandsAndNoPeek() throws Exception {
    CountDownLatch end = new CountDownLatch(1);
    JobHandler held =
        (call, context) -> {
          end.await();
          return new JobOutcome.Succeeded(PyValue.None.NONE);
        };
    redis.ask("SADD", "rq:wepp:paused", "queue paused", "function test.paused");
    List<String> queues = List.of("foreign", "paused", "function-paused", "full", "function-full");
    List<String> running =
        List.of(enqueueTo("full", "test.held"), enqueueTo("function-full", "test.one"));
    worker(
        Map.of("test.held", held, "test.one", held, "test.paused", held),
        "timing.heartbeat=2s",
        "worker.name=idler",
        "worker.queues=" + String.join(",", queues),
        "routing.native-queues=" + String.join(",", queues),
        "routing.queue-slots=full:1",
        "routing.function-slots=test.one:1");
    for (String job : running) {
      listener.await(RecordingListener.Started.class, 1, told -> told.job().equals(job));
    }
    List<String> waiting =
        List.of(
            enqueueTo("foreign", "os.getpid"),
            enqueueTo("paused", NOOP),
            enqueueTo("function-paused", "test.paused"),
            enqueueTo("full", "test.held"),
            enqueueTo("function-full", "test.one"));

    assertFewCommandsAndNoPeek("at heads that may not start", queues.size());
    redis.ask("SET", "rq:suspended", "1");
    assertFewCommandsAndNoPeek("while suspended", queues.size());
    redis.ask("SADD", "rq:wepp:paused", "worker idler");
    redis.ask("DEL", "rq:suspended");
    assertFewCommandsAndNoPeek("while the worker is paused", queues.size());
    assertThat(waiting).allSatisfy(job -> assertThat(field(job, "status")).isEqualTo("queued"));
    redis.ask("DEL", "rq:wepp:paused");
    end.countDown();
    for (String job : waiting.subList(1, waiting.size())) {
      assertThat(listener.awaitEnd(job)).isInstanceOf(Settlement.Finish.class);
    }
  }

  /**
   * After two heartbeats, until the third one from then: 20 a second for a queue, all that is done
   * for it taken together, and hardly more than one look.
   */
  private void assertFewCommandsAndNoPeek(String when, int queues) throws InterruptedException {
    awaitBeats(2);
    long start = System.nanoTime();
    Map<String, Long> before = calls();
    awaitBeats(3);
    Map<String, Long> made = new TreeMap<>(calls());
    long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - start) + 1;
    made.replaceAll((command, calls) -> calls - before.getOrDefault(command, 0L));
    made.values().removeIf(calls -> calls == 0);
    String what = "in %d seconds %s, in %d queues: %s".formatted(seconds, when, queues, made);
    assertThat(made.values().stream().mapToLong(calls -> calls).sum())
        .as("commands %s", what)
        .isLessThanOrEqualTo(seconds * queues * 20);
    assertThat(made.getOrDefault("lindex", 0L) / 2)
        .as("looks %s", what)
        .isLessThanOrEqualTo(seconds * (queues + 1));
    assertThat(made).as(when).doesNotContainKey("blmove");
  }

  /** How often each command was called, also by scripts. */
  private static Map<String, Long> calls() {
    return redis
        .ask("INFO", "commandstats")
        .lines()
        .filter(line -> line.startsWith("cmdstat_"))
        .collect(
            toMap(
                line -> line.substring("cmdstat_".length(), line.indexOf(':')),
                line -> Long.parseLong(line.replaceAll(".*:calls=(\\d+),.*", "$1").strip())));
  }

  @Test
  void aCallThatNobodyCanReadFailsAndLaterJobsRun() throws Exception {
    redis.ask("HSET", "rq:job:bad", "data", "no pickle", "origin", "default", "status", "queued");
    redis.ask("RPUSH", "rq:queue:default", "bad");
    String good = enqueue(NOOP);
    worker(Map.of());
    assertThat(traceback(listener.awaitEnd("bad")))
        .contains("rq.exceptions.DeserializationError: job bad: its call cannot be read");
    assertThat(listener.awaitEnd(good)).isInstanceOf(Settlement.Finish.class);
  }

  private static String traceback(Settlement settlement) throws MalformedJob {
    return ResultCodec.traceback(((Settlement.Fail) settlement).excString());
  }

  @Test
  void aBugInAHandlerFailsItsJobOnly() throws Exception {
    JobHandler buggy =
        (call, context) -> {
          throw new IllegalStateException("a bug");
        };
    worker(Map.of("test.buggy", buggy), "worker.slots=1");
    assertThat(traceback(listener.awaitEnd(enqueue("test.buggy")))).contains("a bug");
    assertThat(listener.awaitEnd(enqueue(NOOP))).isInstanceOf(Settlement.Finish.class);
  }

  @Test
  void goesOnWithoutPostgresAndRecordsAfterwards() throws Exception {
    worker(Map.of());
    listener.awaitRecorded(enqueue(NOOP), "finished");
    postgres.stop();
    String job = enqueue(NOOP);
    try {
      assertThat(listener.awaitEnd(job)).isInstanceOf(Settlement.Finish.class);
      assertThat(field(job, "status")).isEqualTo("finished");
    } finally {
      postgres.resume();
    }
    listener.awaitRecorded(job, "finished");
  }

  /** TERM lets the job run on, also after a drain; a second one ends it. */
  @Test
  void theSecondSignalEndsWhatRuns() throws Exception {
    Worker worker = worker(Map.of("test.endless", ENDLESS), "timing.heartbeat=100ms");
    String job = enqueue("test.endless");
    listener.await(RecordingListener.Started.class, 1, told -> told.job().equals(job));
    assertThat(client.shutdown(redis.ask("HGET", "rq:job:" + job, "worker_name"))).hasSize(1);
    worker.awaitDrain();
    worker.leave();
    int beats = (int) listener.count(RecordingListener.Beat.class);
    listener.await(RecordingListener.Beat.class, beats + 3, told -> true);
    assertThat(field(job, "status")).isEqualTo("started");
    worker.leave();
    assertThat(listener.awaitEnd(job))
        .isEqualTo(new Settlement.Recorded(new Settlement.GiveBack()));
    assertThat(field(job, "status")).isEqualTo("queued");
  }

  @Test
  void givesARunningJobBackWhenItMustLeave() throws Exception {
    Worker worker = worker(Map.of("test.endless", ENDLESS), "timing.drain=0s");
    String job = enqueue("test.endless");
    listener.await(RecordingListener.Started.class, 1, told -> told.job().equals(job));
    worker.close();
    open.remove(worker);
    assertThat(listener.awaitEnd(job))
        .isEqualTo(new Settlement.Recorded(new Settlement.GiveBack()));
    assertThat(redis.ask("LRANGE", "rq:queue:default", "0", "-1")).isEqualTo(job);
    assertThat(field(job, "status")).isEqualTo("queued");
    assertThat(redis.ask("SCARD", "rq:workers")).isEqualTo("0");
  }

  @Test
  void registersAgainWhenRedisHasForgottenIt() throws Exception {
    worker(Map.of(), "timing.heartbeat=200ms", "worker.slots=1");
    String worker = redis.ask("SMEMBERS", "rq:workers");
    redis.ask("FLUSHALL");
    int seen = (int) listener.count(RecordingListener.Beat.class);
    listener.await(RecordingListener.Beat.class, seen + 2, told -> true);
    assertThat(redis.ask("SMEMBERS", "rq:workers")).isEqualTo(worker);
    assertThat(redis.ask("HEXISTS", worker, "birth")).isEqualTo("1");
    assertThat(listener.awaitEnd(enqueue(NOOP))).isInstanceOf(Settlement.Finish.class);
  }

  private static void delete(String pattern) {
    redis.ask(
        "EVAL",
        "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end return 0",
        "0",
        pattern);
  }

  private void awaitBeats(int more) throws InterruptedException {
    int seen = (int) listener.count(RecordingListener.Beat.class);
    listener.await(RecordingListener.Beat.class, seen + more, told -> true);
  }

  @Test
  void heartbeatsRestoreDeletedSetsOfWorkersUnderLoad() throws Exception {
    worker(Map.of(), "timing.heartbeat=100ms", "worker.slots=2");
    List<String> sets = List.of("rq:workers", "rq:workers:default");
    List<String> jobs = new ArrayList<>();
    for (int round = 0; round < 5; round++) {
      for (int i = 0; i < 200; i++) {
        jobs.add(enqueue(NOOP));
      }
      delete("rq:workers*");
      awaitBeats(2);
      assertThat(sets).allMatch(set -> redis.ask("SCARD", set).equals("2"));
    }
    for (String job : jobs) {
      assertThat(listener.awaitEnd(job)).isInstanceOf(Settlement.Finish.class);
    }
    assertThat(listener.count(RecordingListener.Ended.class)).isEqualTo(jobs.size());
    assertThat(redis.ask("ZCARD", "rq:finished:default")).isEqualTo("1000");
    assertThat(redis.ask("ZCARD", "rq:wip:default")).isEqualTo("0");
  }

  @Test
  void aBusyWorkerWhoseKeysAreAllDeletedIsKnownAgain() throws Exception {
    worker(
        Map.of("test.endless", ENDLESS),
        "timing.heartbeat=100ms",
        "timing.drain=0s",
        "worker.slots=1");
    String job = enqueue("test.endless");
    listener.await(RecordingListener.Started.class, 1, told -> told.job().equals(job));
    String worker = redis.ask("SMEMBERS", "rq:workers");
    List<String> keys = keys("rq:worker*");
    assertThat(keys)
        .as("nothing but rq's own keys has such names")
        .containsExactlyInAnyOrder(
            "rq:workers", "rq:workers:default", worker, worker + ":executions");
    delete("rq:worker*");
    awaitBeats(3);
    assertThat(keys("rq:worker*")).containsExactlyInAnyOrderElementsOf(keys);
    assertThat(redis.ask("HMGET", worker, "state", "current_job")).isEqualTo("busy\n" + job);
    assertThat(redis.ask("SMEMBERS", worker + ":executions")).startsWith(job + ":");
    assertThat(listener.count(RecordingListener.Ended.class)).isZero();
  }

  private static List<String> keys(String pattern) {
    return redis.ask("KEYS", pattern).lines().toList();
  }

  /** Design: slots are platform threads, because a hung open pins whatever carries it. */
  @Test
  void noHeartbeatIsLateWhileAllSlotsHang(@TempDir Path folder) throws Exception {
    int slots = 4 * Runtime.getRuntime().availableProcessors();
    ProcessRunner processes = ProcessRunner.start();
    open.add(processes);
    Path fifo = folder.resolve("hung");
    assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor()).isZero();
    JobHandler hungOpen =
        (call, context) -> {
          try (InputStream in = Files.newInputStream(fifo)) {
            return new JobOutcome.Succeeded(PyValue.of(in.read()));
          } catch (IOException e) {
            return new JobOutcome.Failed(e.toString());
          }
        };
    JobHandler longRun =
        (call, context) -> {
          try {
            processes.run(
                new ProcessSpec(
                    List.of("/bin/sleep", "1000"),
                    folder,
                    null,
                    folder.resolve(context.jobId()),
                    Map.of(ProcessRunner.CLAIM_VARIABLE, context.claimId()),
                    null,
                    Duration.ofSeconds(1)));
            return new JobOutcome.Succeeded(PyValue.None.NONE);
          } catch (SpawnFailed e) {
            return new JobOutcome.Failed(e.toString());
          }
        };
    worker(
        Map.of("test.hung_open", hungOpen, "test.long_run", longRun),
        "worker.slots=" + slots,
        "timing.heartbeat=1s",
        "timing.drain=0s");
    for (int i = 0; i < slots / 2; i++) {
      enqueue("test.hung_open");
      enqueue("test.long_run");
    }
    listener.await(RecordingListener.Started.class, slots, told -> true);
    int seen = (int) listener.count(RecordingListener.Beat.class);
    List<RecordingListener.Beat> beats =
        listener.await(RecordingListener.Beat.class, seen + 6, told -> true);
    assertThat(beats.subList(seen, seen + 6))
        .allMatch(beat -> beat.late().compareTo(Duration.ofSeconds(1)) < 0);
    long now = Long.parseLong(redis.ask("TIME").lines().findFirst().orElseThrow()) * 1000;
    assertThat(redis.ask("ZCOUNT", "rq:wepp:leases", Long.toString(now + 15_000), "+inf"))
        .as("leases that hold for 15 s more")
        .isEqualTo(Integer.toString(slots));
    try (OutputStream writer = Files.newOutputStream(fifo)) { // lets the hung opens go
      writer.write(new byte[slots]);
    }
  }
}
