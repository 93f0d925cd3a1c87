package cloud.wepp.worker.job;

import java.util.OptionalLong;

/** Why a running job was told to stop. The first reason wins. */
public enum StopReason {
  /** The job ran longer than its rq {@code timeout}. */
  TIMEOUT,
  /** rq's {@code stop-job} or {@code stop-execution}, or the job was canceled. */
  STOPPED,
  /** rq's {@code kill-horse}. */
  KILLED,
  /** The worker shuts down. */
  DRAINED,
  /** The job was deleted or reclaimed: nothing more may be written. */
  CLAIM_LOST;

  /**
   * rq's own words for this end, for {@code exc_string}.
   *
   * @param timeoutSeconds the job's timeout
   */
  public String text(OptionalLong timeoutSeconds) {
    return switch (this) {
      case TIMEOUT ->
          "rq.timeouts.JobTimeoutException: Task exceeded maximum timeout value (%d seconds)"
              .formatted(timeoutSeconds.orElse(-1));
      case KILLED ->
          "Work-horse terminated unexpectedly; waitpid returned 9 (signal 9); ended by rq's"
              + " kill-horse command.";
      case STOPPED -> "Job stopped by user, work-horse terminated.";
      case DRAINED ->
          "The worker had to leave before the job ended, and the job may not be begun again.";
      case CLAIM_LOST -> "The worker lost its claim on the job.";
    };
  }
}
