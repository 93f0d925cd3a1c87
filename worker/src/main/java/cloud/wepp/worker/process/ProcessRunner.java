package cloud.wepp.worker.process;

import cloud.wepp.worker.process.ProcessEnd.Cause;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs processes, each in a session of its own, and lets none of them outlive its run: not after a
 * timeout, an interrupt, its own end with children left behind, or the death of this JVM. Linux
 * only. Safe for many threads.
 */
public final class ProcessRunner implements AutoCloseable {
  /**
   * Names the claim in the environment of a job's processes; children that left the session are
   * found by it.
   */
  public static final String CLAIM_VARIABLE = "RQ_WORKER_CLAIM";

  private static final Logger LOG = LoggerFactory.getLogger(ProcessRunner.class);
  private static final String BOOT_VARIABLE = "RQ_WORKER_BOOT";
  private static final String NO_CLAIM = "-";
  private static final Duration SOON = Duration.ofMillis(20);
  private static final Duration FOREVER = Duration.ofDays(36_500);
  private static final Duration SAMPLE = Duration.ofMillis(250);

  private final String boot = UUID.randomUUID().toString();
  private final Spawner spawner = new Spawner();
  private final Reaper reaper = new Reaper();
  private final Thread reaperThread = Thread.ofPlatform().daemon().name("reaper").unstarted(reaper);
  private final ConcurrentMap<Integer, String> sessions = new ConcurrentHashMap<>();
  private final ConcurrentMap<String, Long> leases = new ConcurrentHashMap<>();
  private final Set<String> lost = ConcurrentHashMap.newKeySet();
  private final Snapshot snapshot = new Snapshot();
  private final AtomicLong containerKills = new AtomicLong(Container.kills());
  private final Survivors survivors;
  private int guardPid; // guarded by this
  private int guardPipe = -1; // guarded by this

  private ProcessRunner(Survivors survivors) {
    this.survivors = survivors;
  }

  /** Told on the thread that waits for a process which does not end after KILL. */
  public interface Survivors {
    /**
     * The process is still there, and blocks its job's slot.
     *
     * @param claim of its job
     * @param state what the kernel says of it, for people
     */
    void found(String claim, int pid, String state);

    /** All that was found of the claim has ended after all. */
    void gone(String claim);
  }

  private static final Survivors NOBODY =
      new Survivors() {
        @Override
        public void found(String claim, int pid, String state) {}

        @Override
        public void gone(String claim) {}
      };

  /** Starts the reaper and the guard. */
  public static ProcessRunner start() {
    return start(NOBODY);
  }

  /** Starts the reaper and the guard. */
  public static ProcessRunner start(Survivors survivors) {
    Libc.adoptOrphans();
    ProcessRunner runner = new ProcessRunner(survivors);
    runner.reaperThread.start();
    runner.startGuard();
    return runner;
  }

  /**
   * Runs a process to its end.
   *
   * @throws SpawnFailed if it cannot be started
   * @throws ProcessStopped by an interrupt, after the process and all that came from it have ended
   */
  public ProcessEnd run(ProcessSpec spec) throws SpawnFailed, ProcessStopped {
    return run(spec, FOREVER, () -> {}, null);
  }

  /**
   * Runs a process to its end, and meanwhile does {@code look} every so often on this thread.
   *
   * @param look must not throw
   */
  public ProcessEnd run(ProcessSpec spec, Duration every, Runnable look)
      throws SpawnFailed, ProcessStopped {
    return run(spec, every, look, null);
  }

  /**
   * Runs a process to its end, and meanwhile does {@code look} every so often on this thread.
   *
   * @param look must not throw
   * @param activity looked at as often; null for nothing
   */
  public ProcessEnd run(
      ProcessSpec spec, Duration every, Runnable look, @Nullable ActivityWatch activity)
      throws SpawnFailed, ProcessStopped {
    String claim = spec.environment().getOrDefault(CLAIM_VARIABLE, NO_CLAIM);
    Map<String, String> environment = new HashMap<>(spec.environment());
    environment.put(BOOT_VARIABLE, boot);
    String token = UUID.randomUUID().toString();
    environment.put("RQ_WORKER_PROCESS", token);
    int pid = spawner.spawn(spec, environment);
    Libc.limit(pid, spec.limits());
    CompletableFuture<Reaper.Ended> end = reaper.watch(pid);
    Family family = new Family(Set.of(pid), "RQ_WORKER_PROCESS=" + token);
    Watch watch = new Watch(pid, spec, claim, every, look, activity);
    try {
      Cause forced = null;
      try {
        if (!endsSoon(end)) {
          enroll(pid, claim);
          forced = watch.await(end);
        }
      } catch (InterruptedException e) {
        forced = Cause.STOPPED;
      }
      Duration grace = forced == Cause.MEMORY ? Duration.ZERO : spec.grace();
      if (forced != null) {
        end(family, claim, grace);
      }
      Reaper.Ended ended = end.join();
      endLeftovers(pid, family, claim, grace);
      ProcessEnd told = end(pid, spec.limits(), forced, watch.peak, ended);
      if (forced == Cause.STOPPED) {
        throw new ProcessStopped(told);
      }
      return told;
    } finally {
      if (sessions.remove(pid) != null) {
        tellGuard("ended " + pid + " " + claim + "\n");
      }
    }
  }

