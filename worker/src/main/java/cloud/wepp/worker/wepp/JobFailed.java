package cloud.wepp.worker.wepp;

import java.util.List;

/** A job fails, with a reason in Python's form and the evidence for it. */
final class JobFailed extends Exception {
  private static final long serialVersionUID = 1;

  private final String pythonType;
  private final transient List<String> evidence;
  private final String cause;

  /**
   * @param pythonType the exception that WEPPcloud's Python code raises here
   * @param evidence what was found, a line each
   * @param cause one word for the history
   */
  JobFailed(String pythonType, String message, List<String> evidence, String cause) {
    super(message);
    this.cause = cause;
    this.pythonType = pythonType;
    this.evidence = evidence;
  }

  JobFailed(String pythonType, String message, List<String> evidence) {
    this(pythonType, message, evidence, "failed");
  }

  JobFailed(String pythonType, String message) {
    this(pythonType, message, List.of());
  }

  /** Why, in one word for the history. */
  String cause() {
    return cause;
  }

  /** The text for rq's {@code exc_string}; its last line is what Python's would be. */
  String traceback(String call) {
    StringBuilder text = new StringBuilder("rq-worker: ").append(call).append(" failed\n");
    evidence.forEach(line -> text.append("  ").append(line).append('\n'));
    return text.append(pythonType).append(": ").append(getMessage()).append('\n').toString();
  }
}
