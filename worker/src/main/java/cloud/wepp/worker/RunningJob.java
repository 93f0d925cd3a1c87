package cloud.wepp.worker;

import cloud.wepp.rq.Claim;
import cloud.wepp.worker.job.StopReason;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A job on its slot's thread. Timeout, rq's commands, drain and a lost claim all end it through
 * {@link #stop}: the first reason wins, and the thread is interrupted.
 */
final class RunningJob {
  private final Claim claim;
  private final Thread thread;
  private @Nullable StopReason reason; // guarded by this
  private boolean ended; // guarded by this

  /** To be made on the thread that runs the job. */
  RunningJob(Claim claim) {
    this.claim = claim;
    this.thread = Thread.currentThread();
  }

  Claim claim() {
    return claim;
  }

  /** Tells the job to stop; without effect when it was told before or has ended. */
  synchronized void stop(StopReason why) {
    if (reason == null && !ended) {
      reason = why;
      thread.interrupt();
    }
  }

  /** No interrupt comes after this; one that came is cleared. */
  synchronized Optional<StopReason> end() {
    ended = true;
    boolean _ = Thread.interrupted();
    return Optional.ofNullable(reason);
  }
}
