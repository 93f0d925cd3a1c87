package cloud.wepp.worker;

import cloud.wepp.rq.QueueUnavailable;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks Redis again until it answers. A script whose answer was lost may have run: its effect must
 * be known before anything else is done about the job. Only for what may be asked twice.
 */
final class UntilKnown {
  private static final Logger LOG = LoggerFactory.getLogger(UntilKnown.class);
  private static final Duration FIRST_BACKOFF = Duration.ofMillis(100);
  private static final Duration LONGEST_BACKOFF = Duration.ofSeconds(5);

  private UntilKnown() {}

  /**
   * Returns the first answer, also on a thread that is told to stop meanwhile.
   *
   * @param what begins the sentence of the log
   * @throws QueueUnavailable if Redis would refuse it for ever
   */
  static <T> T ask(String what, Supplier<T> question) {
    Duration backoff = Duration.ZERO;
    while (true) {
      try {
        return question.get();
      } catch (QueueUnavailable e) {
        if (e.isLasting()) {
          throw e;
        }
        if (backoff.isZero()) {
          LOG.warn("{}: {}. Asking again until it is known.", what, e.getMessage());
          backoff = FIRST_BACKOFF;
        }
        LockSupport.parkNanos(
            backoff.toNanos() / 2 + ThreadLocalRandom.current().nextLong(backoff.toNanos()));
        backoff =
            backoff.compareTo(LONGEST_BACKOFF) < 0 ? backoff.multipliedBy(2) : LONGEST_BACKOFF;
      }
    }
  }
}
