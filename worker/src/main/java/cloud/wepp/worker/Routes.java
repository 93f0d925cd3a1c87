package cloud.wepp.worker;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.JobRecord;
import cloud.wepp.rq.MalformedJob;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobOutcome;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Which handler runs a job: one of this worker's own by the function's name, else Python. */
final class Routes {
  /** {@code cloud.wepp.noop}: does nothing and returns None, for smoke tests and benchmarks. */
  static final Map<String, JobHandler> BUILT_IN =
      Map.of("cloud.wepp.noop", (call, context) -> new JobOutcome.Succeeded(PyValue.None.NONE));

  private final Map<String, JobHandler> natives;
  private final @Nullable JobHandler python;
  private final Set<String> nativeQueues;
  private final List<Pattern> toPython;
  private final List<Pattern> refused;

  /**
   * @param python runs whatever has no handler here; null when there is no Python
   */
  Routes(
      Map<String, JobHandler> natives, @Nullable JobHandler python, WorkerConfig.Routing routing) {
    this.natives = Map.copyOf(natives);
    this.python = python;
    nativeQueues = Set.copyOf(routing.nativeQueues());
    toPython = patterns(routing.toPython());
    refused = patterns(routing.refuse());
  }

  /** In a pattern, {@code *} stands for any characters. */
  private static List<Pattern> patterns(Collection<String> patterns) {
    return patterns.stream()
        .map(pattern -> Pattern.compile(Pattern.quote(pattern).replace("*", "\\E.*\\Q")))
        .toList();
  }

  /**
   * Whether this worker takes a job from a queue. A job that nobody can read is taken too, so that
   * it fails with the reason; rq's workers do the same.
   */
  boolean canRun(String queue, JobRecord job) {
    if (job.data().length == 0) {
      return true; // the hash is gone: taking it drops the id, as rq does
    }
    boolean pythonToo = python != null && !nativeQueues.contains(queue);
    try {
      Call call = Call.read(job.data());
      return !matches(refused, call) && (pythonToo || isNative(job, call));
    } catch (MalformedJob e) {
      return pythonToo || !e.refused();
    }
  }

  /** Empty when nothing here can run the job. */
  Optional<JobHandler> of(JobRecord job, Call call) {
    return isNative(job, call)
        ? Optional.ofNullable(natives.get(call.function()))
        : Optional.ofNullable(python);
  }

  /** A job whose call cannot be read here, though Python may: its pickle is only refused here. */
  Optional<JobHandler> of(MalformedJob unread) {
    return unread.refused() ? Optional.ofNullable(python) : Optional.empty();
  }

  /** Instances of Python classes, and Python callbacks, are for Python. */
  private boolean isNative(JobRecord job, Call call) {
    return natives.containsKey(call.function())
        && !call.hasInstance()
        && !job.hasCallbacks()
        && !matches(toPython, call);
  }

  private static boolean matches(List<Pattern> patterns, Call call) {
    return patterns.stream().anyMatch(pattern -> pattern.matcher(call.function()).matches());
  }
}
