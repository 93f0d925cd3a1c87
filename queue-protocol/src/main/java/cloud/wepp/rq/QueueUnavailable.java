package cloud.wepp.rq;

/** Redis cannot be reached, or does not answer. */
public final class QueueUnavailable extends RuntimeException {
  public QueueUnavailable(String message, Throwable cause) {
    super(message, cause);
  }
}
