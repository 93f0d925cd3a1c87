package cloud.wepp.worker.process;

import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;

/**
 * The processors that all jobs of this process share: a model runs only while it holds one, so that
 * slots times threads never use more. First come, first served.
 */
public final class CpuBudget {
  private final int processors;
  private final Semaphore free;
  private final @Nullable CpuBudget of;

  public CpuBudget(int processors) {
    this(processors, null);
  }

  private CpuBudget(int processors, @Nullable CpuBudget of) {
    this.processors = processors;
    this.of = of;
    free = new Semaphore(processors, true);
  }

  /** How many there are in all. */
  public int processors() {
    return processors;
  }

  /** Waits for a free processor; closing gives it back. */
  public Share acquire() throws InterruptedException {
    free.acquire();
    if (of == null) {
      return free::release;
    }
    Share share;
    try {
      share = of.acquire();
    } catch (InterruptedException e) {
      free.release();
      throw e;
    }
    return () -> {
      share.close();
      free.release();
    };
  }

  /** The same processors for one job, which holds so many of them at most. */
  public CpuBudget atMost(int most) {
    return new CpuBudget(Math.min(most, processors), this);
  }

  /** One processor, held until it is closed. */
  public interface Share extends AutoCloseable {
    @Override
    void close();
  }
}
