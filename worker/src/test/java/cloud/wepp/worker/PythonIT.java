package cloud.wepp.worker;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.Event;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.JobQueue.Settled;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.InvalidConfig;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.python.PythonUnavailable;
import cloud.wepp.worker.testing.PostgresServer;
import cloud.wepp.worker.testing.PythonWithRq;
import cloud.wepp.worker.testing.RecordingListener;
import cloud.wepp.worker.testing.Site;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Python jobs as the worker sees them: its processes, their lives and deaths. */
class PythonIT {
  private static RedisServer redis;
  private static PostgresServer postgres;
  private static Site site;
  private static JobQueue client;
  private static String python;

  private final RecordingListener listener = new RecordingListener();
  private final List<AutoCloseable> open = new ArrayList<>();

  @BeforeAll
  static void servers() throws Exception {
    python = PythonWithRq.interpreter("1.16.2");
    site = Site.start();
    redis = site.redis;
    postgres = site.postgres;
    client = site.client;
  }

  @AfterAll
  static void stopServers() {
    if (site != null) {
      site.close();
    }
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

  private List<String> settings(String... sets) {
    List<String> all =
        new ArrayList<>(
            List.of(
                "redis.url=" + redis.url(),
                "postgres.url=" + postgres.url(),
                "python.command=" + python,
                "python.directory=" + Path.of("target/test-classes/python").toAbsolutePath(),
                "worker.slots=1",
                "timing.heartbeat=200ms",
                "timing.grace=1s"));
    all.addAll(List.of(sets));
    return all;
  }

  private Worker worker(String... sets) throws InvalidConfig {
    return worker(InstantSource.system(), sets);
  }

  private Worker worker(InstantSource clock, String... sets) throws InvalidConfig {
    WorkerConfig config = ConfigReader.read(null, Map.of(), settings(sets)).config();
    Worker worker = Worker.start(config, Map.of(), List.of(listener), clock);
    open.add(worker);
    return worker;
  }

  private static String enqueue(String function) {
    Call call = new Call(function, List.of(), Map.of());
    return client.enqueue("default", call.write(), function + "()", Duration.ofSeconds(-1));
  }

  /** The processes of a job: work horse, supervisor, fork server. */
  private record Where(int horse, int supervisor, int server) {
    static Where of(String text) {
      int[] pids = Arrays.stream(text.split(" ", -1)).mapToInt(Integer::parseInt).toArray();
      return new Where(pids[0], pids[1], pids[2]);
    }
  }

  private static Where began() {
    String told = "";
    for (int tries = 0; told.isEmpty() && tries < 8; tries++) { // a new JVM takes its time
      told = redis.ask("BLPOP", "began", "8");
    }
    return Where.of(told.lines().toList().get(1));
  }

  private static void letGo() {
    redis.ask("RPUSH", "gate", "go");
  }

  /** Runs a job and says where. */
  private Where ran() throws Exception {
    String job = enqueue("sample.where");
    listener.awaitEnd(job);
    assertThat(status(job)).isEqualTo("finished");
    String entry = redis.ask("XREVRANGE", "rq:results:" + job, "+", "-", "COUNT", "1");
    List<String> fields = entry.lines().toList();
    byte[] value = Base64.getDecoder().decode(fields.get(fields.indexOf("return_value") + 1));
    return Where.of(new String(value, ISO_8859_1).replaceAll("(?s).*?(\\d+ \\d+ \\d+).*", "$1"));
  }

  private static String status(String job) {
    return redis.ask("HGET", "rq:job:" + job, "status");
  }

  private static void kill(int pid) {
    ProcessHandle.of(pid).orElseThrow().destroyForcibly();
  }

  private static void awaitEnd(int pid) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (isAlive(pid)) {
      assertThat(System.nanoTime()).as("process %d has ended", pid).isLessThan(deadline);
      Thread.onSpinWait();
    }
  }

  /** An orphan that has ended may wait for its new parent to take leave of it. */
  private static boolean isAlive(int pid) {
    try {
      String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
      return "ZX".indexOf(stat.charAt(stat.lastIndexOf(')') + 2)) < 0;
    } catch (IOException e) {
      return false;
    }
  }

