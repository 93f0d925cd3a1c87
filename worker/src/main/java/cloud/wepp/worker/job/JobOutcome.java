package cloud.wepp.worker.job;

import cloud.wepp.rq.pickle.PyValue;

/** How a job went. */
public sealed interface JobOutcome {

  /** The function returned {@code value}. */
  record Succeeded(PyValue value) implements JobOutcome {}

  /**
   * The function failed.
   *
   * @param traceback the text for rq's {@code exc_string}: what was done, on what, what was found.
   *     Its last line has the form of Python's, {@code ExceptionType: message}
   */
  record Failed(String traceback) implements JobOutcome {}

  /** The job was stopped from outside before it ended. */
  record Cut(StopReason reason) implements JobOutcome {}
}
