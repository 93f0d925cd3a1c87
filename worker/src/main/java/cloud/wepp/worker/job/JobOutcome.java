package cloud.wepp.worker.job;

import cloud.wepp.rq.pickle.PyValue;

/** How a job went. */
public sealed interface JobOutcome {

  /** The function returned {@code value}. */
  record Succeeded(PyValue value) implements JobOutcome {}

  /**
   * The function failed.
   *
   * @param cause why, in one word for the history
   * @param traceback the text for rq's {@code exc_string}: what was done, on what, what was found.
   *     Its last line has the form of Python's, {@code ExceptionType: message}
   */
  record Failed(String traceback, String cause) implements JobOutcome {
    public Failed(String traceback) {
      this(traceback, "failed");
    }
  }

  /**
   * rq itself ran the job, and has written how it ended.
   *
   * @param ending {@code finished}, {@code failed}, {@code stopped} or {@code retried}; empty when
   *     rq is not known to have written anything
   * @param error the last line of the failure's text; empty when there was none
   * @param otherwise the failure to write if rq has written nothing
   */
  record Recorded(String ending, String error, String otherwise) implements JobOutcome {}

  /** The job was stopped from outside before it ended. */
  record Cut(StopReason reason) implements JobOutcome {}
}
