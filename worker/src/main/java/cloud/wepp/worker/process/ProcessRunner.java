package cloud.wepp.worker.process;

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

  private final String boot = UUID.randomUUID().toString();
  private final Spawner spawner = new Spawner();
  private final Reaper reaper = new Reaper();
  private final Thread reaperThread = Thread.ofPlatform().daemon().name("reaper").unstarted(reaper);
  private final ConcurrentMap<Integer, String> sessions = new ConcurrentHashMap<>();
  private final ConcurrentMap<String, Long> leases = new ConcurrentHashMap<>();
  private final Set<String> lost = ConcurrentHashMap.newKeySet();
  private int guardPid; // guarded by this
  private int guardPipe = -1; // guarded by this

  private ProcessRunner() {}

  /** Starts the reaper and the guard. */
  public static ProcessRunner start() {
    Libc.adoptOrphans();
    ProcessRunner runner = new ProcessRunner();
    runner.reaperThread.start();
    runner.startGuard();
    return runner;
  }

  /**
   * Runs a process to its end.
   *
   * @throws SpawnFailed if it cannot be started
   * @throws InterruptedException after the process and all that came from it have ended
   */
  public ProcessEnd run(ProcessSpec spec) throws SpawnFailed, InterruptedException {
    return run(spec, FOREVER, () -> {});
  }

  /**
   * Runs a process to its end, and meanwhile does {@code look} every so often on this thread.
   *
   * @param look must not throw
   */
  public ProcessEnd run(ProcessSpec spec, Duration every, Runnable look)
      throws SpawnFailed, InterruptedException {
    String claim = spec.environment().getOrDefault(CLAIM_VARIABLE, NO_CLAIM);
    Map<String, String> environment = new HashMap<>(spec.environment());
    environment.put(BOOT_VARIABLE, boot);
    String token = UUID.randomUUID().toString();
    environment.put("RQ_WORKER_PROCESS", token);
    int pid = spawner.spawn(spec, environment);
    CompletableFuture<Reaper.Ended> end = reaper.watch(pid);
    Family family = new Family(Set.of(pid), "RQ_WORKER_PROCESS=" + token);
    boolean timedOut = false;
    try {
      Reaper.Ended ended;
      try {
        if (!endsSoon(end)) {
          enroll(pid, claim);
        }
        ended = await(end, spec.timeout() == null ? FOREVER : spec.timeout(), every, look);
      } catch (TimeoutException e) {
        timedOut = true;
        end(family, spec.grace());
        ended = end.join();
      } catch (InterruptedException e) {
        end(family, spec.grace());
        end.join();
        throw e;
      }
      endLeftovers(pid, family, spec.grace());
      return new ProcessEnd(
          pid,
          ended.waited().exit(),
          timedOut,
          ended.wall(),
          ended.waited().user(),
          ended.waited().system(),
          ended.peakRss(),
          ended.io().read(),
          ended.io().written());
    } finally {
      if (sessions.remove(pid) != null) {
        tellGuard("ended " + pid + " " + claim + "\n");
      }
    }
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
    end(Family.below(pid, CLAIM_VARIABLE + "=" + claim), grace);
  }

  /**
   * Ends these sessions, which this process has not started, and all that came from them. Returns
   * when none of it is left.
   */
  public void endSessions(Set<Integer> pids, String claim) {
    end(new Family(pids, CLAIM_VARIABLE + "=" + claim), Duration.ZERO);
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
    try {
      await(end, SOON, SOON, () -> {});
      return true;
    } catch (TimeoutException e) {
      return false;
    }
  }

  private static Reaper.Ended await(
      CompletableFuture<Reaper.Ended> end, Duration timeout, Duration every, Runnable look)
      throws InterruptedException, TimeoutException {
    long deadline = System.nanoTime() + timeout.toNanos();
    while (true) {
      long left = deadline - System.nanoTime();
      try {
        return end.get(Math.min(left, every.toNanos()), TimeUnit.NANOSECONDS);
      } catch (TimeoutException e) {
        if (left <= every.toNanos()) {
          throw e;
        }
        look.run();
      } catch (ExecutionException e) {
        throw new IllegalStateException("the reaper failed", e);
      }
    }
  }

  /** A look at the whole of /proc is dear, so it is taken only when something may be left. */
  private static void endLeftovers(int pid, Family family, Duration grace) {
    List<Integer> adopted = ProcFs.adopted();
    if (Libc.groupExists(pid) || adopted == null || !adopted.isEmpty()) {
      end(family, grace);
    }
  }

  private static void end(Family family, Duration grace) {
    family.end(
        grace,
        survivor ->
            LOG.error(
                "Process {} does not end after SIGKILL; its slot is blocked until it does."
                    + " Look for a hung file system.",
                survivor.pid()));
    family.reapAdopted();
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
