package cloud.wepp.worker;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.JobRecord;
import cloud.wepp.rq.MalformedJob;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobOutcome;
import java.util.Map;
import java.util.Set;

/** The functions of this worker's own, and which jobs it can run. */
public final class Functions {
  private Functions() {}

  /** {@code cloud.wepp.noop}: does nothing and returns None, for smoke tests and benchmarks. */
  public static final Map<String, JobHandler> BUILT_IN =
      Map.of("cloud.wepp.noop", (call, context) -> new JobOutcome.Succeeded(PyValue.None.NONE));

  /**
   * Whether this worker takes a job. A job that nobody can read is taken too, so that it fails with
   * the reason; rq's workers do the same. A job with Python callbacks is for Python, and so is one
   * whose pickle is only refused here.
   */
  static boolean canRun(Set<String> functions, JobRecord job) {
    if (job.data().length == 0) {
      return true; // the hash is gone: taking it drops the id, as rq does
    }
    try {
      Call call = Call.read(job.data());
      return functions.contains(call.function()) && !call.hasInstance() && !job.hasCallbacks();
    } catch (MalformedJob e) {
      return !e.refused();
    }
  }
}