  /** Whether it is a child of {@code sample.with_strays}. */
  private static boolean sleeps(ProcessHandle process) {
    List<String> arguments = process.info().arguments().map(List::of).orElse(List.of());
    return arguments.equals(List.of("1000")) || arguments.equals(List.of("1001"));
  }

  private static List<Integer> sleepers() {
    return ProcessHandle.allProcesses()
        .filter(PythonIT::sleeps)
        .map(process -> (int) process.pid())
        .filter(PythonIT::isAlive)
        .toList();
  }

  @Test
  void recordsWhatPythonWrote() throws Exception {
    worker();
    String job = enqueue("sample.where");
    assertThat(listener.awaitRecorded(job, "finished").text("detail"))
        .contains("\"cause\":\"succeeded\"", "\"exit\":0", "\"peak_rss\":", "\"user_s\":");
    assertThat(redis.ask("ZCARD", "rq:wepp:leases")).isEqualTo("0");
    assertThat(redis.ask("HEXISTS", "rq:job:" + job, "claim")).isEqualTo("0");
    assertThat(redis.ask("EXISTS", "rq:executions:" + job)).isEqualTo("0");
  }

  @Test
  void onlyTheSupervisorServesALaterJobAgain() throws Exception {
    worker();
    Where first = ran();
    Where second = ran();
    assertThat(second.supervisor()).isEqualTo(first.supervisor());
    assertThat(second.horse()).isNotEqualTo(first.horse());
  }

  @Test
  void replacesASpentSupervisor() throws Exception {
    worker("python.jobs-per-supervisor=2");
    List<Where> places = List.of(ran(), ran(), ran());
    assertThat(places.get(1).supervisor()).isEqualTo(places.get(0).supervisor());
    assertThat(places.get(2).supervisor()).isNotEqualTo(places.get(0).supervisor());
    assertThat(places.get(2).server()).isEqualTo(places.get(0).server());
    awaitEnd(places.getFirst().supervisor());
  }

  @Test
  void replacesASpentForkServerAndDropsNoJob() throws Exception {
    worker("python.jobs-per-server=1", "worker.slots=2");
    String running = enqueue("sample.held");
    Where first = began();
    Where second = ran();
    assertThat(second.server()).isNotEqualTo(first.server());
    assertThat(isAlive(first.server())).as("the first server waits for its supervisor").isTrue();
    letGo();
    listener.awaitEnd(running);
    assertThat(status(running)).isEqualTo("finished");
  }

  @Test
  void replacesTheForkServerWhenASourceHasChanged(@TempDir Path folder) throws Exception {
    Path source = folder.resolve("changing.py");
    Files.writeString(source, "def version():\n    raise ValueError('first')\n");
    worker("python.directory=" + folder, "python.preload=changing", "python.reload=true");
    assertThat(errorOf(enqueue("changing.version"))).isEqualTo("ValueError: first");
    Files.writeString(source, "def version():\n    raise ValueError('second one')\n");
    assertThat(errorOf(enqueue("changing.version"))).isEqualTo("ValueError: second one");
  }

  @Test
  void keepsNothingThatWasImportedWhereSourcesChange() throws Exception {
    worker("python.reload=true");
    assertThat(ran().supervisor()).isNotEqualTo(ran().supervisor());
  }

  private String errorOf(String job) throws Exception {
    String detail = listener.awaitRecorded(job, "failed").text("detail");
    return detail.replaceAll(".*\"error\":\"([^\"]*)\".*", "$1");
  }

  @Test
  void aJobWhoseForkServerDiesFailsWithTheReasonAndTheNextRuns() throws Exception {
    worker();
    String job = enqueue("sample.held");
    Where where = began();
    kill(where.server());
    assertThat(listener.awaitRecorded(job, "failed").text("detail"))
        .contains("Work-horse terminated unexpectedly");
    assertThat(status(job)).isEqualTo("failed");
    assertThat(isAlive(where.horse())).isFalse();
    assertThat(ran().server()).isNotEqualTo(where.server());
  }

  @Test
  void aJobWhoseClaimIsLostIsKilledAndNothingIsWritten() throws Exception {
    worker();
    String job = enqueue("sample.with_strays");
    Where where = began();
    redis.ask("HSET", "rq:job:" + job, "claim", "of another");
    assertThat(listener.awaitSettled(job)).isEqualTo(Settled.LOST);
    assertThat(isAlive(where.horse())).isFalse();
    assertThat(sleepers()).isEmpty();
    assertThat(status(job)).isEqualTo("started");
    assertThat(redis.ask("HGET", "rq:job:" + job, "claim")).isEqualTo("of another");
  }

