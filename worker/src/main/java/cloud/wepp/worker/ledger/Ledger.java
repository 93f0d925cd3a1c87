package cloud.wepp.worker.ledger;

import cloud.wepp.rq.Event;
import cloud.wepp.rq.EventStream;
import cloud.wepp.rq.FaultPoint;
import cloud.wepp.rq.QueueUnavailable;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Carries events from Redis to Postgres: one thread that reads a batch, writes it, and removes it
 * from the stream once it is committed. Many processes share the work. When either server is away
 * the events wait in Redis; no job waits for this.
 */
public final class Ledger implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Ledger.class);
  private static final int MOST = 2000;
  private static final int LEAST = 50;
  private static final long FIRST_RETRY_MS = 100;
  private static final long LAST_RETRY_MS = 5000;
  private static final Duration BETWEEN_TENDS = Duration.ofHours(6);
  private static final Duration UNTIL_NEXT_TRY = Duration.ofMinutes(1);

  private final EventStream stream;
  private final LedgerStore store;
  private final Timing timing;
  private final Listener listener;
  private final Thread thread = Thread.ofPlatform().daemon().name("ledger").unstarted(this::run);
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition closed = lock.newCondition();
  private boolean closing; // guarded by lock
  private long deadline; // of the drain, System.nanoTime; guarded by lock
  private List<Event> held = List.of(); // read and not done; own thread, as those below
  private int portion = MOST; // of what is held, written at once; less after a failure
  private boolean lingers; // the last batch was small, but there was one
  private long lookAgain; // for abandoned events, System.nanoTime
  private long tendAt; // the store's months, System.nanoTime
  private long retry; // ms of the last pause after a failure; 0 when all is well

  /**
   * How the ledger waits.
   *
   * @param linger how long events may gather after a small batch, so that the next is larger
   * @param abandoned after which another consumer's events are taken over
   * @param drain how long {@link #close} may go on writing
   */
  public record Timing(Duration linger, Duration abandoned, Duration drain) {
    /**
     * The usual one.
     *
     * @param abandoned as above
     */
    public static Timing usual(Duration abandoned) {
      return new Timing(Duration.ofMillis(150), abandoned, Duration.ofSeconds(3));
    }
  }

  /** Told by the ledger's thread: must not block. */
  public interface Listener {
    /** These events are in Postgres and no longer in Redis. */
    void kept(List<Event> events);

    /** Redis or Postgres does not answer. Told at every attempt. */
    void stalled(String why);
  }

  /** Uses the stream alone and closes it; the store is shared. */
  public Ledger(EventStream stream, LedgerStore store, Timing timing, Listener listener) {
    this.stream = stream;
    this.store = store;
    this.timing = timing;
    this.listener = listener;
  }

  public void start() {
    lookAgain = System.nanoTime();
    tendAt = lookAgain;
    thread.start();
  }

  private void run() {
    boolean more = true;
    while (more) {
      try {
        more = step();
        if (retry > 0) {
          LOG.info("The history is written again.");
          retry = 0;
        }
      } catch (QueueUnavailable | LedgerUnavailable e) {
        if (retry == 0) {
          LOG.warn(
              "The history is not written: {}. Events wait in Redis; trying again until it can be.",
              e.getMessage());
        }
        more = stall(e);
      } catch (RuntimeException e) { // the history outlives every bug
        LOG.error("The ledger met an unexpected error and tries again", e);
        more = stall(e);
      }
    }
  }

  /** Carries one batch. Returns whether there may be more to do. */
  private boolean step() {
    if (System.nanoTime() - tendAt >= 0 && !isClosing()) {
      tend();
    }
    if (held.isEmpty()) {
      held = next();
    }
    if (held.isEmpty()) {
      return !isClosing();
    }
    List<Event> part = held.subList(0, Math.min(portion, held.size()));
    write(part);
    FaultPoint.LEDGER_COMMITTED.reached();
    stream.done(part);
    held = held.subList(part.size(), held.size());
    listener.kept(part);
    return !isOver();
  }

  /** Events are more important: they are written even if this fails. */
  private void tend() {
    Duration wait = UNTIL_NEXT_TRY;
    try {
      wait = store.tend() ? Duration.ofSeconds(1) : BETWEEN_TENDS;
    } catch (LedgerUnavailable e) {
      LOG.info("The months of the history are not tended now: {}.", e.getMessage());
    }
    tendAt = System.nanoTime() + wait.toNanos();
  }

  /** The next portion is larger after a success, and smaller after a failure. */
  private void write(List<Event> part) {
    try {
      store.write(part);
      portion = Math.min(MOST, portion * 2);
    } catch (LedgerUnavailable e) { // it may have been too much for a slow server
      portion = Math.max(LEAST, portion / 2);
      throw e;
    }
  }

  private List<Event> next() {
    if (System.nanoTime() - lookAgain >= 0) {
      List<Event> abandoned = stream.abandoned(timing.abandoned(), MOST);
      if (!abandoned.isEmpty()) {
        return abandoned;
      }
      lookAgain = System.nanoTime() + timing.abandoned().toNanos() / 2;
    }
    if (lingers) {
      pause(timing.linger());
    }
    long untilLook = Math.max(1_000_000, lookAgain - System.nanoTime());
    List<Event> read = stream.read(MOST, isClosing() ? Duration.ZERO : Duration.ofNanos(untilLook));
    lingers = !read.isEmpty() && read.size() < MOST;
    return read;
  }

  private boolean stall(RuntimeException e) {
    listener.stalled(String.valueOf(e.getMessage()));
    retry = Math.min(LAST_RETRY_MS, Math.max(FIRST_RETRY_MS, retry * 2));
    pause(Duration.ofMillis(retry / 2 + ThreadLocalRandom.current().nextLong(retry)));
    return !isClosing();
  }

  /** Waits, but not beyond the call of {@link #close}. */
  private void pause(Duration time) {
    lock.lock();
    try {
      long left = time.toNanos();
      while (left > 0 && !closing) {
        left = closed.awaitNanos(left);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      closing = true;
      deadline = System.nanoTime();
    } finally {
      lock.unlock();
    }
  }

  private boolean isClosing() {
    lock.lock();
    try {
      return closing;
    } finally {
      lock.unlock();
    }
  }

  private boolean isOver() {
    lock.lock();
    try {
      return closing && System.nanoTime() - deadline >= 0;
    } finally {
      lock.unlock();
    }
  }

  /** Writes what is in the stream, as far as the drain time allows, and ends. */
  @Override
  public void close() {
    lock.lock();
    try {
      closing = true;
      deadline = System.nanoTime() + timing.drain().toNanos();
      closed.signalAll();
    } finally {
      lock.unlock();
    }
    try {
      awaitEnd();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (thread.isAlive()) {
      LOG.warn("The ledger is left in the middle of a batch; its events are written again later.");
      thread.interrupt();
    }
    stream.close();
  }

  private void awaitEnd() throws InterruptedException {
    while (thread.isAlive() && !isOver()) {
      try {
        stream.wake();
      } catch (QueueUnavailable e) {
        // then it does not wait there either
      }
      thread.join(Duration.ofNanos(TimeUnit.MILLISECONDS.toNanos(50)));
    }
  }
}
