package cloud.wepp.rq;

import static cloud.wepp.rq.Wire.text;

import io.lettuce.core.Limit;
import io.lettuce.core.Range;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.StreamMessage;
import io.lettuce.core.api.StatefulRedisConnection;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What is in rq's queues and registries, who works there, and what this worker keeps beside them.
 * Only reads: rq's own monitors also clean up, which can fail a job.
 */
public final class Inventory implements AutoCloseable {
  private final RedisAccess redis;
  private final Keys keys;
  private final StatefulRedisConnection<String, byte[]> connection;

  /**
   * @param prefix of all keys, {@code rq} by default
   * @throws QueueUnavailable if Redis cannot be reached
   */
  public Inventory(RedisAccess redis, String prefix) {
    this.redis = redis;
    this.keys = new Keys(prefix);
    connection = redis.connect();
  }

  /**
   * All of it, within a few milliseconds of {@code at}, which is Redis' time.
   *
   * @param paused as {@link JobQueue#paused} has it
   * @param queues by name
   * @param workers those of one process side by side
   */
  public record Seen(
      Instant at,
      Suspension suspension,
      SortedSet<String> paused,
      Leases leases,
      Events events,
      List<QueueSeen> queues,
      List<WorkerSeen> workers) {}

  /**
   * Whether rq's workers are told to take nothing.
   *
   * @param left until they go on by themselves; null when they do not
   */
  public record Suspension(boolean suspended, @Nullable Duration left) {}

  /**
   * Our claims.
   *
   * @param held kept by a heartbeat
   * @param overdue those whose worker is gone, or is cut off from Redis
   */
  public record Leases(long held, long overdue) {}

  /**
   * State changes that wait for Postgres.
   *
   * @param oldest when the first of them was written; null when none waits
   * @param dropped so far, because too many waited
   */
  public record Events(long waiting, @Nullable Instant oldest, long dropped) {}

  /**
   * How many jobs of a queue are where, as rq counts them: entries that are past their time do not
   * count.
   *
   * @param abandoned started jobs without a heartbeat: the next cleanup retries or fails them
   * @param intermediate popped by a Python worker and not yet started
   * @param ready dependents that an rq 3.0 worker has not yet put into the queue
   */
  public record QueueSeen(
      String name,
      long waiting,
      long started,
      long finished,
      long failed,
      long deferred,
      long scheduled,
      long canceled,
      long abandoned,
      long intermediate,
      long ready) {}

  /**
   * One rq worker. A field that is missing or cannot be read is empty, null or 0.
   *
   * @param job the id of the job that it runs
   * @param succeeded jobs that it has ended so
   * @param failed jobs that it has ended so, with those that were retried
   * @param worked in jobs that have ended
   * @param blocked what blocks the slot, in words; empty when nothing does
   */
  public record WorkerSeen(
      String name,
      String state,
      @Nullable String job,
      List<String> queues,
      String host,
      @Nullable Long pid,
      long succeeded,
      long failed,
      Duration worked,
      @Nullable Instant heartbeat,
      @Nullable Instant birth,
      String blocked) {}

  /**
   * Reads in two round trips; in three when an rq 3.0 worker is busy.
   *
   * @param only these queues and who serves one of them; all when empty
   * @throws QueueUnavailable if Redis does not answer
   */
  public Seen read(Collection<String> only) {
    return redis.reach("read queues and workers", () -> readNow(only));
  }

