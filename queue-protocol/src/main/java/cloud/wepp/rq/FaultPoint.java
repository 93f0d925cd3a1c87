package cloud.wepp.rq;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A boundary at which a drill kills this process. Does nothing unless the system property {@code
 * rq-worker.fault-point} names the boundary, as {@code NAME:N} for the N-th time that it is
 * reached.
 */
public enum FaultPoint {
  TAKEN,
  SPAWNING,
  RUNNING,
  EXITED,
  SETTLING,
  SETTLED,
  LEAVING,
  BEATING,
  RECLAIMING,
  RECLAIMED,
  LEDGER_WRITTEN,
  LEDGER_COMMITTED;

  private static final @Nullable String ARMED = System.getProperty("rq-worker.fault-point");
  private static final AtomicInteger LEFT = new AtomicInteger(times());

  private static int times() {
    return ARMED == null ? 0 : Integer.parseInt(ARMED.substring(ARMED.indexOf(':') + 1));
  }

  /** Tells that the process is here now; in a drill it may end here, by SIGKILL. */
  public void reached() {
    if (ARMED != null && ARMED.startsWith(name() + ":") && LEFT.decrementAndGet() == 0) {
      killThisProcess();
    }
  }

  private static void killThisProcess() {
    try {
      new ProcessBuilder("kill", "-9", Long.toString(ProcessHandle.current().pid())).start();
    } catch (IOException e) {
      throw new IllegalStateException("the drill cannot kill this process", e);
    }
    while (true) {
      LockSupport.park();
    }
  }
}
