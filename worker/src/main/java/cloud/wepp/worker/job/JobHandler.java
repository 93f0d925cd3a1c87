package cloud.wepp.worker.job;

import cloud.wepp.rq.Call;

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
}