  @Test
  void nothingOfAnEndedJobIsLeft() throws Exception {
    worker();
    String job = enqueue("sample.with_strays");
    began();
    letGo();
    listener.awaitEnd(job);
    assertThat(status(job)).isEqualTo("finished");
    assertThat(sleepers()).isEmpty();
  }

  @Test
  void aCanceledJobIsStoppedAndStaysCanceled() throws Exception {
    worker();
    String job = enqueue("sample.held");
    Where where = began();
    redis.ask("HSET", "rq:job:" + job, "status", "canceled");
    redis.ask("ZADD", "rq:canceled:default", "0", job);
    listener.awaitRecorded(job, "canceled");
    assertThat(isAlive(where.horse())).isFalse();
    assertThat(status(job)).isEqualTo("canceled");
    assertThat(redis.ask("ZSCORE", "rq:failed:default", job)).isEmpty();
  }

  @Test
  void noPythonProcessOutlivesTheWorker() throws Exception {
    List<String> arguments = new ArrayList<>(List.of("run"));
    settings().forEach(set -> arguments.addAll(List.of("--set", set)));
    Process program =
        ProgramIT.program(arguments.toArray(String[]::new))
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    Where where;
    try {
      enqueue("sample.with_strays");
      where = began();
    } finally {
      program.destroyForcibly();
    }
    awaitEnd(where.horse());
    awaitEnd(where.supervisor());
    awaitEnd(where.server());
    sleepers().forEach(PythonIT::awaitEnd);
  }

  /** rq would have to be told of no timeout; a worker that is alive keeps the job, however long. */
  @Test
  void aJobOfTwelveHoursIsKept() throws Exception {
    AtomicReference<Duration> later = new AtomicReference<>(Duration.ZERO);
    worker(() -> Instant.ofEpochMilli(System.currentTimeMillis()).plus(later.get()));
    String job = enqueue("sample.held");
    began();
    for (int hour = 1; hour <= 12; hour++) {
      later.set(Duration.ofHours(hour));
      int seen = (int) listener.count(RecordingListener.Beat.class);
      listener.await(RecordingListener.Beat.class, seen + 2, told -> true);
      assertThat(redis.ask("ZCARD", "rq:wepp:leases")).isEqualTo("1");
    }
    assertThat(status(job)).isEqualTo("started");
    letGo();
    listener.awaitEnd(job);
    assertThat(status(job)).isEqualTo("finished");
  }

  @Test
  void saysWhichSettingIsWrongWhenPythonDoesNotStart() {
    assertThatThrownBy(() -> worker("python.preload=no_such_module"))
        .isInstanceOf(PythonUnavailable.class)
        .hasMessageContaining("No module named 'no_such_module'");
    assertThatThrownBy(() -> worker("python.command=/no/such/python"))
        .isInstanceOf(PythonUnavailable.class)
        .hasMessageContaining("/no/such/python");
  }

  @Test
  void aJobThatHoldsTooMuchMemoryFailsWithTheFigures() throws Exception {
    worker("limits.memory=sample.hungry:100");
    String job = enqueue("sample.hungry");
    listener.awaitEnd(job);
    assertThat(status(job)).isEqualTo("failed");
    Event end = listener.awaitRecorded(job, "failed");
    assertThat(end.text("detail"))
        .contains("\"cause\":\"memory\"", "\"python\",\"memory\",-9")
        .containsPattern("it held \\d+ MB of memory; its limit is 105 MB");
  }

  @Test
  void aJobKnowsHowManyProcessorsItHolds() throws Exception {
    worker("worker.cpu=4", "limits.python-cpu=sample.cpus:2");
    String job = enqueue("sample.cpus");
    listener.awaitEnd(job);
    String entry = redis.ask("XREVRANGE", "rq:results:" + job, "+", "-", "COUNT", "1");
    List<String> fields = entry.lines().toList();
    byte[] value = Base64.getDecoder().decode(fields.get(fields.indexOf("return_value") + 1));
    assertThat(new String(value, ISO_8859_1)).containsPattern("\\b2\\b");
  }
}
