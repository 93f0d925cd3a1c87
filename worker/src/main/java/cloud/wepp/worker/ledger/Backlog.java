package cloud.wepp.worker.ledger;

import cloud.wepp.rq.EventBacklog;
import cloud.wepp.rq.EventBacklog.Full;
import cloud.wepp.rq.QueueUnavailable;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Watches how many events wait for Postgres: tells the listener, warns before the bound, and has it
 * held. A thread of its own, which goes on while Postgres hangs.
 */
public final class Backlog implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Backlog.class);
  private static final long WARN_PERCENT = 80;
  private static final long CALM_PERCENT = 70;

  private final EventBacklog events;
  private final Listener listener;
  private final ScheduledExecutorService thread =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("backlog").factory());
  private boolean warned; // own thread, as the next
  private boolean full;

  /** Told by the backlog's thread: must not block. */
  public interface Listener {
    /** So many events wait for Postgres, the first of them for so long. */
    void waiting(long events, Duration oldest);
  }

  /** Uses the events alone and closes them. */
  public Backlog(EventBacklog events, Listener listener) {
    this.events = events;
    this.listener = listener;
  }

  public void start(Duration every) {
    var _ = thread.scheduleWithFixedDelay(this::look, 0, every.toMillis(), TimeUnit.MILLISECONDS);
  }

  private void look() {
    try {
      EventBacklog.Look look = events.look();
      warn(look);
      listener.waiting(look.events(), look.oldest());
    } catch (QueueUnavailable e) {
      LOG.debug("{}; looking again later", e.getMessage());
    } catch (RuntimeException e) { // the next look may go better
      LOG.error("The look at the waiting events met an unexpected error", e);
    }
  }

  private void warn(EventBacklog.Look look) {
    long most = events.bound().most();
    if (look.dropped() > 0) {
      LOG.warn(
          "Postgres has not taken events for {} s, and {} (ledger.max-events) wait: the oldest {}"
              + " were dropped. The history lacks them.",
          look.oldest().toSeconds(),
          most,
          look.dropped());
    }
    if (events.bound().full() == Full.STOP && look.events() >= most && !full) {
      full = true;
      warned = true;
      LOG.warn(
          "{} events wait for Postgres, the first for {} s: no new job is taken until fewer than {}"
              + " (ledger.max-events) wait.",
          look.events(),
          look.oldest().toSeconds(),
          most);
    } else if (look.events() * 100 >= most * WARN_PERCENT && !warned) {
      warned = true;
      LOG.warn(
          "{} events wait for Postgres, the first for {} s. At {} (ledger.max-events) {}.",
          look.events(),
          look.oldest().toSeconds(),
          most,
          events.bound().full() == Full.STOP ? "no new job is taken" : "the oldest are dropped");
    }
    full &= look.events() >= most;
    warned &= look.events() * 100 >= most * CALM_PERCENT;
  }

  @Override
  public void close() {
    thread.shutdownNow();
    events.close();
  }
}
