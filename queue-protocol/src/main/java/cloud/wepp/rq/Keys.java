package cloud.wepp.rq;

/** The names of all Redis keys: rq's own, and ours below {@code <prefix>:wepp}. */
final class Keys {
  final String prefix;

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

  /** Hash: one run of a job. */
  String execution(String job, String execution) {
    return prefix + ":execution:" + job + ":" + execution;
  }

  /** Set of the keys of all queues. */
  String queues() {
    return prefix + ":queues";
  }

  /** Sorted set of job ids in one state, or of {@code <job>:<execution>} for {@code wip}. */
  String registry(String name, String queue) {
    return prefix + ":" + name + ":" + queue;
  }

  /** Stream of the last results of a job. */
  String results(String id) {
    return prefix + ":results:" + id;
  }

  /** Set of the names of rq 3.0's concurrency limits. */
  String limits() {
    return prefix + ":rl-keys";
  }

  /** Hash: the configuration of one limit; its sorted sets have longer names. */
  String limit(String limit) {
    return prefix + ":rl:" + limit;
  }

  /** Sorted set of the ids of jobs that wait for a limit. */
  String limited(String limit) {
    return limit(limit) + ":rate_limited";
  }

  /** Hash: one worker, which is one slot here. */
  String worker(String worker) {
    return prefix + ":worker:" + worker;
  }

  /** Set of {@code <job>:<execution>} that a worker runs; rq 3.0 reads its current job from it. */
  String workerExecutions(String worker) {
    return worker(worker) + ":executions";
  }

  /** Zset: jobs of a queue that wait for others to end. */
  String deferred(String queue) {
    return prefix + ":deferred:" + queue;
  }

  /** Set of the ids that a job waits for. */
  String dependencies(String id) {
    return prefix + ":job::" + id + ":dependencies";
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

  /** List of ids that a Python worker took and has not started yet. */
  String intermediate(String queue) {
    return queue(queue) + ":intermediate";
  }

  /** Set of the names of all groups. */
  String groups() {
    return prefix + ":groups";
  }

  /** Set of the job ids of one group. */
  String group(String group) {
    return prefix + ":group:" + group;
  }

  /** Hash: one scheduler. */
  String scheduler(String name) {
    return prefix + ":scheduler:" + name;
  }

  /** String: the name of the scheduler that moves a queue's jobs; a process id before rq 2.10. */
  String schedulerLock(String queue) {
    return prefix + ":scheduler-lock:" + queue;
  }

  /** String: present while somebody cleans a queue's registries. */
  String maintenanceLock(String queue) {
    return prefix + ":clean_registries:" + queue;
  }

  /** String: present for a while after somebody has cleaned the groups. */
  String groupsLock() {
    return prefix + ":clean_groups";
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

  /** Our own stream: what a job prints, while somebody follows it. */
  String log(String claim) {
    return prefix + ":wepp:log:" + claim;
  }

  /** Our own stream: every state change that this worker makes. */
  String events() {
    return prefix + ":wepp:events";
  }

  /** Our own string: how many events were dropped because too many waited. */
  String dropped() {
    return prefix + ":wepp:dropped";
  }

  /** Our own set: what is paused, as {@code queue NAME} and so on. */
  String paused() {
    return prefix + ":wepp:paused";
  }

  /** Our own hash: when an id in the intermediate list was first seen there. */
  String taken(String queue) {
    return prefix + ":wepp:taken:" + queue;
  }

  /** Our own string, for a second: whether it can be written. */
  String trial() {
    return prefix + ":wepp:trial";
  }

  /** Our own string: the identity of this data set, new after a flush. */
  String source() {
    return prefix + ":wepp:source";
  }
}
