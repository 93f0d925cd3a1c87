package cloud.wepp.worker;

import cloud.wepp.rq.Commands;
import cloud.wepp.rq.Event;
import cloud.wepp.rq.EventStream;
import cloud.wepp.rq.Janitor;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.QueueUnavailable;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.Scheduler;
import cloud.wepp.rq.WeppcloudRedis;
import cloud.wepp.worker.config.Secret;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobListener;
import cloud.wepp.worker.job.StopReason;
import cloud.wepp.worker.ledger.Ledger;
import cloud.wepp.worker.ledger.LedgerStore;
import cloud.wepp.worker.ledger.LedgerUnavailable;
import cloud.wepp.worker.ledger.PostgresAccess;
import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.process.ProcessRunner;
import cloud.wepp.worker.python.PythonHandler;
import cloud.wepp.worker.wepp.RunFolders;
import cloud.wepp.worker.wepp.WeppFunctions;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The object graph, from top to bottom, and the order in which it starts and stops. */
public final class Worker implements AutoCloseable {
  /** What {@code rq info} and {@code --version} show. */
  static final String VERSION = "0.1.0";

  private static final Logger LOG = LoggerFactory.getLogger(Worker.class);

  private final WorkerConfig config;
  private final Heartbeat.Registration registration;
  private final RedisAccess redis;
  private final JobQueue jobs;
  private final WeppcloudRedis weppcloud;
  private final LedgerStore history;
  private final Ledger ledger;
  private final ProcessRunner processes;
  private final Webhooks webhooks;
  private final @Nullable PythonHandler python;
  private final RunningJobs running;
  private final Heartbeat heartbeat;
  private final Housekeeping housekeeping;
  private final Intake intake;
  private final Commands commands;
  private final List<Thread> slots = new ArrayList<>();
  private final CountDownLatch drain = new CountDownLatch(1);
  private boolean begun; // these two are guarded by this
  private boolean closed;

  private Worker(
      WorkerConfig config,
      Intake.Stop stop,
      Map<String, JobHandler> more,
      List<JobListener> others,
      InstantSource clock) {
    this.config = config;
    webhooks = new Webhooks(clock);
    List<JobListener> listeners = new ArrayList<>(others);
    listeners.add(webhooks);
    WorkerConfig.Timing timing = config.timing();
    registration = registration(config);
    redis = redis(config);
    jobs = untilReachable(config.redis().startWait(), () -> queue(config, redis, clock));
    history = history(config);
    untilReachable(
        config.postgres().startWait(),
        () -> {
          history.migrate();
          return history;
        });
    ledger =
        new Ledger(
            new EventStream(
                redis, config.redis().keyPrefix(), "ledger", registration.workers().getFirst()),
            history,
            Ledger.Timing.USUAL,
            new Ledger.Listener() {
              @Override
              public void kept(List<Event> events) {
                listeners.forEach(listener -> listener.recorded(events));
              }

              @Override
              public void stalled(String why) {} // the ledger has logged it
            });
    weppcloud =
        new WeppcloudRedis(redis, config.redis().statusDatabase(), config.redis().prepDatabase());
    processes = ProcessRunner.start();
    running = new RunningJobs(processes, timing.lease(), drain::countDown);
    Map<String, JobHandler> natives = new HashMap<>(Routes.BUILT_IN);
    natives.putAll(wepp(config, processes));
    natives.putAll(more);
    python = config.python().enabled() ? python(config, registration.queues(), processes) : null;
    Routes routes = new Routes(natives, python, config.routing());
    intake = new Intake(jobs, registration.queues(), routes, config.routing(), stop, listeners);
    heartbeat = new Heartbeat(jobs, running, registration, listeners, intake::paused);
    housekeeping = housekeeping(config, redis, registration, clock);
    JobRunner runner =
        new JobRunner(
            jobs,
            weppcloud,
            routes,
            new Verdict(timing.resultTtl(), timing.failureTtl()),
            running,
            listeners,
            clock);
    commands = jobs.commands(registration.workers(), running);
    AtomicInteger left = new AtomicInteger(registration.workers().size());
    for (String worker : registration.workers()) {
      Slot slot = new Slot(worker, intake, runner);
      slots.add(
          Thread.ofPlatform()
              .name("slot-" + worker)
              .unstarted(() -> {
                slot.run();
                if (left.decrementAndGet() == 0) {
                  drain.countDown(); // the intake has closed by itself
                }
              }));
    }
  }

