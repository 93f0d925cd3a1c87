package cloud.wepp.worker;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.Claim;
import cloud.wepp.rq.Ended;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.Settlement;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.InvalidConfig;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobOutcome;
import cloud.wepp.worker.testing.PostgresServer;
import cloud.wepp.worker.testing.RecordingListener;
import cloud.wepp.worker.testing.Site;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Which of the waiting jobs start, and in which order, between a real Redis and a real Postgres.
 */
class IntakeIT {
  private static final String NOOP = "cloud.wepp.noop";
  private static final String HELD = "test.held";
  private static final String OF_A_RUN = "wepppy.rq.test.of_a_run";

  private static RedisServer redis;
  private static PostgresServer postgres;
  private static Site site;
  private static JobQueue client;

  private final RecordingListener listener = new RecordingListener();
  private final CountDownLatch gate = new CountDownLatch(1);
  private final JobHandler held =
      (call, context) -> {
        gate.await();
        return new JobOutcome.Succeeded(PyValue.None.NONE);
      };
  private @Nullable Worker worker;

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
  void stop() {
    gate.countDown();
    if (worker != null) {
      worker.close();
    }
  }

  private Worker work(Intake.Stop stop, String... sets) throws InvalidConfig {
    List<String> all =
        new ArrayList<>(
            List.of(
                "redis.url=" + redis.url(),
                "postgres.url=" + postgres.url(),
                "python.enabled=false",
                "worker.queues=default,other",
                "routing.native-queues=default,other",
                "timing.heartbeat=100ms",
                "worker.slots=1"));
    all.addAll(List.of(sets));
    WorkerConfig config = ConfigReader.read(null, Map.of(), all).config();
    Worker started =
        new Worker(
            config,
            stop,
            Map.of(HELD, held, OF_A_RUN, held),
            List.of(listener),
            InstantSource.system());
    started.start();
    worker = started;
    return started;
  }

  private static String enqueue(String queue, String function) {
    byte[] call = new Call(function, List.of(), Map.of()).write();
    return client.enqueue(queue, call, function + "()", Duration.ofMinutes(3));
  }

  private List<String> started(int count) throws InterruptedException {
    return listener.await(RecordingListener.Started.class, count, told -> true).stream()
        .map(RecordingListener.Started::job)
        .toList();
  }

  private void awaitBeats(int more) throws InterruptedException {
    int seen = (int) listener.count(RecordingListener.Beat.class);
    listener.await(RecordingListener.Beat.class, seen + more, told -> true);
  }

  @Test
  void takesTheFirstQueueFirst() throws Exception {
    String fourth = enqueue("other", NOOP);
    String first = enqueue("default", NOOP);
    String second = enqueue("default", NOOP);
    String third = enqueue("default", NOOP);
    work(Intake.Stop.NEVER);
    List<String> started = started(4);
    assertThat(started).containsExactlyInAnyOrder(first, second, third, fourth);
    assertThat(started.stream().filter(job -> !job.equals(fourth)))
        .containsExactly(first, second, third);
  }

  @Test
  void takesEachQueueInTurn() throws Exception {
    List<String> others = new ArrayList<>();
    enqueue("default", HELD);
    enqueue("other", HELD);
    for (int i = 0; i < 100; i++) {
      enqueue("default", NOOP);
      others.add(enqueue("other", NOOP));
    }
    work(Intake.Stop.NEVER, "routing.strategy=round_robin", "worker.slots=2");
    started(2); // one of each queue, so both have been read
    gate.countDown();
    assertThat(started(100).stream().filter(others::contains).count()).isBetween(25L, 75L);
  }

  @Test
  void aLimitedFunctionLeavesSlotsToOthers() throws Exception {
    String running = enqueue("default", HELD);
    String waits = enqueue("default", HELD);
    String behind = enqueue("default", NOOP);
    work(Intake.Stop.NEVER, "worker.slots=3", "routing.function-slots=test.*:1");
    listener.awaitEnd(behind);
    assertThat(started(2)).containsExactlyInAnyOrder(running, behind);
    assertThat(redis.ask("LRANGE", "rq:queue:default", "0", "-1")).isEqualTo(waits);
    gate.countDown();
    listener.awaitEnd(running);
    listener.awaitEnd(waits);
  }

  @Test
  void aLimitedQueueLeavesSlotsToOthers() throws Exception {
    String running = enqueue("default", HELD);
    String waits = enqueue("default", NOOP);
    String beside = enqueue("other", NOOP);
    work(Intake.Stop.NEVER, "worker.slots=3", "routing.queue-slots=default:1");
    listener.awaitEnd(beside);
    assertThat(started(2)).containsExactlyInAnyOrder(running, beside);
    gate.countDown();
    listener.awaitEnd(waits);
  }

