package cloud.wepp.worker.wepp;

import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.job.JobContext;
import cloud.wepp.worker.job.StopReason;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Consumer;

/** The runtime's end of a handler under test: remembers what it is told. */
final class RecordingContext implements JobContext {
  final BlockingQueue<String> published = new LinkedBlockingQueue<>();
  final List<Usage> used = new CopyOnWriteArrayList<>();
  final List<Duration> pauses = new CopyOnWriteArrayList<>();

  /** What happens while the handler waits; it never really does. */
  Consumer<Duration> whilePausing = time -> {};

  @Override
  public String jobId() {
    return "job-1";
  }

  @Override
  public String claimId() {
    return "claim-of-" + System.identityHashCode(this);
  }

  @Override
  public InstantSource clock() {
    return InstantSource.system();
  }

  @Override
  public Optional<StopReason> stopReason() {
    return Optional.empty();
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
  public void pause(Duration time) {
    pauses.add(time);
    whilePausing.accept(time);
  }

  @Override
  public void publish(String channel, String text) {
    published.add(channel + " " + text);
  }

  @Override
  public Map<String, String> timestamp(String run, String task) {
    return Map.of();
  }

  @Override
  public void putMeta(Map<String, PyValue> entries) {}

  @Override
  public void account(Usage usage) {
    used.add(usage);
  }
}
