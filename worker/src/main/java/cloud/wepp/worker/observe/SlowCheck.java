package cloud.wepp.worker.observe;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A check that takes time, and for ever where a file system does not answer: it is looked at every
 * so often on a thread of its own, and whoever asks is told at once what was found last.
 */
public final class SlowCheck implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(SlowCheck.class);

  private final String name;
  private final Pace pace;
  private final Supplier<Probes.Found> look;
  private final InstantSource clock;
  private final Thread thread;
  private final CountDownLatch closing = new CountDownLatch(1);
  private final AtomicBoolean hangs = new AtomicBoolean(); // and that was told
  private volatile @Nullable Instant asked; // when the current look began
  private volatile Probes.@Nullable Found found;

  /**
   * How often it is looked at.
   *
   * @param every between two looks
   * @param longest how long a look may take until it counts as no answer
   */
  public record Pace(Duration every, Duration longest) {}

  /**
   * @param name in the answer of a probe, and of what is looked at
   */
  public SlowCheck(String name, Pace pace, Supplier<Probes.Found> look, InstantSource clock) {
    this.name = name;
    this.pace = pace;
    this.look = look;
    this.clock = clock;
    thread = Thread.ofPlatform().daemon().name("check-" + name).unstarted(this::run);
  }

  public void start() {
    thread.start();
  }

  /** What a probe asks. */
  public Probes.Check check() {
    return new Probes.Check(name, this::found);
  }

  private void run() {
    try {
      do {
        asked = clock.instant();
        Probes.Found now = look();
        asked = null;
        tell(now);
      } while (!closing.await(pace.every().toNanos(), TimeUnit.NANOSECONDS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private Probes.Found look() {
    try {
      return look.get();
    } catch (RuntimeException e) {
      LOG.error("The check {} met an unexpected error", name, e);
      return new Probes.Found(false, e.toString());
    }
  }

  private void tell(Probes.Found now) {
    Probes.Found before = found;
    found = now;
    boolean hung = hangs.getAndSet(false);
    boolean wasBad = hung || (before != null && !before.well());
    if (!now.well() && (hung || !wasBad)) {
      LOG.warn("This worker is not ready: {}.", now.text());
    } else if (now.well() && wasBad) {
      LOG.info("{} is well again: {}.", name, now.text());
    }
  }

  Probes.Found found() {
    Duration unanswered = unanswered();
    if (unanswered.compareTo(pace.longest()) > 0) {
      Probes.Found late =
          new Probes.Found(
              false, "%s has not answered for %d s".formatted(name, unanswered.toSeconds()));
      if (hangs.compareAndSet(false, true)) {
        LOG.warn("This worker is not ready: {}.", late.text());
      }
      return late;
    }
    Probes.Found last = found;
    return last == null ? new Probes.Found(false, name + " has not answered yet") : last;
  }

  /** How long the current look has lasted; zero when there is none. */
  Duration unanswered() {
    Instant since = asked;
    return since == null ? Duration.ZERO : Duration.between(since, clock.instant());
  }

  /** A look that does not end is left alone. */
  @Override
  public void close() {
    closing.countDown();
  }
}
