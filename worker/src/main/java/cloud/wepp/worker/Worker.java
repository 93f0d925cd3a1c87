package cloud.wepp.worker;

import cloud.wepp.rq.Commands;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.WeppcloudRedis;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobListener;
import cloud.wepp.worker.job.StopReason;
import cloud.wepp.worker.process.ProcessRunner;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The object graph, from top to bottom, and the order in which it starts and stops. */
public final class Worker implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Worker.class);

  private final WorkerConfig config;
  private final List<String> workers;
  private final JobQueue jobs;
  private final WeppcloudRedis weppcloud;
  private final RunningJobs running;
  private final Heartbeat heartbeat;
  private final Intake intake;
  private final Commands commands;
  private final ScheduledExecutorService timer;
  private final List<Thread> slots = new ArrayList<>();
  private final CountDownLatch drain = new CountDownLatch(1);

  /**
   * @param boot a short id of this start, so that no name is ever used twice
   * @param functions what this worker can run, by dotted name
   * @throws cloud.wepp.rq.QueueUnavailable if Redis cannot be reached
   */
  public Worker(
      WorkerConfig config,
      String boot,
      RedisAccess redis,
      Map<String, JobHandler> functions,
      ProcessRunner processes,
      List<JobListener> listeners,
      InstantSource clock) {
    this.config = config;
    var timing = config.timing();
    workers =
        IntStream.rangeClosed(1, config.worker().slots())
            .mapToObj(n -> "%s-%s.%d".formatted(config.worker().name(), boot, n))
            .toList();
    jobs =
        new JobQueue(
            redis,
            config.redis().keyPrefix(),
            new JobQueue.QueueTiming(timing.lease(), timing.wip(), config.ledger().maxEvents()),
            clock);
    weppcloud =
        new WeppcloudRedis(redis, config.redis().statusDatabase(), config.redis().prepDatabase());
    running = new RunningJobs(drain::countDown);
    Heartbeat.Leases leases = new GuardedLeases(processes, timing.lease());
    heartbeat = new Heartbeat(jobs, running, workers, leases);
    timer =
        Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("timeouts").factory());
    intake =
        new Intake(
            jobs, config.worker().queues(), job -> Functions.canRun(functions.keySet(), job));
    JobRunner runner =
        new JobRunner(
            jobs,
            weppcloud,
            functions,
            new Verdict(timing.resultTtl(), timing.failureTtl()),
            running,
            leases,
            timer,
            listeners,
            clock);
    commands = jobs.commands(workers, running);
    for (String worker : workers) {
      slots.add(
          Thread.ofPlatform()
              .name("slot-" + worker)
              .unstarted(new Slot(worker, intake, runner, () -> drain.getCount() == 0)));
    }
  }

  /** A claim's processes may run until five seconds before its lease ends. */
  private record GuardedLeases(ProcessRunner processes, Duration lease)
      implements Heartbeat.Leases {
    @Override
    public void confirmed(String claim) {
      processes.leaseUntil(claim, lease.minusSeconds(5));
    }

    @Override
    public void lost(String claim) {
      processes.leaseLost(claim);
    }
  }

  /** Makes the slots known to rq and starts taking jobs. */
  public void start(JobQueue.WorkerInfo info) {
    jobs.register(workers, config.worker().queues(), info);
    heartbeat.start(config.timing().heartbeat());
    intake.start();
    slots.forEach(Thread::start);
    LOG.info(
        "{} slots serve {} as {}",
        slots.size(),
        String.join(", ", config.worker().queues()),
        workers.getFirst());
  }

  /**
   * Waits until the worker was asked to leave by rq's {@code shutdown} command or {@link #drain}.
   */
  public void awaitDrain() throws InterruptedException {
    drain.await();
  }

  /** No new jobs from now on. */
  public void drain() {
    drain.countDown();
    intake.close();
  }

  /**
   * Drains: running jobs may end within the configured time, the rest are stopped and given back to
   * the front of their queues. Then the workers' records end.
   */
  @Override
  public void close() {
    drain();
    if (!join(config.timing().drain())) {
      LOG.info("Giving back {} running jobs", running.all().size());
      running.all().forEach(job -> job.stop(StopReason.DRAINED));
      boolean _ = join(config.timing().stopGrace().plusSeconds(10));
    }
    // The heartbeat outlives the slots, so that a job that ends slowly keeps its lease.
    heartbeat.close();
    timer.shutdownNow();
    commands.close();
    try {
      jobs.unregister(workers, config.worker().queues());
    } catch (RuntimeException e) {
      LOG.warn("{}; rq forgets these workers when their records expire.", e.getMessage());
    }
    weppcloud.close();
    jobs.close();
  }

  private boolean join(Duration longest) {
    long deadline = System.nanoTime() + longest.toNanos();
    try {
      for (Thread slot : slots) {
        long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
        if (slot.isAlive() && (left <= 0 || !slot.join(Duration.ofMillis(left)))) {
          return false;
        }
      }
      return true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
