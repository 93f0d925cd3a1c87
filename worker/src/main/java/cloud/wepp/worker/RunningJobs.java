package cloud.wepp.worker;

import cloud.wepp.rq.Claim;
import cloud.wepp.rq.Commands;
import cloud.wepp.worker.job.StopReason;
import cloud.wepp.worker.process.ProcessRunner;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * The jobs of this process that run now, by the rq worker name of their slot: their timeouts, their
 * leases as the guard knows them, and rq's commands to them.
 */
final class RunningJobs implements Commands.Listener, AutoCloseable {
  /** The guard freezes this long before the lease ends, so that it is over in time. */
  private static final Duration MARGIN = Duration.ofSeconds(5);

  private final ConcurrentMap<String, RunningJob> byWorker = new ConcurrentHashMap<>();
  private final ProcessRunner processes;
  private final Duration safe;
  private final Runnable shutdown;
  private final Followers followers;
  private volatile boolean leaving; // every job is to end at once
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("timeouts").factory());

  /**
   * @param lease how long a claim holds after a heartbeat
   * @param shutdown what rq's {@code shutdown} command starts; must not block
   */
  RunningJobs(ProcessRunner processes, Duration lease, Runnable shutdown, Followers followers) {
    this.processes = processes;
    this.safe =
        lease.compareTo(MARGIN.multipliedBy(2)) > 0 ? lease.minus(MARGIN) : lease.dividedBy(2);
    this.shutdown = shutdown;
    this.followers = followers;
  }

  /**
   * To be called on the thread that runs the job.
   *
   * @param overtime how long after the job's timeout it is stopped
   * @param lasts whether a worker that has to leave waits for it
   */
  RunningJob start(Claim claim, Duration overtime, boolean lasts) {
    RunningJob job = new RunningJob(claim, lasts);
    byWorker.put(claim.worker(), job);
    if (leaving) {
      job.stop(StopReason.DRAINED);
    }
    confirmed(job, System.nanoTime());
    claim
        .job()
        .timeoutSeconds()
        .ifPresent(seconds ->
            job.timeout(
                timer.schedule(
                    () -> job.stop(StopReason.TIMEOUT),
                    seconds + overtime.toSeconds(),
                    TimeUnit.SECONDS)));
    return job;
  }

  void ended(RunningJob job) {
    job.end();
    byWorker.remove(job.claim().worker(), job);
    processes.leaseEnded(job.claim().id());
    followers.ended(job);
  }

  Collection<RunningJob> all() {
    return List.copyOf(byWorker.values());
  }

  /**
   * Ends the running jobs, because the worker has to leave.
   *
   * @param all also those for which it would wait, and those that only start now
   */
  void leave(boolean all) {
    leaving |= all;
    byWorker.values().stream()
        .filter(job -> all || !job.lasts())
        .forEach(job -> job.stop(StopReason.DRAINED));
  }

  /** Whether a job runs for which a worker that has to leave waits. */
  boolean lasts() {
    return byWorker.values().stream().anyMatch(RunningJob::lasts);
  }

  /**
   * The job's claim holds: its processes may run on.
   *
   * @param asked {@code System.nanoTime()} when Redis was asked; the lease may count from then on
   */
  void confirmed(RunningJob job, long asked) {
    Duration left = safe.minusNanos(System.nanoTime() - asked);
    whileRunning(job, () -> processes.leaseUntil(job.claim().id(), left));
  }

  /** Excludes {@link #ended}, after which the claim must not be spoken of. */
  private void whileRunning(RunningJob job, Runnable work) {
    byWorker.computeIfPresent(
        job.claim().worker(),
        (worker, present) -> {
          if (present == job) {
            work.run();
          }
          return present;
        });
  }

  /**
   * The job's claim is gone: its processes end, whatever this JVM does.
   *
   * @return false when the job has just ended, which also takes its claim away
   */
  boolean lost(RunningJob job) {
    boolean runs = job.stop(StopReason.CLAIM_LOST);
    if (runs) {
      whileRunning(job, () -> processes.leaseLost(job.claim().id()));
    }
    return runs;
  }

  @Override
  public void shutdown(String worker) {
    shutdown.run();
  }

  @Override
  public void killHorse(String worker) {
    RunningJob job = byWorker.get(worker);
    if (job != null) {
      job.stop(StopReason.KILLED);
    }
  }

  @Override
  public void stopJob(String worker, String jobId) {
    RunningJob job = byWorker.get(worker);
    if (job != null && job.claim().job().id().equals(jobId)) {
      job.stop(StopReason.STOPPED);
    }
  }

  @Override
  public void follow(String worker, String jobId, String token) {
    RunningJob job = byWorker.get(worker);
    if (job != null && job.claim().job().id().equals(jobId)) {
      followers.asked(job, token);
    }
  }

  @Override
  public void close() {
    timer.shutdownNow();
  }
}
