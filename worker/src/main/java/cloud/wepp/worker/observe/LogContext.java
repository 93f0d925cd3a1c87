package cloud.wepp.worker.observe;

import cloud.wepp.rq.Claim;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.MDC;

/** The job that a thread works for, in each line that it logs meanwhile. */
public final class LogContext implements AutoCloseable {
  private final @Nullable Map<String, String> before = MDC.getCopyOfContextMap();

  private LogContext() {}

  /**
   * Until it is closed, on this thread.
   *
   * @param function empty when it is not known, as {@code run}
   * @param run WEPPcloud's run id
   */
  public static LogContext of(Claim claim, String function, String run) {
    LogContext context = new LogContext();
    MDC.put("job", claim.job().id());
    MDC.put("queue", claim.queue());
    putKnown("function", function);
    putKnown("run", run);
    return context;
  }

  private static void putKnown(String name, String value) {
    if (!value.isEmpty()) {
      MDC.put(name, value);
    }
  }

  @Override
  public void close() {
    if (before == null) {
      MDC.clear();
    } else {
      MDC.setContextMap(before);
    }
  }
}
