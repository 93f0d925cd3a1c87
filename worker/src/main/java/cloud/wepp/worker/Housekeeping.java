package cloud.wepp.worker;

import cloud.wepp.rq.Janitor;
import cloud.wepp.rq.QueueUnavailable;
import cloud.wepp.rq.Scheduler;
import cloud.wepp.worker.config.WorkerConfig;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes over the jobs of workers that are gone; and rq's scheduler and maintenance, in every
 * worker: queues what is due, and clears away what others left. One platform thread.
 */
final class Housekeeping implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Housekeeping.class);

  private final Reclaim reclaim;
  private final Scheduler scheduler;
  private final Janitor janitor;
  private final List<String> queues;
  private final Duration patience;
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("housekeeping").factory());
  private boolean down; // timer thread
  private List<String> broken = List.of(); // what the scheduler found last; timer thread
  private long
      calmAt; // System.nanoTime() when all workers have had time to reach Redis; timer thread

  Housekeeping(
      Reclaim reclaim,
      Scheduler scheduler,
      Janitor janitor,
      List<String> queues,
      Duration patience) {
    this.reclaim = reclaim;
    this.scheduler = scheduler;
    this.janitor = janitor;
    this.queues = queues;
    this.patience = patience;
  }

  void start(WorkerConfig.Timing timing) {
    calmAt = System.nanoTime() + patience.toNanos();
    every(timing.reclaim(), Duration.ZERO, reclaim::look);
    every(timing.scheduler(), Duration.ZERO, this::schedule);
    every(timing.maintenance(), timing.maintenance(), this::clear);
  }

  private void every(Duration interval, Duration first, Runnable work) {
    var _ =
        timer.scheduleWithFixedDelay(
            () -> attempt(work), first.toNanos(), interval.toNanos(), TimeUnit.NANOSECONDS);
  }

  private void attempt(Runnable work) {
    try {
      work.run();
      if (down) {
        LOG.info("Housekeeping reaches Redis again.");
        down = false;
      }
    } catch (QueueUnavailable e) {
      calmAt = System.nanoTime() + patience.toNanos();
      reclaim.disturbed();
      if (!down) {
        LOG.warn("Housekeeping does not reach Redis: {}. It goes on afterwards.", e.getMessage());
        down = true;
      }
    } catch (RuntimeException e) { // a bug must not end the housekeeping
      LOG.error("Housekeeping met an unexpected error and goes on", e);
    }
  }

  private void schedule() {
    Scheduler.Run run = scheduler.run();
    if (!run.moved().isEmpty()) {
      LOG.debug("{} scheduled jobs were due: {}", run.moved().size(), run.moved());
    }
    if (!run.broken().isEmpty() && !run.broken().equals(broken)) {
      LOG.warn(
          "{} scheduled jobs are due and stay where they are, because their keys are not what rq"
              + " writes: {}",
          run.broken().size(),
          run.broken());
    }
    broken = run.broken();
  }

  private void clear() {
    boolean calm = System.nanoTime() - calmAt >= 0;
    janitor.admit(queues).forEach(Housekeeping::tell);
    for (String queue : queues) {
      janitor.clean(queue, calm).forEach(Housekeeping::tell);
    }
    janitor.cleanGroups();
  }

  private static void tell(Janitor.Done done) {
    String id = done.job();
    switch (done.deed()) {
      case FAILED -> LOG.warn("Job {} of queue {} failed: its worker is gone.", id, done.queue());
      case RETRIED ->
          LOG.warn("Job {} of queue {} is tried again: its worker is gone.", id, done.queue());
      case REQUEUED ->
          LOG.warn("Job {} was taken and not started; it is back in queue {}.", id, done.queue());
      case QUEUED, RATE_LIMITED ->
          LOG.info("Job {} was ready and not queued; it is in queue {} now.", id, done.queue());
      case BROKEN ->
          LOG.warn(
              "Job {} of queue {} is left: its keys are not what rq writes.", id, done.queue());
      case DROPPED, LEFT -> LOG.debug("An entry of job {} of queue {} is gone.", id, done.queue());
    }
  }

  /** Ends after the work in hand, and lets another scheduler take over. */
  @Override
  public void close() {
    timer.shutdown();
    try {
      if (!timer.awaitTermination(10, TimeUnit.SECONDS)) {
        LOG.warn("Housekeeping does not end; its locks expire by themselves.");
        return;
      }
      scheduler.release();
    } catch (QueueUnavailable e) {
      LOG.warn("{}; they expire by themselves.", e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    scheduler.close();
    janitor.close();
    reclaim.close();
  }
}
