package cloud.wepp.worker;

import cloud.wepp.worker.config.WorkerConfig;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Which waiting jobs may start now: some queues and functions may have a limited number of slots,
 * and queues, functions and workers can be paused. Not safe for threads: the intake's lock guards
 * it.
 */
final class Admission {
  private final Map<String, Integer> queueSlots = new HashMap<>();
  private final List<Limit> functionSlots;
  private final Map<String, Job> held =
      new HashMap<>(); // by the worker that runs or tries to take it
  private Set<String> paused = Set.of();
  private long version;

  private record Limit(Pattern functions, int slots) {}

  private record Job(String queue, String function) {}

  Admission(WorkerConfig.Routing routing) {
    routing.queueSlots().forEach(limit -> queueSlots.put(name(limit), slots(limit)));
    functionSlots =
        routing.functionSlots().stream()
            .map(limit -> new Limit(Routes.pattern(name(limit)), slots(limit)))
            .toList();
  }

  /** What is before the last colon of {@code name:slots}. */
  private static String name(String limit) {
    return limit.substring(0, limit.lastIndexOf(':')).strip();
  }

  private static int slots(String limit) {
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
    return version;
  }

  /** The worker runs this job, or is about to. */
  void enter(String worker, String queue, String function) {
    held.put(worker, new Job(queue, function));
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

  boolean admitsFunction(String function) {
    return paused.stream().noneMatch(what -> pauses(what, function))
        && functionSlots.stream().allMatch(limit -> leavesRoom(limit, function));
  }

  /** Whether a pause is of this function, or of a pattern that it matches. */
  static boolean pauses(String what, String function) {
    return what.startsWith("function ")
        && Routes.pattern(what.substring("function ".length())).matcher(function).matches();
  }

  private boolean leavesRoom(Limit limit, String function) {
    return !limit.functions.matcher(function).matches()
        || held.values().stream()
                .filter(job -> limit.functions.matcher(job.function).matches())
                .count()
            < limit.slots;
  }
}
