package cloud.wepp.worker.job;

/** Why a running job was told to stop. The first reason wins. */
public enum StopReason {
  /** The job ran longer than its rq {@code timeout}. */
  TIMEOUT,
  /** rq's {@code stop-job} or {@code stop-execution}. */
  STOPPED,
  /** rq's {@code kill-horse}. */
  KILLED,
  /** The worker shuts down. */
  DRAINED,
  /** The job was canceled, deleted or reclaimed: nothing more may be written. */
  CLAIM_LOST
}