  @Test
  void aPausedQueueIsLeftAloneUntilItGoesOn() throws Exception {
    client.pause("queue default", true);
    String waits = enqueue("default", NOOP);
    String beside = enqueue("other", NOOP);
    work(Intake.Stop.NEVER);
    listener.awaitEnd(beside);
    awaitBeats(2);
    assertThat(redis.ask("LRANGE", "rq:queue:default", "0", "-1")).isEqualTo(waits);
    assertThat(redis.ask("INFO", "commandstats")).doesNotContain("cmdstat_blmove:calls=2");
    client.pause("queue default", false);
    listener.awaitEnd(waits);
  }

  @Test
  void aPausedFunctionIsLeftAloneAndLaterJobsRun() throws Exception {
    client.pause("function test.*", true);
    gate.countDown();
    String waits = enqueue("default", HELD);
    String behind = enqueue("default", NOOP);
    work(Intake.Stop.NEVER);
    listener.awaitEnd(behind);
    assertThat(redis.ask("LRANGE", "rq:queue:default", "0", "-1")).isEqualTo(waits);
    client.pause("function test.*", false);
    listener.awaitEnd(waits);
  }

  @Test
  void aPausedWorkerTakesNothing() throws Exception {
    client.pause("worker pod", true);
    String waits = enqueue("default", NOOP);
    work(Intake.Stop.NEVER, "worker.name=pod");
    awaitBeats(3);
    assertThat(redis.ask("LRANGE", "rq:queue:default", "0", "-1")).isEqualTo(waits);
    client.pause("worker pod", false);
    listener.awaitEnd(waits);
  }

  @Test
  void aBurstRunsAllThatWaitsAndLeaves() throws Exception {
    List<String> jobs = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      jobs.add(enqueue(i % 2 == 0 ? "default" : "other", NOOP));
    }
    String foreign = enqueue("default", "os.getpid");
    work(new Intake.Stop(true, Long.MAX_VALUE), "worker.slots=2").awaitDrain();
    assertThat(started(20)).containsExactlyInAnyOrderElementsOf(jobs);
    assertThat(redis.ask("LRANGE", "rq:queue:default", "0", "-1")).isEqualTo(foreign);
  }

  @Test
  void leavesAfterSoManyJobs() throws Exception {
    for (int i = 0; i < 9; i++) {
      enqueue("default", NOOP);
    }
    work(new Intake.Stop(false, 5), "worker.slots=3").awaitDrain();
    assertThat(listener.count(RecordingListener.Started.class)).isEqualTo(5);
    assertThat(redis.ask("LLEN", "rq:queue:default")).isEqualTo("4");
  }

  /** A function of WEPPcloud's that this worker has as its own. */
  private static String enqueueFor(String run) {
    byte[] call = new Call(OF_A_RUN, List.of(PyValue.of(run)), Map.of()).write();
    return client.enqueue("default", call, OF_A_RUN, Duration.ofMinutes(3));
  }

  @Test
  void twoJobsOfOneRunFollowEachOtherInOneWorker() throws Exception {
    String running = enqueueFor("run 1");
    String waits = enqueueFor("run 1");
    String beside = enqueueFor("run 2");
    work(Intake.Stop.NEVER, "worker.slots=3");
    assertThat(started(2)).containsExactlyInAnyOrder(running, beside);
    awaitBeats(3);
    assertThat(redis.ask("LRANGE", "rq:queue:default", "0", "-1")).isEqualTo(waits);
    gate.countDown();
    listener.awaitEnd(waits);
    assertThat(redis.ask("EXISTS", "rq:wepp:runs")).isEqualTo("0");
  }

  @Test
  void twoJobsOfOneRunFollowEachOtherInTwoWorkers() throws Exception {
    String running = enqueueFor("run 1");
    JobQueue.Request other = client.request("default", "elsewhere", List.of(running), "run 1");
    Claim claim = client.take(other).orElseThrow();
    String waits = enqueueFor("run 1");
    String beside = enqueueFor("run 2");
    gate.countDown();
    work(Intake.Stop.NEVER);
    listener.awaitEnd(beside);
    awaitBeats(12); // longer than until the run is asked for again
    assertThat(redis.ask("LRANGE", "rq:queue:default", "0", "-1")).isEqualTo(waits);
    int asked = evals();
    awaitBeats(12);
    assertThat(evals() - asked)
        .as("scripts in 1.2 s, a heartbeat among them 12 times")
        .isLessThan(60);
    client.settle(
        claim,
        new Settlement.Finish("", Duration.ofMinutes(5)),
        new Ended(InstantSource.system().instant(), OF_A_RUN, "run 1", "{}"));
    listener.awaitEnd(waits);
    assertThat(redis.ask("EXISTS", "rq:wepp:runs")).isEqualTo("0");
  }

  private static int evals() {
    return redis
        .ask("INFO", "commandstats")
        .lines()
        .filter(line -> line.startsWith("cmdstat_evalsha:"))
        .mapToInt(line -> Integer.parseInt(line.replaceAll(".*?calls=(\\d+),.*", "$1")))
        .sum();
  }
}