  /**
   * Makes the slots known to rq and starts taking jobs.
   *
   * @param more functions beside the worker's own, by dotted name
   * @throws QueueUnavailable if Redis cannot be reached in the time that the configuration allows
   * @throws LedgerUnavailable the same of Postgres
   */
  public static Worker start(
      WorkerConfig config,
      Map<String, JobHandler> more,
      List<JobListener> listeners,
      InstantSource clock) {
    return start(config, Intake.Stop.NEVER, more, listeners, clock);
  }

  /** As above. */
  static Worker start(
      WorkerConfig config,
      Intake.Stop stop,
      Map<String, JobHandler> more,
      List<JobListener> listeners,
      InstantSource clock) {
    Worker worker = new Worker(config, stop, more, listeners, clock);
    worker.begin();
    return worker;
  }

  /** As above, but nobody knows of the worker until it is told to {@link #begin}. */
  static Worker ready(WorkerConfig config, Intake.Stop stop) {
    return new Worker(config, stop, Map.of(), List.of(), InstantSource.system());
  }

  /** Makes the slots known to rq and starts taking jobs, unless the worker was closed before. */
  synchronized void begin() {
    if (closed) {
      return;
    }
    jobs.register(registration.workers(), registration.queues(), registration.info());
    begun = true;
    ledger.start();
    heartbeat.start(config.timing().heartbeat());
    housekeeping.start(config.timing().scheduler(), config.timing().maintenance());
    intake.start();
    slots.forEach(Thread::start);
    LOG.info(
        "{} slots serve {} as {}",
        slots.size(),
        String.join(", ", registration.queues()),
        registration.workers().getFirst());
  }

  private static Map<String, JobHandler> wepp(WorkerConfig config, ProcessRunner processes) {
    WorkerConfig.Wepp wepp = config.wepp();
    CpuBudget cpu =
        new CpuBudget(config.worker().cpu().orElse(Runtime.getRuntime().availableProcessors()));
    return WeppFunctions.of(
        new RunFolders(
            wepp.runs(),
            wepp.legacyRuns(),
            wepp.batch(),
            wepp.culverts(),
            wepp.profileTmp(),
            wepp.profileFork(),
            wepp.profileArchive()),
        new WeppFunctions.Settings(
            wepp.binDir(),
            config.timing().grace(),
            wepp.inputWait(),
            wepp.hillslopeTimeout(),
            wepp.runTimeout(),
            wepp.multiOfeTimeout(),
            wepp.timeoutRetries(),
            config.worker().jobCpu().orElse(cpu.processors())),
        processes,
        cpu);
  }

  private static PythonHandler python(
      WorkerConfig config, List<String> queues, ProcessRunner processes) {
    WorkerConfig.Python python = config.python();
    Map<String, Object> script = new HashMap<>();
    script.put("redis_url", config.redis().url());
    script.put("redis_password", config.redis().password().map(Secret::reveal).orElse(""));
    script.put("key_prefix", config.redis().keyPrefix());
    script.put("queues", queues);
    script.put("preload", python.preload());
    script.put("worker_class", python.workerClass());
    script.put("job_class", python.jobClass().orElse(""));
    script.put("queue_class", python.queueClass().orElse(""));
    script.put("serializer", python.serializer().orElse(""));
    script.put("result_ttl", config.timing().resultTtl().toSeconds());
    try {
      return new PythonHandler(
          new PythonHandler.Settings(
              python.command(),
              python.directory().orElse(Path.of("").toAbsolutePath()),
              script,
              python.jobsPerSupervisor(),
              python.jobsPerServer(),
              (long) python.serverMemory() << 20,
              python.reload(),
              config.timing().grace()),
          processes);
    } catch (InterruptedException e) {
      throw new IllegalStateException("interrupted while Python started", e);
    }
  }

