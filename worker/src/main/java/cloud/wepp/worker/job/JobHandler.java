package cloud.wepp.worker.job;

import cloud.wepp.rq.Call;
import java.time.Duration;

/** Runs the jobs of one function. */
@FunctionalInterface
public interface JobHandler {
  /**
   * Runs one job to its end. When the calling thread is interrupted the job has been told to stop:
   * the handler ends whatever it started and throws.
   *
   * @return how it went; a failure of the job is a value, not an exception
   * @throws InterruptedException after everything the job started has ended
   */
  JobOutcome handle(Call call, JobContext context) throws InterruptedException;

  /**
   * How long after its timeout the job is still left alone, because the handler sees to the timeout
   * itself.
   */
  default Duration overtime() {
    return Duration.ZERO;
  }
}
