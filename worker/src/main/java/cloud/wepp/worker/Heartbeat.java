package cloud.wepp.worker;

import cloud.wepp.rq.Claim;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.QueueUnavailable;
import cloud.wepp.worker.job.StopReason;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells Redis, and the guard, that the running jobs are still held. One platform thread; touches no
 * disk.
 */
final class Heartbeat implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Heartbeat.class);

  /** Told until when a claim is safe to run. */
  interface Leases {
    void confirmed(String claim);

    void lost(String claim);
  }

  private final JobQueue jobs;
  private final RunningJobs running;
  private final List<String> workers;
  private final Leases leases;
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("heartbeat").factory());
  private boolean down; // timer thread

  Heartbeat(JobQueue jobs, RunningJobs running, List<String> workers, Leases leases) {
    this.jobs = jobs;
    this.running = running;
    this.workers = workers;
    this.leases = leases;
  }

  void start(Duration every) {
    var _ =
        timer.scheduleAtFixedRate(
            this::beat, every.toMillis(), every.toMillis(), TimeUnit.MILLISECONDS);
  }

  private void beat() {
    try {
      Set<String> busy =
          running.all().stream().map(job -> job.claim().worker()).collect(Collectors.toSet());
      for (RunningJob job : running.all()) {
        beat(job);
      }
      jobs.heartbeatIdle(workers.stream().filter(worker -> !busy.contains(worker)).toList());
      if (down) {
        LOG.info("Heartbeats reach Redis again.");
        down = false;
      }
    } catch (QueueUnavailable e) {
      if (!down) {
        LOG.warn(
            "Heartbeats do not reach Redis: {}. Running jobs go on until their lease is over.",
            e.getMessage());
        down = true;
      }
    }
  }

  private void beat(RunningJob job) {
    Claim claim = job.claim();
    switch (jobs.heartbeat(claim)) {
      case HELD -> leases.confirmed(claim.id());
      case CANCELED -> job.stop(StopReason.STOPPED);
      case LOST -> {
        LOG.warn(
            "Job {} is no longer ours: its claim is gone. Ending its processes.", claim.job().id());
        leases.lost(claim.id());
        job.stop(StopReason.CLAIM_LOST);
      }
    }
  }

  @Override
  public void close() {
    timer.shutdownNow();
  }
}
