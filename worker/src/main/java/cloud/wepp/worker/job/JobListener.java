package cloud.wepp.worker.job;

import cloud.wepp.rq.Claim;
import cloud.wepp.rq.Event;
import cloud.wepp.rq.JobQueue.Settled;
import cloud.wepp.rq.Settlement;
import cloud.wepp.worker.process.ProcessEnd;
import java.time.Duration;
import java.util.List;

/**
 * Told of each step of each job, on the thread that makes it. Must not block and must not throw.
 */
public interface JobListener {
  default void started(Claim claim) {}

  /** A claim has ended: {@code settled} tells whether {@code settlement} was written. */
  default void settled(Claim claim, Settlement settlement, Settled settled) {}

  /** The same claim, told after {@link #settled}: how the job went here. */
  default void ended(Claim claim, Ran ran) {}

  /**
   * How a job went.
   *
   * @param function its dotted name; empty when its call cannot be read
   * @param outcome finished, failed, stopped, retried, given_back (to its queue), canceled or lost
   * @param waited in its queue
   * @param ran until it had ended
   */
  record Ran(String function, String outcome, Duration waited, Duration ran) {}

  /**
   * A process of a job has ended.
   *
   * @param name for example {@code wepp hillslope 7}
   */
  default void used(String name, ProcessEnd end) {}

  /** A process of the job, named as in {@link #used}, does nothing any more. */
  default void stalled(Claim claim, String name) {}

  /** A process of the job does not end after SIGKILL, and blocks the slot until it does. */
  default void survivor(Claim claim, int pid) {}

  /** The claim of a worker that is gone was ended by this one; as {@link #settled}. */
  default void reclaimed(Claim claim, Settlement settlement, Settled settled) {}

  /**
   * All claims were confirmed.
   *
   * @param late how long after its time the heartbeat began
   */
  default void heartbeat(Duration late) {}

  /** These events are in Postgres now. */
  default void recorded(List<Event> events) {}

  /**
   * How many events wait for Postgres; told every 5 s.
   *
   * @param oldest how long the first of them has waited
   */
  default void backlog(long events, Duration oldest) {}

  /** How many jobs in a queue this worker cannot run, told when the number changes. */
  default void foreign(String queue, int count) {}
}