  private ProcessEnd end(
      int pid, Limits limits, @Nullable Cause forced, long peak, Reaper.Ended ended) {
    Libc.Waited waited = ended.waited();
    return new ProcessEnd(
        pid,
        waited.exit(),
        forced == null ? cause(waited.exit(), limits) : forced,
        ended.wall(),
        new ProcessEnd.Usage(
            waited.user(),
            waited.system(),
            Math.max(peak, ended.peakRss()),
            ended.io().read(),
            ended.io().written(),
            waited.waits(),
            waited.preemptions()),
        limits);
  }

  /** A shell tells of its child's signal by a code above 128. */
  private Cause cause(int exit, Limits limits) {
    int signal = exit > 128 ? exit - 128 : -exit;
    if (signal == Libc.SIGXCPU && limits.cpuSeconds() > 0) {
      return Cause.CPU_TIME;
    }
    if (signal == Libc.SIGXFSZ && limits.fileBytes() > 0) {
      return Cause.FILE_SIZE;
    }
    if (exit == -Libc.SIGKILL && killedByContainer()) {
      return Cause.CONTAINER_MEMORY;
    }
    return exit < 0 ? Cause.SIGNAL : Cause.EXITED;
  }

  /** Whether the kernel has killed for want of memory since it was last asked. */
  private boolean killedByContainer() {
    long now = Container.kills();
    return containerKills.getAndSet(now) < now;
  }

  /** What is looked at while one process runs; on the thread that waits for it. */
  private final class Watch {
    private final int pid;
    private final long deadline;
    private final long memory; // the limit; 0 for none
    private final Path output;
    private final String claim;
    private final Duration every;
    private final Runnable look;
    private final @Nullable ActivityWatch activity;
    private long peak; // of all that came from the process, while memory is limited

    Watch(
        int pid,
        ProcessSpec spec,
        String claim,
        Duration every,
        Runnable look,
        @Nullable ActivityWatch activity) {
      this.pid = pid;
      this.claim = claim;
      this.look = look;
      this.activity = activity;
      output = spec.output();
      memory = spec.limits().memoryBytes();
      this.every = memory > 0 && every.compareTo(SAMPLE) > 0 ? SAMPLE : every;
      deadline = System.nanoTime() + (spec.timeout() == null ? FOREVER : spec.timeout()).toNanos();
    }

    /** Returns when it has ended, with null, or has to be ended, with the reason. */
    @Nullable Cause await(CompletableFuture<Reaper.Ended> end) throws InterruptedException {
      while (true) {
        if (memory > 0) {
          peak = Math.max(peak, snapshot.rss(pid));
          if (peak > memory) {
            return Cause.MEMORY;
          }
        }
        long left = deadline - System.nanoTime();
        if (ends(end, Math.min(left, every.toNanos()))) {
          return null;
        }
        if (left <= every.toNanos()) {
          return Cause.TIMED_OUT;
        }
        look.run();
        if (activity != null && activity.look(pid, this::seen, isFrozen())) {
          return Cause.STALLED;
        }
      }
    }

    private ActivityWatch.Seen seen() {
      return ActivityWatch.Seen.of(pid, snapshot.members(pid), output);
    }

    /** The guard lets nothing run whose lease is over. */
    private boolean isFrozen() {
      Long until = leases.get(claim);
      return until != null && until - System.nanoTime() <= 0;
    }
  }

  /** Limits a process that is there already; its memory is not watched here. */
  public void limit(int pid, Limits limits) {
    Libc.limit(pid, limits);
  }

  /** The memory of a session and of what came from it, in bytes; up to a moment old. */
  public long sessionRss(int session) {
    return snapshot.rss(session);
  }

  /** A process that outlives its jobs works for this claim now, in a session of its own. */
  public void lend(int pid, String claim) {
    enroll(pid, claim);
  }

  /** The process works for the claim no longer. */
  public void takeBack(int pid, String claim) {
    sessions.remove(pid);
    tellGuard("ended " + pid + " " + claim + "\n");
  }

  /**
   * Ends what came from a process that adopts its orphans, but not the process itself. Returns when
   * none of it is left.
   */
  public void endBelow(int pid, String claim, Duration grace) {
    List<Integer> children = ProcFs.children(pid);
    if (children != null && children.isEmpty()) {
      return; // orphans come to it, so there is nothing else to find
    }
    end(Family.below(pid, CLAIM_VARIABLE + "=" + claim), claim, grace);
  }

