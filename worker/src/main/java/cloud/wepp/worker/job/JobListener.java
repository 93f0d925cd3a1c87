package cloud.wepp.worker.job;

import cloud.wepp.rq.Claim;
import cloud.wepp.rq.JobQueue.Settled;
import cloud.wepp.rq.Settlement;

/** Told of each step of each job, on the slot's own thread. Must not block and must not throw. */
public interface JobListener {
  default void started(Claim claim) {}

  /** A claim has ended: {@code settled} tells whether {@code settlement} was written. */
  default void settled(Claim claim, Settlement settlement, Settled settled) {}
}
