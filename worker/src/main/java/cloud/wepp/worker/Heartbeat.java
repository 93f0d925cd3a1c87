package cloud.wepp.worker;

import cloud.wepp.rq.FaultPoint;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.JobQueue.Held;
import cloud.wepp.rq.QueueUnavailable;
import cloud.wepp.worker.job.JobListener;
import cloud.wepp.worker.job.StopReason;
import cloud.wepp.worker.process.Container;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells Redis, and the guard, that the running jobs are still held. One platform thread; touches no
 * disk.
 */
final class Heartbeat implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Heartbeat.class);

  private final JobQueue jobs;
  private final RunningJobs running;
  private final Registration registration;
  private final List<JobListener> listeners;
  private final Consumer<Set<String>> paused;
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("heartbeat").factory());
  private boolean down; // timer thread
  private long due; // System.nanoTime() of the next beat; timer thread
  private volatile long turned = System.nanoTime(); // when the last beat began
  private volatile long answered = System.nanoTime(); // when Redis had confirmed the last one

  /** What rq knows of this process's slots. */
  record Registration(List<String> workers, List<String> queues, JobQueue.WorkerInfo info) {}

  /**
   * @param paused told at every beat what is paused
   */
  Heartbeat(
      JobQueue jobs,
      RunningJobs running,
      Registration registration,
      List<JobListener> listeners,
      Consumer<Set<String>> paused) {
    this.jobs = jobs;
    this.running = running;
    this.registration = registration;
    this.listeners = listeners;
    this.paused = paused;
  }

  /** How long ago the last beat began, whatever came of it. */
  Duration sinceTurn() {
    return Duration.ofNanos(System.nanoTime() - turned);
  }

  /** How long ago Redis confirmed one. */
  Duration sinceAnswer() {
    return Duration.ofNanos(System.nanoTime() - answered);
  }

  void start(Duration every) {
    due = System.nanoTime() + every.toNanos();
    var _ =
        timer.scheduleAtFixedRate(
            () -> beat(every), every.toNanos(), every.toNanos(), TimeUnit.NANOSECONDS);
  }

  private void beat(Duration every) {
    Duration late = Duration.ofNanos(System.nanoTime() - due);
    due += every.toNanos();
    turned = System.nanoTime();
    try {
      List<RunningJob> held = List.copyOf(running.all());
      long sent = System.nanoTime();
      List<Held> found =
          jobs.heartbeat(
              held.stream().map(RunningJob::claim).toList(),
              Container.memory().map(Container.Memory::toString).orElse(""));
      FaultPoint.BEATING.reached();
      for (int i = 0; i < held.size(); i++) {
        judge(held.get(i), found.get(i), sent);
      }
      idle(held.stream().map(job -> job.claim().worker()).toList());
      paused.accept(jobs.paused());
      answered = System.nanoTime();
      if (down) {
        LOG.info("Heartbeats reach Redis again.");
        down = false;
      }
      listeners.forEach(listener -> listener.heartbeat(late));
    } catch (QueueUnavailable e) {
      if (!down) {
        LOG.warn(
            "Heartbeats do not reach Redis: {}. Jobs go on until their lease is over.",
            e.getMessage());
        down = true;
      }
    } catch (RuntimeException e) { // a bug must not end the heartbeats
      LOG.error("A heartbeat met an unexpected error", e);
    }
  }

  private void idle(List<String> busy) {
    List<String> all = registration.workers();
    List<String> forgotten =
        jobs.heartbeatIdle(
            all.stream().filter(worker -> !busy.contains(worker)).toList(),
            all,
            registration.queues());
    if (!forgotten.isEmpty()) {
      LOG.warn(
          "Redis has forgotten {} of this worker's slots; they are registered again.",
          forgotten.size());
      jobs.register(forgotten, registration.queues(), registration.info());
    }
  }

  private void judge(RunningJob job, Held found, long sent) {
    switch (found) {
      case HELD -> running.confirmed(job, sent);
      case CANCELED -> job.stop(StopReason.STOPPED);
      case LOST -> {
        if (running.lost(job)) {
          LOG.warn(
              "Job {} is no longer ours: its claim is gone. Ending its processes.",
              job.claim().job().id());
        }
      }
    }
  }

  /** Waits for a beat that is going on: what it writes must not follow the workers' end. */
  @Override
  public void close() {
    timer.shutdown();
    try {
      if (!timer.awaitTermination(2, TimeUnit.SECONDS)) {
        timer.shutdownNow(); // Redis does not answer
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
