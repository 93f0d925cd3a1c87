package cloud.wepp.worker;

import cloud.wepp.rq.Commands;
import cloud.wepp.rq.FaultPoint;
import cloud.wepp.rq.Inventory;
import cloud.wepp.rq.Janitor;
import cloud.wepp.rq.JobLog;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.Leases;
import cloud.wepp.rq.QueueLoad;
import cloud.wepp.rq.QueueUnavailable;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.Scheduler;
import cloud.wepp.rq.WeppcloudRedis;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobListener;
import cloud.wepp.worker.ledger.LedgerUnavailable;
import cloud.wepp.worker.observe.DeletionCost;
import cloud.wepp.worker.observe.Metrics;
import cloud.wepp.worker.observe.Probes;
import cloud.wepp.worker.process.ActivityWatch;
import cloud.wepp.worker.process.Container;
import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.process.ProcessRunner;
import cloud.wepp.worker.python.PythonHandler;
import cloud.wepp.worker.wepp.CligenFunctions;
import cloud.wepp.worker.wepp.RunFolders;
import cloud.wepp.worker.wepp.WeppFunctions;
import java.net.InetAddress;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The object graph, from top to bottom, and the order in which it starts and stops. */
public final class Worker implements AutoCloseable {
  /** What {@code rq info} and {@code --version} show. */
  public static final String VERSION = "0.1.0";

  private static final Logger LOG = LoggerFactory.getLogger(Worker.class);

  /** Both as WEPPcloud's {@code wepp_runner} has them. */
  private static final Duration ACTIVITY_LOOKS = Duration.ofSeconds(30);

  private static final int DSTATE_LINES = 3;

  private final WorkerConfig config;
  private final Heartbeat.Registration registration;
  private final RedisAccess redis;
  private final JobQueue jobs;
  private final WeppcloudRedis weppcloud;
  private final Records records;
  private final ProcessRunner processes;
  private final Webhooks webhooks;
  private final @Nullable PythonHandler python;
  private final Followers followers;
  private final RunningJobs running;
  private final Heartbeat heartbeat;
  private final Housekeeping housekeeping;
  private final Intake intake;
  private final Commands commands;
  private final Metrics metrics;
  private final QueueWatch watch;
  private final StorageChecks storage;
  private final @Nullable Probes probes;
  private final @Nullable DeletionCost cost;
  private final List<Thread> slots = new ArrayList<>();
  private final CountDownLatch drain = new CountDownLatch(1);
  private final AtomicBoolean signaled = new AtomicBoolean();
  private volatile boolean started;
  private volatile boolean leaving;