  /** Names each slot {@code <host>-<boot id>.<n>}, so that no name is ever used twice. */
  private static Heartbeat.Registration registration(WorkerConfig config) {
    String hostname = "localhost";
    String address = "unknown";
    try {
      InetAddress host = InetAddress.getLocalHost();
      hostname = host.getHostName();
      address = host.getHostAddress();
    } catch (UnknownHostException e) {
      LOG.debug("this host has no name", e);
    }
    String name = config.worker().name().orElse(hostname);
    String boot = HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextInt());
    return new Heartbeat.Registration(
        IntStream.rangeClosed(1, config.worker().slots())
            .mapToObj(n -> "%s-%s.%d".formatted(name, boot, n))
            .toList(),
        config.servedQueues(),
        new JobQueue.WorkerInfo(ProcessHandle.current().pid(), hostname, address, VERSION));
  }

  static RedisAccess redis(WorkerConfig config) {
    WorkerConfig.Redis to = config.redis();
    return new RedisAccess(to.url(), to.password().map(Secret::reveal).orElse(null), -1);
  }

  static JobQueue queue(WorkerConfig config, RedisAccess redis, InstantSource clock) {
    WorkerConfig.Timing timing = config.timing();
    return new JobQueue(
        redis,
        config.redis().keyPrefix(),
        new JobQueue.QueueTiming(timing.lease(), timing.wip(), config.ledger().maxEvents()),
        clock);
  }

  private static Housekeeping housekeeping(
      WorkerConfig config, RedisAccess redis, Heartbeat.Registration known, InstantSource clock) {
    String prefix = config.redis().keyPrefix();
    WorkerConfig.Timing timing = config.timing();
    return new Housekeeping(
        new Scheduler(redis, prefix, known.queues(), known.info(), clock),
        new Janitor(redis, prefix, timing.patience(), timing.failureTtl(), clock),
        known.queues(),
        timing.patience());
  }

  static LedgerStore history(WorkerConfig config) {
    WorkerConfig.Postgres to = config.postgres();
    return new LedgerStore(
        new PostgresAccess(
            to.url(), to.user().orElse(null), to.password().map(Secret::reveal).orElse(null)));
  }

  /** Tries again for a while: at a start of everything the servers may be the last to be up. */
  private static <T> T untilReachable(Duration longest, Supplier<T> open) {
    long since = 0; // the first failure
    while (true) {
      try {
        return open.get();
      } catch (QueueUnavailable | LedgerUnavailable e) {
        if (longest.isZero() || (since != 0 && System.nanoTime() - since > longest.toNanos())) {
          throw e;
        }
        if (since == 0) {
          since = System.nanoTime();
          LOG.warn("{}. Waiting for it for {} s.", e.getMessage(), longest.toSeconds());
        }
        LockSupport.parkNanos(Duration.ofMillis(500).toNanos());
      }
    }
  }

  /**
   * Waits until the worker was asked to leave, by rq's {@code shutdown} or by {@link #drain}, or
   * has come to the end of its burst.
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
    if (ends()) {
      leave();
    }
    if (python != null) {
      python.close();
    }
    processes.close();
    webhooks.close();
    ledger.close();
    history.close();
    weppcloud.close();
    jobs.close();
    redis.close();
  }

  /** Whether the worker had begun; it will not begin after this. */
  synchronized boolean ends() {
    closed = true;
    return begun;
  }

  private void leave() {
    drain();
    tellMonitors();
    if (!join(config.timing().drain())) {
      LOG.info("Giving back {} running jobs", running.all().size());
      running.all().forEach(job -> job.stop(StopReason.DRAINED));
      boolean _ = join(config.timing().grace().plusSeconds(10));
    }
    // The heartbeat outlives the slots, so that a job that ends slowly keeps its lease.
    heartbeat.close();
    housekeeping.close();
    running.close();
    commands.close();
    try {
      jobs.unregister(registration.workers(), registration.queues());
    } catch (QueueUnavailable e) {
      LOG.warn("{}; rq forgets these workers when their records expire.", e.getMessage());
    }
  }

  /** Those who watch busy slots see that they will leave. */
  private void tellMonitors() {
    List<String> busy = running.all().stream().map(job -> job.claim().worker()).toList();
    try {
      jobs.leaving(busy);
    } catch (QueueUnavailable e) {
      LOG.debug("{}; nothing depends on it.", e.getMessage());
    }
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
