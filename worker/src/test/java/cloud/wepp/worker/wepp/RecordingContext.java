package cloud.wepp.worker.wepp;

import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.job.JobContext;
import cloud.wepp.worker.job.StopReason;
import cloud.wepp.worker.process.ActivityWatch;
import cloud.wepp.worker.process.Limits;
import cloud.wepp.worker.process.ProcessEnd;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;

/** A job that remembers what is done with it. Its pauses are over at once. */
class RecordingContext implements JobContext {
  final BlockingQueue<Said> said = new LinkedBlockingQueue<>();
  final List<Used> used = new CopyOnWriteArrayList<>();
  final List<String> doubts = new CopyOnWriteArrayList<>();
  final List<Duration> pauses = new CopyOnWriteArrayList<>();
  private final String claim = UUID.randomUUID().toString();
  private final Pause pause;
  Limits limits = Limits.NONE;
  volatile Instant now = Instant.EPOCH;
  volatile Duration step = Duration.ZERO; // by which each look at the clock moves it on
  final BlockingQueue<String> stalls = new LinkedBlockingQueue<>();

  /** Nobody asks whether a model does anything. */
  static final ActivityWatch.Rules UNWATCHED =
      new ActivityWatch.Rules(Duration.ZERO, false, Duration.ofSeconds(30), Duration.ofDays(1), 0);

  /** Models that are checked, write into their run folders, and are tried once. */
  static WeppFunctions.Models models(Path scratch) {
    return new WeppFunctions.Models(
        Duration.ZERO,
        Duration.ZERO,
        0,
        "warn",
        110,
        "off",
        true,
        scratch,
        "0",
        "off",
        Duration.ofSeconds(5),
        UNWATCHED);
  }

  /** What happens in a pause. */
  @FunctionalInterface
  interface Pause {
    void pass() throws Exception;
  }

  /** One line on a channel. */
  record Said(String channel, String text) {}

  /** One process that has ended. */
  record Used(String name, ProcessEnd end) {
    int exit() {
      return end.exit();
    }
  }

  RecordingContext() {
    this(() -> {});
  }

  RecordingContext(Pause pause) {
    this.pause = pause;
  }

  @Override
  public String jobId() {
    return "job-of-" + claim;
  }

  @Override
  public String claimId() {
    return claim;
  }

  @Override
  public String executionId() {
    return "execution-of-" + claim;
  }

  @Override
  public String worker() {
    return "a-slot";
  }

  @Override
  public InstantSource clock() {
    return () -> {
      now = now.plus(step);
      return now;
    };
  }

  @Override
  public Optional<StopReason> stopReason() {
    return Optional.empty();
  }

  @Override
  public boolean mayBeginAgain() {
    return true;
  }

  @Override
  public OptionalLong timeoutSeconds() {
    return OptionalLong.empty();
  }

  @Override
  public String queue() {
    return "default";
  }

  @Override
  public String description() {
    return "a test";
  }

  @Override
  public void pause(Duration time) throws InterruptedException {
    pauses.add(time);
    try {
      pause.pass();
    } catch (InterruptedException e) {
      throw e;
    } catch (Exception e) {
      throw new AssertionError("the pause of a test failed", e);
    }
  }

  @Override
  public void publish(String channel, String text) {
    said.add(new Said(channel, text));
  }

  @Override
  public Map<String, String> timestamp(String run, String task) {
    return Map.of();
  }

  @Override
  public boolean putMeta(Map<String, PyValue> entries) {
    return true;
  }

  @Override
  public void printed(String line) {}

  @Override
  public void doubt(String text) {
    doubts.add(text);
  }

  @Override
  public void stalled(String name, String what) {
    stalls.add(name + ": " + what);
  }

  @Override
  public void account(String name, ProcessEnd end) {
    used.add(new Used(name, end));
  }

  @Override
  public Limits limits() {
    return limits;
  }
}