  /** Builds everything; takes no job before {@link #start}. */
  Worker(
      WorkerConfig config,
      Intake.Stop stop,
      Map<String, JobHandler> more,
      List<JobListener> others,
      InstantSource clock) {
    this.config = config;
    webhooks = new Webhooks(clock);
    WorkerConfig.Timing timing = config.timing();
    registration = registration(config);
    metrics =
        new Metrics(
            new Metrics.Observed(
                VERSION,
                registration.queues(),
                modules(config),
                registration.workers().size(),
                this::running,
                () -> leaving));
    List<JobListener> listeners = new ArrayList<>(others);
    listeners.addAll(List.of(webhooks, metrics));
    redis = Connections.redis(config);
    jobs =
        Connections.untilReachable(
            config.redis().startWait(), () -> Connections.queue(config, redis, clock));
    records = new Records(config, redis, registration.workers().getFirst(), listeners, clock);
    weppcloud =
        new WeppcloudRedis(redis, config.redis().statusDatabase(), config.redis().prepDatabase());
    processes = ProcessRunner.start(new Survivors(jobs, this::runningJobs, listeners));
    followers = new Followers(() -> new JobLog(redis, config.redis().keyPrefix()));
    running = new RunningJobs(processes, timing.lease(), drain::countDown, followers);
    Map<String, JobHandler> natives = new HashMap<>(Routes.BUILT_IN);
    CpuBudget cpu = cpu(config);
    natives.putAll(models(config, processes, cpu));
    natives.putAll(more);
    python =
        config.python().enabled() ? python(config, registration.queues(), processes, cpu) : null;
    Routes routes = new Routes(natives, python, config.routing());
    intake =
        new Intake(
            jobs,
            registration.queues(),
            routes,
            new Admission(config.routing(), config.limits(), memory(config.limits())),
            Intake.Order.valueOf(config.routing().strategy().toUpperCase(Locale.ROOT)),
            stop,
            listeners);
    heartbeat = new Heartbeat(jobs, running, registration, listeners, intake::paused);
    Recovery recovery = new Recovery(routes, config.recovery());
    Verdict verdict = new Verdict(timing.resultTtl(), timing.failureTtl());
    Reclaim reclaim =
        new Reclaim(
            new Leases(redis, config.redis().keyPrefix()),
            jobs,
            running,
            recovery,
            verdict,
            new Reclaim.Policy(
                Set.copyOf(registration.queues()), timing.calm(), config.recovery().crashes()),
            listeners,
            clock);
    housekeeping = housekeeping(config, redis, registration, reclaim, webhooks, clock);
    JobRunner runner =
        new JobRunner(
            jobs,
            weppcloud,
            routes,
            recovery,
            verdict,
            running,
            new JobLimits(config.limits()),
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
    watch =
        new QueueWatch(
            new QueueLoad(redis, config.redis().keyPrefix()),
            jobs,
            registration.queues(),
            routes,
            config.ledger().stopAt(),
            metrics);
    storage = new StorageChecks(config, clock);
    cost = deletionCost(config, running, clock);
    probes =
        config.observe().openPort().isPresent()
            ? new Probes(config.observe().openPort().getAsInt(), checks(), metrics::scrape)
            : null;
  }

  /** Those whose functions are named in metrics, however many others there are. */
  private static List<String> modules(WorkerConfig config) {
    List<String> modules = new ArrayList<>(config.python().preload());
    WeppFunctions.NAMES.forEach(name -> modules.add(name.substring(0, name.lastIndexOf('.'))));
    return modules;
  }

  private Collection<RunningJob> runningJobs() {
    return running.all();
  }

  private int running() {
    return running.all().size();
  }

  /** Of the probes and metrics; empty when there is none. */
  OptionalInt port() {
    return probes == null ? OptionalInt.empty() : probes.port();
  }

  /** What must be well for a worker to be started, ready, and alive. */
  private Map<Probes.Kind, List<Probes.Check>> checks() {
    WorkerConfig.Timing timing = config.timing();
    Duration patience = timing.heartbeat().plus(config.redis().timeout()).multipliedBy(3);
    Probes.Check begun =
        new Probes.Check(
            "started", () -> new Probes.Found(started, started ? "takes jobs" : "not yet"));
    List<Probes.Check> ready = new ArrayList<>();
    ready.add(begun);
    ready.add(
        new Probes.Check(
            "staying", () -> new Probes.Found(!leaving, leaving ? "is leaving" : "stays")));
    ready.add(new Probes.Check("redis", () -> recent(heartbeat.sinceAnswer(), patience)));
    ready.addAll(storage.checks());
    return Map.of(
        Probes.Kind.STARTED,
        List.of(begun),
        Probes.Kind.READY,
        ready,
        Probes.Kind.LIVE,
        List.of(
            new Probes.Check("heartbeat", () -> recent(heartbeat.sinceTurn(), patience)),
            new Probes.Check("slots", this::slotsLive)));
  }

  private static Probes.Found recent(Duration since, Duration longest) {
    return new Probes.Found(
        since.compareTo(longest) < 0, "the last one was %d s ago".formatted(since.toSeconds()));
  }

  /** A slot's thread ends only when the worker takes no more jobs. */
  private Probes.Found slotsLive() {
    long alive = slots.stream().filter(Thread::isAlive).count();
    return new Probes.Found(
        !started || intake.isClosed() || alive == slots.size(),
        "%d of %d".formatted(alive, slots.size()));
  }

  private static @Nullable DeletionCost deletionCost(
      WorkerConfig config, RunningJobs running, InstantSource clock) {
    WorkerConfig.Kubernetes to = config.kubernetes();
    DeletionCost.Account account =
        new DeletionCost.Account(
            URI.create(to.api()), to.account(), to.pod().orElseGet(() -> Connections.name(config)));
    return to.deletionCost() && account.isThere()
        ? new DeletionCost(
            account,
            () ->
                running.all().stream()
                    .map(job -> Duration.between(job.claim().startedAt(), clock.instant()))
                    .toList(),
            to.deletionCostEvery())
        : null;
  }

  /**
   * One that takes no job before {@link #start}.
   *
   * @param burst whether it leaves when nothing is left to run
   * @param maxJobs after how many jobs it leaves
   * @throws QueueUnavailable if Redis cannot be reached in the time that the configuration allows
   * @throws LedgerUnavailable the same of Postgres
   */
  public static Worker of(WorkerConfig config, boolean burst, long maxJobs) {
    return new Worker(
        config, new Intake.Stop(burst, maxJobs), Map.of(), List.of(), InstantSource.system());
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
    Worker worker = new Worker(config, Intake.Stop.NEVER, more, listeners, clock);
    worker.start();
    return worker;
  }

  /** Makes the slots known to rq and starts taking jobs. */
  public void start() {
    jobs.register(registration.workers(), registration.queues(), registration.info());
    if (config.worker().alone()) {
      refuseCompany();
    }
    records.start(intake::expect);
    heartbeat.start(config.timing().heartbeat());
    housekeeping.start(config.timing());
    intake.start();
    slots.forEach(Thread::start);
    watch.start(config.observe().every());
    storage.start(metrics);
    if (cost != null) {
      cost.start();
    }
    started = true;
    LOG.info(
        "{} slots serve {} as {}",
        slots.size(),
        String.join(", ", registration.queues()),
        registration.workers().getFirst());
  }

  /** Another worker serves a queue that this one must have alone. */
  public static final class NotAlone extends RuntimeException {
    private NotAlone(String message) {
      super(message);
    }
  }

  /** Looks only after this worker can be seen: of two that start at once none stays unnoticed. */
  private void refuseCompany() {
    try (Inventory inventory = new Inventory(redis, config.redis().keyPrefix())) {
      List<String> others =
          inventory.read(registration.queues()).workers().stream()
              .map(Inventory.WorkerSeen::name)
              .filter(name -> !registration.workers().contains(name))
              .toList();
      if (!others.isEmpty()) {
        throw new NotAlone(
            "worker.alone is true, and %s is served by %s: nothing was taken. Stop the other worker; if it was killed, its record ends by itself within minutes."
                .formatted(String.join(", ", registration.queues()), String.join(", ", others)));
      }
    }
  }

  /** What all jobs may take together, in bytes. */
  private static long memory(WorkerConfig.Limits limits) {
    long all =
        limits
            .podMemory()
            .map(mib -> (long) mib << 20)
            .or(() -> Container.memory().map(Container.Memory::limitBytes))
            .orElse(Long.MAX_VALUE);
    return Math.max(0, all - ((long) limits.keepFree() << 20));
  }

  public static CpuBudget cpu(WorkerConfig config) {
    Map<Path, Integer> mounts = new HashMap<>();
    for (String mount : config.limits().mount()) {
      mounts.put(Path.of(Admission.name(mount)), Admission.number(mount));
    }
    return new CpuBudget(
        config.worker().cpu().orElse(Runtime.getRuntime().availableProcessors()), mounts);
  }

  private static Map<String, JobHandler> models(
      WorkerConfig config, ProcessRunner processes, CpuBudget cpu) {
    WorkerConfig.Wepp wepp = config.wepp();
    RunFolders folders = runFolders(wepp);
    WeppFunctions.Models how =
        new WeppFunctions.Models(
            config.timing().grace(),
            wepp.inputWait(),
            wepp.storageRetries(),
            wepp.verify(),
            wepp.longestName(),
            wepp.staging(),
            wepp.provenance(),
            wepp.scratch(),
            VERSION,
            wepp.progress(),
            wepp.progressEvery(),
            new ActivityWatch.Rules(
                wepp.stallAfter(),
                wepp.stall().equals("kill"),
                ACTIVITY_LOOKS,
                wepp.dstateAfter(),
                DSTATE_LINES));
    Map<String, JobHandler> models = new HashMap<>();
    models.putAll(
        WeppFunctions.of(
            folders,
            new WeppFunctions.Settings(
                wepp.binDir(),
                wepp.hillslopeTimeout(),
                wepp.runTimeout(),
                wepp.multiOfeTimeout(),
                wepp.timeoutRetries(),
                config.worker().jobCpu().orElse(cpu.processors()),
                how),
            processes,
            cpu));
    models.putAll(CligenFunctions.of(folders, cligen(config.cligen(), how), processes, cpu));
    return models;
  }

  private static CligenFunctions.Settings cligen(
      WorkerConfig.Cligen cligen, WeppFunctions.Models how) {
    return new CligenFunctions.Settings(
        cligen.binDir(),
        cligen.geodata(),
        cligen.multipleYearTimeout(),
        cligen.observedTimeout(),
        cligen.observedRetries(),
        cligen.modifiedParTimeout(),
        cligen.singleStormTimeout(),
        cligen.verify().equals("fail"),
        how);
  }

  public static RunFolders runFolders(WorkerConfig.Wepp wepp) {
    return new RunFolders(
        wepp.runs(),
        wepp.legacyRuns(),
        wepp.batch(),
        wepp.culverts(),
        wepp.profileTmp(),
        wepp.profileFork(),
        wepp.profileArchive());
  }

  public static PythonHandler python(
      WorkerConfig config, List<String> queues, ProcessRunner processes, CpuBudget cpu) {
    WorkerConfig.Python python = config.python();
    Map<String, Object> script = new HashMap<>();
    script.put("redis", Connections.target(config.redis()).parts());
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
              python.reload() ? 1 : python.jobsPerSupervisor(), // it keeps what it has imported
              python.jobsPerServer(),
              (long) python.serverMemory() << 20,
              python.reload(),
              config.timing().grace()),
          processes,
          cpu,
          new JobLimits(config.limits())::processors);
    } catch (InterruptedException e) {
      throw new IllegalStateException("interrupted while Python started", e);
    }
  }

  /** Names each slot {@code <host>-<boot id>.<n>}, so that no name is ever used twice. */
  private static Heartbeat.Registration registration(WorkerConfig config) {
    Optional<InetAddress> host = Connections.host();
    String boot = HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextInt());
    return new Heartbeat.Registration(
        IntStream.rangeClosed(1, config.worker().slots())
            .mapToObj(n -> "%s-%s.%d".formatted(Connections.name(config), boot, n))
            .toList(),
        config.servedQueues(),
        new JobQueue.WorkerInfo(
            ProcessHandle.current().pid(),
            host.map(InetAddress::getHostName).orElse("localhost"),
            host.map(InetAddress::getHostAddress).orElse("unknown"),
            VERSION));
  }

  private static Housekeeping housekeeping(
      WorkerConfig config,
      RedisAccess redis,
      Heartbeat.Registration known,
      Reclaim reclaim,
      Webhooks webhooks,
      InstantSource clock) {
    String prefix = config.redis().keyPrefix();
    WorkerConfig.Timing timing = config.timing();
    return new Housekeeping(
        reclaim,
        new Scheduler(redis, prefix, known.queues(), known.info(), clock),
        new Janitor(redis, prefix, timing.patience(), timing.failureTtl(), webhooks::failed, clock),
        known.queues(),
        timing.patience());
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
    leaving = true;
    drain.countDown();
    intake.close();
  }

  /**
   * What a signal asks for: to leave, and the second signal to leave at once, whatever runs. As
   * rq's warm and cold shutdown, but a job that was cut off is not left lying. A drain that was
   * asked for otherwise counts for nothing here: in Kubernetes TERM follows it.
   */
  public void leave() {
    if (signaled.compareAndSet(false, true)) {
      LOG.info(
          "Asked to leave: no new jobs; running ones have {} s. The next signal ends them at once.",
          config.timing().drain().toSeconds());
      drain();
    } else {
      LOG.info("Asked again: ending {} running jobs.", running.all().size());
      drain();
      running.leave(true);
    }
  }

  /**
   * Drains: running jobs may end within the configured time, the rest are stopped; those that may
   * be begun again are given back to the front of their queues. Then the workers' records end.
   */
  @Override
  public void close() {
    drain();
    tellMonitors();
    if (!join(config.timing().drain())) {
      LOG.info("The time to leave is over: ending running jobs.");
      running.leave(false);
      FaultPoint.LEAVING.reached();
      while (!join(config.timing().grace().plusSeconds(10)) && running.lasts()) {
        LOG.debug("Waiting for jobs of functions that recovery.finish names");
      }
    }
    if (cost != null) {
      cost.close();
    }
    watch.close();
    storage.close();
    // The heartbeat outlives the slots, so that a job that ends slowly keeps its lease.
    heartbeat.close();
    housekeeping.close();
    running.close();
    commands.close();
    followers.close();
    try {
      jobs.unregister(registration.workers(), registration.queues());
    } catch (QueueUnavailable e) {
      LOG.warn("{}; rq forgets these workers when their records expire.", e.getMessage());
    }
    if (python != null) {
      python.close();
    }
    processes.close();
    webhooks.close();
    records.close();
    weppcloud.close();
    jobs.close();
    redis.close();
    if (probes != null) {
      probes.close();
    }
    metrics.close();
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
