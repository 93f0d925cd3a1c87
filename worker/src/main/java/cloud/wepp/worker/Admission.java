package cloud.wepp.worker;

import cloud.wepp.worker.config.WorkerConfig;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Which waiting jobs may start now: some queues and functions may have a limited number of slots,
 * queues, functions and workers can be paused, a run is for one job at a time, and memory is not
 * for more jobs than it is enough for. Not safe for threads: the intake's lock guards it.
 */
final class Admission {
  private static final Duration ASK_AGAIN = Duration.ofSeconds(1);
  private static final Duration PATIENCE = Duration.ofMinutes(1);
  private static final Duration FORGOTTEN = Duration.ofMinutes(5);

  private final Map<String, Integer> queueSlots = new HashMap<>();
  private final List<Limit> functionSlots;
  private final Map<String, Job> held =
      new HashMap<>(); // by the worker that runs or tries to take it
  private final List<Limit> usualMemory; // in MiB
  private final long memory;
  private Map<String, Long> expected = Map.of(); // bytes by function
  private @Nullable Hungry hungry;
  private final Map<String, Long> busyRuns = new HashMap<>(); // elsewhere, until System.nanoTime
  private Set<String> paused = Set.of();
  private long version;

  private record Limit(Pattern functions, int number) {}

  private record Job(String queue, Routes.Route route, long memory) {}

  /** A function whose jobs wait for memory, and since when, and when that was last found. */
  private record Hungry(String function, long memory, long since, long seen) {

    /** What others leave free for it, so that it starts at last. */
    long keeps(long now) {
      return now - since > PATIENCE.toNanos() ? memory : 0;
    }
  }

  /**
   * @param memory what all jobs may take together, in bytes
   */
  Admission(WorkerConfig.Routing routing, WorkerConfig.Limits limits, long memory) {
    routing.queueSlots().forEach(limit -> queueSlots.put(name(limit), number(limit)));
    functionSlots = limits(routing.functionSlots());
    usualMemory = limits(limits.functionMemory());
    this.memory = memory;
  }

  private static List<Limit> limits(List<String> texts) {
    return texts.stream()
        .map(limit -> new Limit(Routes.pattern(name(limit)), number(limit)))
        .toList();
  }

  /** What is before the last colon of {@code name:number}. */
  static String name(String limit) {
    return limit.substring(0, limit.lastIndexOf(':')).strip();
  }

  /** What is after it. */
  static int number(String limit) {
    return Integer.parseInt(limit.substring(limit.lastIndexOf(':') + 1).strip());
  }

  /**
   * What is paused: {@code queue NAME}, {@code function PATTERN}, or {@code worker NAME}.
   *
   * @return whether that is new
   */
  boolean pause(Set<String> now) {
    if (paused.equals(now)) {
      return false;
    }
    paused = Set.copyOf(now);
    version++;
    return true;
  }

  /** Changes whenever a job that was held back may have become free to start. */
  long version() {
    long now = System.nanoTime();
    if (busyRuns.values().removeIf(until -> now - until >= 0)) {
      version++;
    }
    return version;
  }

  /** The worker runs this job, or is about to. */
  void enter(String worker, String queue, Routes.Route route) {
    held.put(worker, new Job(queue, route, expected(route.function())));
    if (hungry != null && hungry.function().equals(route.function())) {
      hungry = null;
    }
  }

  /** The worker asked for a job in vain: another was faster, or works in the job's run. */
  void missed(String worker) {
    Job job = held.get(worker);
    if (job != null && !job.route.run().isEmpty()) {
      busyRuns.put(job.route.run(), System.nanoTime() + ASK_AGAIN.toNanos());
    }
    leave(worker);
  }

  void leave(String worker) {
    if (held.remove(worker) != null) {
      version++;
    }
  }

  int held() {
    return held.size();
  }

  /** A name of a worker stands for all its slots. */
  boolean admitsWorker(String worker) {
    return paused.stream()
        .noneMatch(what -> what.equals("worker " + worker) || isSlotOf(what, worker));
  }

  private static boolean isSlotOf(String what, String worker) {
    return what.startsWith("worker ")
        && worker.matches(
            Pattern.quote(what.substring("worker ".length())) + "(-[0-9a-f]{8})?\\.\\d+");
  }

  boolean admitsQueue(String queue) {
    int slots = queueSlots.getOrDefault(queue, Integer.MAX_VALUE);
    return !paused.contains("queue " + queue)
        && (slots == Integer.MAX_VALUE
            || held.values().stream().filter(job -> job.queue.equals(queue)).count() < slots);
  }

  boolean limitsQueues() {
    return !queueSlots.isEmpty();
  }

  boolean isPaused(String queue) {
    return paused.contains("queue " + queue);
  }

  /** Whether a job may start, as far as that is not its queue's matter. */
  boolean admits(Routes.Route route) {
    String function = route.function();
    return paused.stream().noneMatch(what -> pauses(what, function))
        && functionSlots.stream().allMatch(limit -> leavesRoom(limit, function))
        && isFree(route.run())
        && leavesMemory(function);
  }

  private boolean isFree(String run) {
    return run.isEmpty()
        || (!busyRuns.containsKey(run)
            && held.values().stream().noneMatch(job -> job.route.run().equals(run)));
  }

  /** What jobs of each function are expected to take, in bytes, where the past tells. */
  void expect(Map<String, Long> memory) {
    if (!expected.equals(memory)) {
      expected = Map.copyOf(memory);
      version++;
    }
  }

  private long expected(String function) {
    Long known = expected.get(function);
    return known != null
        ? known
        : usualMemory.stream()
            .filter(usual -> usual.functions.matcher(function).matches())
            .findFirst()
            .map(usual -> (long) usual.number << 20)
            .orElse(0L);
  }

  /** A job that needs more than there is may run alone; one that has waited long goes first. */
  private boolean leavesMemory(String function) {
    long need = expected(function);
    long taken = held.values().stream().mapToLong(Job::memory).sum();
    if (need == 0 || taken == 0) {
      return true;
    }
    long now = System.nanoTime();
    Hungry first = hungry;
    if (first != null && now - first.seen() > FORGOTTEN.toNanos()) {
      first = null;
    }
    boolean own = first == null || first.function().equals(function);
    if (taken + need + (first == null || own ? 0 : first.keeps(now)) <= memory) {
      return true;
    }
    if (own) {
      hungry = new Hungry(function, need, first == null ? now : first.since(), now);
    }
    return false;
  }

  /** Whether a pause is of this function, or of a pattern that it matches. */
  static boolean pauses(String what, String function) {
    return what.startsWith("function ")
        && Routes.pattern(what.substring("function ".length())).matcher(function).matches();
  }

  private boolean leavesRoom(Limit limit, String function) {
    return !limit.functions.matcher(function).matches()
        || held.values().stream()
                .filter(job -> limit.functions.matcher(job.route.function()).matches())
                .count()
            < limit.number;
  }
}
