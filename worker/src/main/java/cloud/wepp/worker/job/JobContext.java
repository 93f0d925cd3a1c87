package cloud.wepp.worker.job;

import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.process.Limits;
import cloud.wepp.worker.process.ProcessEnd;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What a handler may ask of the runtime while one job runs. All methods may be called from any
 * thread.
 */
public interface JobContext {

  /** rq's job id. */
  String jobId();

  /**
   * The claim: proof that this slot holds the job. Put into the environment of every process of the
   * job.
   */
  String claimId();

  /** rq's id of this execution of the job. */
  String executionId();

  /** The rq worker name of the slot that runs the job. */
  String worker();

  /** The time. */
  InstantSource clock();

  /** Why the job was told to stop; empty while it was not. */
  Optional<StopReason> stopReason();

  /** Whether the function may be begun a second time after it was cut off in the middle. */
  boolean mayBeginAgain();

  /** rq's {@code timeout} of the job; empty for no limit. */
  OptionalLong timeoutSeconds();

  /** The queue that the job came from. */
  String queue();

  /** rq's description of the call. */
  String description();

  /** Waits; returns early only by an interrupt. */
  void pause(Duration time) throws InterruptedException;

  /**
   * Publishes one line of WEPPcloud's status on a channel; never fails and never blocks for long.
   */
  void publish(String channel, String text);

  /**
   * Sets {@code timestamps:<task>} to now in WEPPcloud's RedisPrep hash of a run.
   *
   * @param run the last part of the run folder, which is the key of the hash
   * @return the hash as it is now, without its {@code locked:} fields, for {@code redisprep.dump}
   */
  Map<String, String> timestamp(String run, String task);

  /**
   * Sets keys of the job's {@code meta}, beside what others have written meanwhile.
   *
   * @return whether they are written
   */
  boolean putMeta(Map<String, PyValue> entries);

  /** One line that a process of the job has printed, for those who follow the job. */
  void printed(String line);

  /** Notes for the history what the result is doubtful for, though the job went well. */
  void doubt(String text);

  /**
   * A process of the job does nothing any more.
   *
   * @param name for example {@code wepp watershed}
   * @param what in words
   */
  void stalled(String name, String what);

  /**
   * Adds one ended process to the job's account.
   *
   * @param name for example {@code wepp hillslope 7}
   */
  void account(String name, ProcessEnd end);

  /** What each of the job's processes may use. */
  Limits limits();
}
