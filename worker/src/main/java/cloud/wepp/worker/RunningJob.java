package cloud.wepp.worker;

import cloud.wepp.rq.Claim;
import cloud.wepp.worker.job.StopReason;
import java.util.Optional;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/**
 * A job on its slot's thread. Timeout, rq's commands, drain and a lost claim all end it through
 * {@link #stop}: the first reason wins, and the thread is interrupted.
 */
final class RunningJob {
  private final Claim claim;
  private final boolean lasts;
  private final Thread thread;
  private final OutputTail output = new OutputTail();
  private volatile boolean followed;
  private @Nullable Future<?> timeout; // these three are guarded by this
  private @Nullable StopReason reason;
  private boolean ended;

  /** To be made on the thread that runs the job. */
  RunningJob(Claim claim, boolean lasts) {
    this.claim = claim;
    this.lasts = lasts;
    this.thread = Thread.currentThread();
  }

  Claim claim() {
    return claim;
  }

  /** What it has printed. */
  OutputTail output() {
    return output;
  }

  /** Somebody wants to see what it prints. */
  void followed() {
    followed = true;
  }

  boolean isFollowed() {
    return followed;
  }

  /** Whether a worker that has to leave waits for the job's end. */
  boolean lasts() {
    return lasts;
  }

  /** What stops the job in time, to be canceled when it ends by itself. */
  synchronized void timeout(Future<?> scheduled) {
    timeout = scheduled;
  }

  /**
   * Tells the job to stop; the first reason stays.
   *
   * @return false when it has ended already
   */
  synchronized boolean stop(StopReason why) {
    if (reason == null && !ended) {
      reason = why;
      thread.interrupt();
    }
    return !ended;
  }

  /** Why the job was told to stop. */
  synchronized Optional<StopReason> reason() {
    return Optional.ofNullable(reason);
  }

  /** No interrupt comes after this; one that came is cleared. */
  synchronized void end() {
    ended = true;
    if (timeout != null) {
      timeout.cancel(false);
    }
    boolean _ = Thread.interrupted();
  }
}
