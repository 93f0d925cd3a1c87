package cloud.wepp.rq;

import io.lettuce.core.RedisCommandExecutionException;
import java.util.List;

/** Redis cannot be reached, or does not answer. */
public final class QueueUnavailable extends RuntimeException {
  /** What a server says, also in the middle of a script's error, while it cannot write. */
  private static final List<String> PASSING =
      List.of("OOM ", "MISCONF ", "READONLY ", "NOREPLICAS ", "MASTERDOWN ", "LOADING ", "BUSY ");

  public QueueUnavailable(String message, Throwable cause) {
    super(message, cause);
  }

  /**
   * Whether Redis did answer, and would answer the same again: a script met data that it cannot
   * work with.
   */
  public boolean isLasting() {
    if (!(getCause() instanceof RedisCommandExecutionException refusal)) {
      return false;
    }
    String said = String.valueOf(refusal.getMessage());
    return (said.startsWith("ERR ") || said.startsWith("WRONGTYPE "))
        && PASSING.stream().noneMatch(said::contains);
  }
}
