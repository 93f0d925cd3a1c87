package cloud.wepp.rq;

import java.util.Locale;

/** The names of all Redis keys: rq's own, and ours below {@code <prefix>:wepp}. */
final class Keys {
  final String prefix;

  /** rq's zsets of job ids, one of each kind per queue. */
  enum Registry {
    /** Started jobs, by the time at which they count as abandoned. */
    WIP,
    /** By the time at which rq forgets them. */
    FINISHED,
    /** By the time at which rq forgets them; also stopped jobs. */
    FAILED,
    DEFERRED,
    /** By the time at which they are due. */
    SCHEDULED,
    CANCELED,
    /** rq 3.0: dependents on their way into the queue. */
    READY
  }

  Keys(String prefix) {
    this.prefix = prefix;
  }

  /** Hash: one job. */
  String job(String id) {
    return prefix + ":job:" + id;
  }

  /** List of job ids; the head runs next. */
  String queue(String queue) {
    return prefix + ":queue:" + queue;
  }

  /** List of ids that a Python worker has popped and not yet started. */
  String intermediate(String queue) {
    return queue(queue) + ":intermediate";
  }

  String registry(Registry registry, String queue) {
    return prefix + ":" + registry.name().toLowerCase(Locale.ROOT) + ":" + queue;
  }

  /** Hash: one run of a job. */
  String execution(String job, String execution) {
    return prefix + ":execution:" + job + ":" + execution;
  }

  /** Set of the keys of all queues. */
  String queues() {
    return prefix + ":queues";
  }

  /** Hash: one worker, which is one slot here. */
  String worker(String worker) {
    return prefix + ":worker:" + worker;
  }

  /** Set of {@code <job>:<execution>} that a worker runs; rq 3.0 reads its current job from it. */
  String workerExecutions(String worker) {
    return worker(worker) + ":executions";
  }

  /** Set of the keys of all workers. */
  String workers() {
    return prefix + ":workers";
  }

  /** Set of the keys of the workers of one queue. */
  String workers(String queue) {
    return prefix + ":workers:" + queue;
  }

  /** Channel of rq's commands to one worker. */
  String commands(String worker) {
    return prefix + ":pubsub:" + worker;
  }

  /** String: present while all workers are suspended. */
  String suspended() {
    return prefix + ":suspended";
  }

  /**
   * Our own zset: {@code <job>|<claim>} by the time until which the claim is held, in ms of Redis
   * time.
   */
  String leases() {
    return prefix + ":wepp:leases";
  }

  /** Our own hash: how rq ended a job in a Python child, written in the child under its claim. */
  String ended(String claim) {
    return prefix + ":wepp:ended:" + claim;
  }

  /** Our own stream: every state change that this worker makes. */
  String events() {
    return prefix + ":wepp:events";
  }

  /** Our own string: the identity of this data set, new after a flush. */
  String source() {
    return prefix + ":wepp:source";
  }
}
