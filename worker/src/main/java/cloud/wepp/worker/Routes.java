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

  static List<Pattern> patterns(Collection<String> patterns) {
    return patterns.stream().map(Routes::pattern).toList();
  }

  /** Of dotted names; {@code *} stands for any characters. */
  static Pattern pattern(String text) {
    return Pattern.compile(Pattern.quote(text).replace("*", "\\E.*\\Q"));
  }

  /** What becomes of a waiting job, and why. */
  enum Way {
    NATIVE(true, "runs here"),
    PYTHON(true, "runs here, in Python"),
    GONE(true, "its hash is gone: the id is dropped, as rq does"),
    UNREADABLE(true, "its call cannot be read: it is taken, and fails with the reason"),
    REFUSED(false, "stays: routing.refuse names it"),
    NATIVE_ONLY(false, "stays: routing.native-queues has this queue, and it needs Python"),
    NO_PYTHON(false, "stays: it needs Python, and python.enabled is false");

    /** Whether this worker takes the job. */
    final boolean taken;

    final String words;

    Way(boolean taken, String words) {
      this.taken = taken;
      this.words = words;
    }
  }

  /**
   * What becomes of a job in a queue. One that nobody can read is taken too, so that it fails with
   * the reason; rq's workers do the same.
   */
  Route route(String queue, JobRecord job) {
    if (job.data().length == 0) {
      return new Route(Way.GONE, "", "");
    }
    try {
      Call call = Call.read(job.data());
      Way way =
          matches(refused, call) ? Way.REFUSED : isNative(job, call) ? Way.NATIVE : python(queue);
      return new Route(way, call.function(), way == Way.NATIVE ? run(call) : "");
    } catch (MalformedJob e) {
      return new Route(e.refused() ? python(queue) : Way.UNREADABLE, "", "");
    }
  }

  /** Whether every job of a queue is taken, whatever its function. */
  boolean takesAll(String queue) {
    return python(queue).taken && refused.isEmpty();
  }

  /**
   * What was found of a waiting job.
   *
   * @param function its dotted name; empty when it could not be read
   * @param run the run that it must have alone: that of one of this worker's own functions; else
   *     empty
   */
  record Route(Way way, String function, String run) {}

  private Way python(String queue) {
    if (python == null) {
      return Way.NO_PYTHON;
    }
    return nativeQueues.contains(queue) ? Way.NATIVE_ONLY : Way.PYTHON;
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
  boolean isNative(JobRecord job, Call call) {
    return natives.containsKey(call.function())
        && !call.hasInstance()
        && !job.hasCallbacks()
        && !matches(toPython, call);
  }

  static boolean matches(List<Pattern> patterns, Call call) {
    return patterns.stream().anyMatch(pattern -> pattern.matcher(call.function()).matches());
  }

  /**
   * WEPPcloud's functions, and this worker's own, name the run in their first argument, or as
   * {@code runid}.
   */
  static String run(Call call) {
    PyValue first = call.args().isEmpty() ? call.kwargs().get("runid") : call.args().getFirst();
    String function = call.function();
    boolean names = function.startsWith("wepppy.") || function.startsWith("cloud.wepp.");
    return names && first instanceof PyValue.Str run ? run.value() : "";
  }
}