  private Seen readNow(Collection<String> only) {
    var async = connection.async();
    RedisFuture<List<byte[]>> time = async.time();
    RedisFuture<Long> suspended = async.pttl(keys.suspended());
    RedisFuture<Set<byte[]>> paused = async.smembers(keys.paused());
    RedisFuture<Long> waiting = async.xlen(keys.events());
    RedisFuture<List<StreamMessage<String, byte[]>>> oldest =
        async.xrange(keys.events(), Range.unbounded(), Limit.from(1));
    RedisFuture<byte[]> dropped = async.get(keys.dropped());
    RedisFuture<Set<byte[]>> queueKeys = async.smembers(keys.queues());
    RedisFuture<Set<byte[]>> workerKeys = async.smembers(keys.workers());

    Instant at = Wire.time(answer(time));
    List<Supplier<QueueSeen>> queues =
        (only.isEmpty() ? names(answer(queueKeys), keys.queue("")) : only.stream())
            .distinct()
            .sorted()
            .map(queue -> askQueue(queue, at))
            .toList();
    List<Asked> workers = names(answer(workerKeys), keys.worker("")).map(this::askWorker).toList();
    RedisFuture<Long> leases = async.zcard(keys.leases());
    RedisFuture<Long> overdue = async.zcount(keys.leases(), upTo(at.toEpochMilli()));

    return new Seen(
        at,
        suspension(answer(suspended)),
        names(answer(paused), "").collect(Collectors.toCollection(TreeSet::new)),
        new Leases(Math.max(0, answer(leases) - answer(overdue)), answer(overdue)),
        new Events(answer(waiting), oldest(answer(oldest)), count(answer(dropped))),
        queues.stream().map(Supplier::get).toList(),
        workers(workers, only));
  }

  private static Suspension suspension(long millis) {
    return new Suspension(millis != -2, millis < 0 ? null : Duration.ofMillis(millis));
  }

  private static @Nullable Instant oldest(List<StreamMessage<String, byte[]>> first) {
    if (first.isEmpty()) {
      return null;
    }
    String id = first.getFirst().getId();
    return Instant.ofEpochMilli(Long.parseLong(id, 0, id.indexOf('-'), 10));
  }

  private static long count(byte @Nullable [] number) {
    return number == null ? 0 : Long.parseLong(text(number));
  }

  /** What follows the prefix in those keys that have it. */
  private static Stream<String> names(Set<byte[]> found, String prefix) {
    return found.stream()
        .map(Wire::text)
        .filter(key -> key.startsWith(prefix))
        .map(key -> key.substring(prefix.length()));
  }

  private static Range<Long> upTo(long score) {
    return Range.create(0L, score); // rq's range of what is over: a score of -1 never is
  }

  private Supplier<QueueSeen> askQueue(String queue, Instant at) {
    var async = connection.async();
    RedisFuture<Long> waiting = async.llen(keys.queue(queue));
    RedisFuture<Long> intermediate = async.llen(keys.intermediate(queue));
    LongSupplier started = askLive("wip", queue, at);
    LongSupplier finished = askLive("finished", queue, at);
    LongSupplier failed = askLive("failed", queue, at);
    LongSupplier deferred = askAll("deferred", queue);
    LongSupplier scheduled = askAll("scheduled", queue);
    LongSupplier canceled = askAll("canceled", queue);
    LongSupplier abandoned = askOver("wip", queue, at);
    LongSupplier ready = askAll("ready", queue);
    return () ->
        new QueueSeen(
            queue,
            answer(waiting),
            started.getAsLong(),
            finished.getAsLong(),
            failed.getAsLong(),
            deferred.getAsLong(),
            scheduled.getAsLong(),
            canceled.getAsLong(),
            abandoned.getAsLong(),
            answer(intermediate),
            ready.getAsLong());
  }

  private LongSupplier askAll(String registry, String queue) {
    RedisFuture<Long> asked = connection.async().zcard(keys.registry(registry, queue));
    return () -> answer(asked);
  }

  private LongSupplier askOver(String registry, String queue, Instant at) {
    RedisFuture<Long> asked =
        connection.async().zcount(keys.registry(registry, queue), upTo(at.getEpochSecond()));
    return () -> answer(asked);
  }

  private LongSupplier askLive(String registry, String queue, Instant at) {
    LongSupplier all = askAll(registry, queue);
    LongSupplier over = askOver(registry, queue, at);
    return () -> Math.max(0, all.getAsLong() - over.getAsLong()); // asked one after the other
  }

  /** What was asked of one worker. */
  private record Asked(
      String name, RedisFuture<Map<String, byte[]>> hash, RedisFuture<Set<byte[]>> executions) {}

