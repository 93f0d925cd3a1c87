package cloud.wepp.worker.process;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The processors that all jobs of this process share: a model runs only while it holds one, so that
 * slots times threads never use more. First come, first served. Some folders take only so many
 * models at once.
 */
public final class CpuBudget {
  private final int processors;
  private final Semaphore free;
  private final Semaphore lent; // what may still be taken by those who do not wait
  private final Map<Path, Semaphore> mounts;
  private final @Nullable CpuBudget of;

  public CpuBudget(int processors) {
    this(processors, Map.of());
  }

  /**
   * @param mounts how many models may write below a folder at once
   */
  public CpuBudget(int processors, Map<Path, Integer> mounts) {
    this(processors, mounts, null);
  }

  private CpuBudget(int processors, Map<Path, Integer> mounts, @Nullable CpuBudget of) {
    this.processors = processors;
    this.of = of;
    free = new Semaphore(processors, true);
    lent = new Semaphore(processors - 1);
    this.mounts =
        mounts.entrySet().stream()
            .collect(
                Collectors.toUnmodifiableMap(
                    Map.Entry::getKey, mount -> new Semaphore(mount.getValue(), true)));
  }

  /** How many there are in all. */
  public int processors() {
    return processors;
  }

  /** The same processors for one job, which holds so many of them at most. */
  public CpuBudget atMost(int most) {
    return new CpuBudget(Math.min(most, processors), Map.of(), this);
  }

  /** Waits for a free processor, for a model that writes below this folder. */
  public Share acquire(Path folder) throws InterruptedException {
    List<Semaphore> taken = new ArrayList<>();
    try {
      for (Semaphore place : places(folder)) {
        place.acquire();
        taken.add(place);
      }
    } catch (InterruptedException e) {
      taken.forEach(Semaphore::release);
      throw e;
    }
    return new Share(1, () -> taken.forEach(Semaphore::release));
  }

  /** All that such a model needs, in the order in which everybody takes it. */
  private List<Semaphore> places(Path folder) {
    List<Semaphore> places = new ArrayList<>();
    if (of != null) {
      places.add(free);
      places.addAll(of.places(folder));
      return places;
    }
    mounts.forEach((mount, place) -> {
      if (folder.startsWith(mount)) {
        places.add(place);
      }
    });
    places.add(free);
    return places;
  }

  /**
   * Takes so many processors as are free, for a job that runs in any case. One is never taken so:
   * the job may wait for a model, which must find one.
   */
  public Share tryAcquire(int wanted) {
    int got = 0;
    while (got < wanted && lent.tryAcquire()) {
      if (!free.tryAcquire()) {
        lent.release();
        break;
      }
      got++;
    }
    int all = got;
    return new Share(
        all,
        () -> {
          free.release(all);
          lent.release(all);
        });
  }

  /** Processors that are held until it is closed. */
  public record Share(int processors, Runnable release) implements AutoCloseable {
    @Override
    public void close() {
      release.run();
    }
  }
}