  /**
   * Ends these sessions, which this process has not started, and all that came from them. Returns
   * when none of it is left.
   */
  public void endSessions(Set<Integer> pids, String claim) {
    end(new Family(pids, CLAIM_VARIABLE + "=" + claim), claim, Duration.ZERO);
    pids.forEach(ProcFs::reapOrphan);
  }

  /** The most memory a process has held so far, in bytes; 0 when it is gone. */
  public long peakRss(int pid) {
    return ProcFs.peakRss(pid);
  }

  /** The claim is confirmed: its processes may run for this long before the guard freezes them. */
  public void leaseUntil(String claim, Duration fromNow) {
    leases.put(claim, System.nanoTime() + fromNow.toNanos());
    if (sessions.containsValue(claim)) {
      tellLease(claim);
    }
  }

  /** The claim is gone: the guard ends its processes, also one that is just being started. */
  public void leaseLost(String claim) {
    lost.add(claim);
    tellLease(claim);
  }

  /** The job has ended; its claim needs no lease any more. */
  public void leaseEnded(String claim) {
    leases.remove(claim);
    lost.remove(claim);
  }

  /** Under the lock, as {@link #tellLease}: the guard hears of a claim's states in their order. */
  private synchronized void enroll(int pid, String claim) {
    sessions.put(pid, claim);
    tellGuard("session " + pid + " " + claim + "\n" + lease(claim));
  }

  private synchronized void tellLease(String claim) {
    tellGuard(lease(claim));
  }

  /** The guard has a clock of its own, so it is told how long, and not until when. */
  private String lease(String claim) {
    if (lost.contains(claim)) {
      return "lost " + claim + "\n";
    }
    Long until = leases.get(claim);
    if (until == null) {
      return "";
    }
    long left = TimeUnit.NANOSECONDS.toMillis(until - System.nanoTime());
    return "lease " + claim + " " + Math.max(0, left) + "\n";
  }

  /**
   * A short process is no business of the guard's: until it is told, it finds what a dead JVM left
   * by the variable of this boot.
   */
  private static boolean endsSoon(CompletableFuture<Reaper.Ended> end) throws InterruptedException {
    return ends(end, SOON.toNanos());
  }

  private static boolean ends(CompletableFuture<Reaper.Ended> end, long nanos)
      throws InterruptedException {
    try {
      end.get(nanos, TimeUnit.NANOSECONDS);
      return true;
    } catch (TimeoutException e) {
      return false;
    } catch (ExecutionException e) {
      throw new IllegalStateException("the reaper failed", e);
    }
  }

  /** A look at the whole of /proc is dear, so it is taken only when something may be left. */
  private void endLeftovers(int pid, Family family, String claim, Duration grace) {
    List<Integer> adopted = ProcFs.adopted();
    if (Libc.groupExists(pid) || adopted == null || !adopted.isEmpty()) {
      end(family, claim, grace);
    }
  }

  private void end(Family family, String claim, Duration grace) {
    AtomicBoolean told = new AtomicBoolean();
    family.end(
        grace,
        survivor -> {
          told.set(true);
          int pid = survivor.id().pid();
          String state = ProcFs.words(survivor);
          LOG.error(
              "Process {} does not end after SIGKILL (state {}); its slot is blocked until it does."
                  + " Look for a hung file system.",
              pid,
              state);
          survivors.found(claim, pid, state);
        });
    family.reapAdopted();
    if (told.get()) {
      survivors.gone(claim);
    }
  }

  private synchronized void tellGuard(String lines) {
    if (guardPipe >= 0 && !Libc.write(guardPipe, lines)) {
      LOG.warn("The guard has ended; starting another.");
      Libc.close(guardPipe);
      Libc.waitFor(guardPid);
      startGuard();
    }
  }

  private synchronized void startGuard() {
    int[] ends = Libc.pipe();
    try {
      guardPid =
          spawner.spawnDeaf(
              List.of(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-XX:+UseSerialGC",
                  "-XX:TieredStopAtLevel=1",
                  "-XX:CompileThresholdScaling=20", // it does little: code would cost most memory
                  "-Xshare:auto",
                  "-Xms2m",
                  "-Xmx32m",
                  "--enable-native-access=ALL-UNNAMED",
                  "-cp",
                  System.getProperty("java.class.path"),
                  Guard.class.getName(),
                  boot),
              ends[0]);
    } catch (SpawnFailed e) {
      throw new IllegalStateException("the guard cannot be started: " + e.getMessage(), e);
    } finally {
      Libc.close(ends[0]);
    }
    guardPipe = ends[1];
    sessions.forEach((pid, claim) ->
        Libc.write(guardPipe, "inherited " + pid + " " + claim + "\n" + lease(claim)));
  }

  /** The guard's pid, for tests. */
  synchronized int guardPid() {
    return guardPid;
  }

  /** Ends the guard and the reaper; whatever still runs is ended by the guard. */
  @Override
  public void close() {
    synchronized (this) {
      Libc.close(guardPipe);
      guardPipe = -1;
      Libc.waitFor(guardPid);
    }
    reaper.close();
  }
}