  private Asked askWorker(String name) {
    var async = connection.async();
    return new Asked(
        name, async.hgetall(keys.worker(name)), async.smembers(keys.workerExecutions(name)));
  }

  private List<WorkerSeen> workers(List<Asked> asked, Collection<String> only) {
    List<Supplier<WorkerSeen>> found = new ArrayList<>();
    for (Asked one : asked) {
      Map<String, byte[]> hash = ofItsType(one.hash(), Map.of());
      if (!hash.isEmpty()) { // else the worker was killed, and rq has not noticed yet
        Supplier<@Nullable String> job = askJob(hash, ofItsType(one.executions(), Set.of()));
        found.add(() -> worker(one.name(), hash, job.get()));
      }
    }
    return found.stream()
        .map(Supplier::get)
        .filter(worker -> only.isEmpty() || worker.queues().stream().anyMatch(only::contains))
        .sorted(BY_PROCESS)
        .toList();
  }

  private static final Comparator<WorkerSeen> BY_PROCESS =
      Comparator.comparing(WorkerSeen::host)
          .thenComparing(WorkerSeen::pid, Comparator.nullsFirst(Comparator.naturalOrder()))
          .thenComparingInt(worker -> worker.name().length()) // slot 2 before slot 10
          .thenComparing(WorkerSeen::name);

  /** rq 3.0 has its jobs in a set, where one stays that has ended badly. */
  private Supplier<@Nullable String> askJob(Map<String, byte[]> hash, Set<byte[]> executions) {
    byte[] current = hash.get("current_job");
    if (current != null) {
      return () -> text(current);
    }
    Map<String, RedisFuture<Long>> alive = new LinkedHashMap<>();
    for (byte[] member : executions) {
      String[] parts = text(member).split(":", 2);
      if (parts.length == 2) {
        alive.put(parts[0], connection.async().exists(keys.execution(parts[0], parts[1])));
      }
    }
    return () ->
        alive.entrySet().stream()
            .filter(entry -> answer(entry.getValue()) == 1)
            .map(Map.Entry::getKey)
            .findFirst()
            .orElse(null);
  }

  private static WorkerSeen worker(String name, Map<String, byte[]> hash, @Nullable String job) {
    String queues = field(hash, "queues");
    return new WorkerSeen(
        name,
        field(hash, "state"),
        job,
        queues.isEmpty() ? List.of() : List.of(queues.split(",", -1)),
        field(hash, "hostname"),
        read(() -> Long.valueOf(field(hash, "pid"))),
        count(hash, "successful_job_count"),
        count(hash, "failed_job_count"),
        worked(hash),
        Wire.instant(field(hash, "last_heartbeat")).orElse(null),
        Wire.instant(field(hash, "birth")).orElse(null),
        field(hash, "blocked"));
  }

  private static long count(Map<String, byte[]> hash, String field) {
    Long count = read(() -> Long.valueOf(field(hash, field)));
    return count == null ? 0 : count;
  }

  private static Duration worked(Map<String, byte[]> hash) {
    Double seconds = read(() -> Double.valueOf(field(hash, "total_working_time")));
    return seconds == null ? Duration.ZERO : Duration.ofMillis(Math.round(seconds * 1000));
  }

  private static String field(Map<String, byte[]> hash, String name) {
    byte[] value = hash.get(name);
    return value == null ? "" : text(value);
  }

  private static <T> @Nullable T read(Supplier<T> reading) {
    try {
      return reading.get();
    } catch (NumberFormatException | DateTimeException e) {
      return null;
    }
  }

  /** A tool may have listed as a worker what is none. */
  private <T> T ofItsType(RedisFuture<T> sent, T otherwise) {
    try {
      return answer(sent);
    } catch (RedisCommandExecutionException e) {
      if (String.valueOf(e.getMessage()).startsWith("WRONGTYPE")) {
        return otherwise;
      }
      throw e;
    }
  }

  private <T extends @Nullable Object> T answer(RedisFuture<T> sent) {
    return RedisAccess.answer(connection, sent);
  }

  @Override
  public void close() {
    connection.close();
  }
}
