package cloud.wepp.worker;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.JobRecord;
import cloud.wepp.worker.config.WorkerConfig;
import java.util.List;
import java.util.regex.Pattern;

/** What may become of a job whose worker dies, or has to leave before the job has ended. */
final class Recovery {
  private final Routes routes;
  private final List<Pattern> again;
  private final List<Pattern> once;
  private final List<Pattern> finish;

  Recovery(Routes routes, WorkerConfig.Recovery config) {
    this.routes = routes;
    again = Routes.patterns(config.again());
    once = Routes.patterns(config.once());
    finish = Routes.patterns(config.finish());
  }

  /**
   * Whether a job may be begun again. This worker's own functions write whole files and may; a
   * Python function may have done anything.
   *
   * @param begun whether a Python function may have begun
   */
  boolean again(JobRecord job, Call call, boolean begun) {
    boolean ours = routes.isNative(job, call);
    if (!ours && !begun) {
      return true;
    }
    return (ours || Routes.matches(again, call)) && !Routes.matches(once, call);
  }

  /** Whether a worker that has to leave waits for the job's end. */
  boolean finishes(Call call) {
    return Routes.matches(finish, call);
  }
}
