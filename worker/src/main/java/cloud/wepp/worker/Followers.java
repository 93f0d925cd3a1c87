package cloud.wepp.worker;

import cloud.wepp.rq.JobLog;
import cloud.wepp.rq.JobLog.Item;
import cloud.wepp.rq.QueueUnavailable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells those who follow a running job ({@code rq-worker logs}) what it prints. Has no thread and
 * no connection until somebody asks, so that nobody else's job pays for it.
 */
final class Followers implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Followers.class);
  private static final Duration TICK = Duration.ofMillis(500);

  /** Who still follows asks again before this is over. */
  private static final Duration ATTENTION = Duration.ofSeconds(30);

  private final Supplier<JobLog> open;
  private final Map<RunningJob, Followed> followed = new HashMap<>(); // own thread, as log
  private @Nullable JobLog log;
  private final ScheduledExecutorService thread =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("followers").factory());

  private static final class Followed {
    private long told; // lines
    private long until; // System.nanoTime()
  }

  /**
   * @param open a log of its own, which it closes
   */
  Followers(Supplier<JobLog> open) {
    this.open = open;
  }

  /** Somebody wants to see what a job prints. Does not block. */
  void asked(RunningJob job, String token) {
    job.followed();
    submit(() -> {
      if (log == null) {
        log = open.get();
        var _ =
            thread.scheduleWithFixedDelay(
                () -> attempt(this::tick), TICK.toMillis(), TICK.toMillis(), TimeUnit.MILLISECONDS);
      }
      Followed one = followed.computeIfAbsent(job, any -> new Followed());
      one.until = System.nanoTime() + ATTENTION.toNanos();
      tell(job, one, new Item.Answered(token));
    });
  }

  /** A job has ended, and nothing more is printed. Does not block. */
  void ended(RunningJob job) {
    if (job.isFollowed()) {
      submit(() -> {
        Followed one = followed.remove(job);
        if (one != null) {
          tell(job, one, new Item.End());
        }
      });
    }
  }

  private void submit(Runnable work) {
    try {
      thread.execute(() -> attempt(work));
    } catch (RejectedExecutionException e) {
      LOG.debug("The worker has ended; nobody is told any more");
    }
  }

  private static void attempt(Runnable work) {
    try {
      work.run();
    } catch (QueueUnavailable e) {
      LOG.debug("{}; who follows asks again", e.getMessage());
    } catch (RuntimeException e) { // the next one may go better
      LOG.error("Telling what a job prints met an unexpected error", e);
    }
  }

  private void tick() {
    long now = System.nanoTime();
    followed.values().removeIf(one -> one.until - now < 0);
    followed.forEach((job, one) -> tell(job, one, null));
  }

  private void tell(RunningJob job, Followed one, @Nullable Item last) {
    List<Item> items = new ArrayList<>();
    OutputTail.Part part = job.output().after(one.told);
    part.lines().forEach(line -> items.add(new Item.Line(line)));
    if (last != null) {
      items.add(last);
    }
    if (!items.isEmpty() && log != null) {
      log.tell(job.claim().id(), items);
      one.told = part.seen();
    }
  }

  /** Tells what is left to tell. */
  @Override
  public void close() {
    thread.shutdown();
    try {
      if (!thread.awaitTermination(2, TimeUnit.SECONDS)) {
        thread.shutdownNow(); // Redis does not answer
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (log != null) {
      log.close();
    }
  }
}
