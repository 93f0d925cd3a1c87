package cloud.wepp.worker.ledger;

/** Postgres cannot be reached, or does not do what it is asked. The message is one line. */
public final class LedgerUnavailable extends RuntimeException {
  LedgerUnavailable(String message, Throwable cause) {
    super(message, cause);
  }
}
