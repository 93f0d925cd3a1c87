package cloud.wepp.worker.process;

import java.util.concurrent.Semaphore;

/**
 * The processors that all jobs of this process share: a model runs only while it holds one, so that
 * slots times threads never use more. First come, first served.
 */
public final class CpuBudget {
  private final int processors;
  private final Semaphore free;

  public CpuBudget(int processors) {
    this.processors = processors;
    free = new Semaphore(processors, true);
  }

  /** How many there are in all. */
  public int processors() {
    return processors;
  }

  /** Waits for a free processor; closing gives it back. */
  public Share acquire() throws InterruptedException {
    free.acquire();
    return free::release;
  }

  /** One processor, held until it is closed. */
  public interface Share extends AutoCloseable {
    @Override
    void close();
  }
}
