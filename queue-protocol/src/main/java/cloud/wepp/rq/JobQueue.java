package cloud.wepp.rq;

import static cloud.wepp.rq.Wire.bytes;
import static cloud.wepp.rq.Wire.text;

import io.lettuce.core.KeyValue;
import io.lettuce.core.LMoveArgs;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.async.RedisAsyncCommands;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * rq's queues in one Redis database, as a worker sees them. Take and settle are one script each, so
 * a job is always in exactly one place. Safe for use by many threads: they share one connection,
 * and only {@link Peek} has its own.
 *
 * <p>Every method throws {@link QueueUnavailable} when Redis does not answer; take and settle may
 * then be repeated.
 */
public final class JobQueue implements AutoCloseable {
  private final RedisAccess redis;
  private final Keys keys;
  private final QueueTiming timing;
  private final InstantSource clock;
  private final StatefulRedisConnection<String, byte[]> connection;
  private final Script turn;
  private final Script recorded;
  private final Script heartbeat;
  private final Script meta;

  public JobQueue(RedisAccess redis, String prefix, QueueTiming timing, InstantSource clock) {
    this.redis = redis;
    this.keys = new Keys(prefix);
    this.timing = timing;
    this.clock = clock;
    connection = redis.connect();
    turn =
        new Script(
            connection,
            "limiter.lua",
            "jobs.lua",
            "settle.lua",
            "payload.lua",
            "take.lua",
            "turn.lua");
    recorded = new Script(connection, "limiter.lua", "jobs.lua", "recorded.lua");
    heartbeat = new Script("heartbeat.lua", connection);
    meta = new Script("meta.lua", connection);
  }

  /**
   * How long records live without a heartbeat.
   *
   * @param lease until others may take the job over
   * @param wip until rq's own maintenance calls the job abandoned, and until a busy worker is
   *     forgotten
   * @param mostEvents events that may wait for the ledger before no new job is taken
   */
  public record QueueTiming(Duration lease, Duration wip, long mostEvents) {}

  /** What a heartbeat found. */
  public enum Held {
    HELD,
    CANCELED,
    LOST
  }

  /** What a settle found. */
  public enum Settled {
    SETTLED,
    /** The job was canceled while it ran, and stays canceled. */
    CANCELED,
    /** The claim was gone: nothing was written. */
    LOST,
    /** To others, for a worker that is gone: its lease is not over. Nothing was written. */
    LEFT
  }

  /**
   * A wish to take a job. Its ids are made before Redis is asked, so that it can be asked again
   * after a lost answer, and the job is still taken once.
   *
   * @param ids take the first of these that waits; the queue's head when there are none
   * @param run nothing is taken while another job that was taken for this run has not ended; empty
   *     for none
   */
  public record Request(
      String queue,
      String worker,
      List<String> ids,
      String run,
      String claim,
      String execution,
      Instant at) {}

  /** A new wish of a worker to take one of these jobs, or the head when none is named. */
  public Request request(String queue, String worker, List<String> ids) {
    return request(queue, worker, ids, "");
  }

  /** The same, for a job that must have its run alone. */
  public Request request(String queue, String worker, List<String> ids, String run) {
    Instant at = clock.instant();
    return new Request(queue, worker, ids, run, timedId(at), newId(), at);
  }

  /**
   * Claims a job that waits to run. Ids of jobs that are gone, canceled or done are dropped on the
   * way, where rq would run them again.
   *
   * @return empty when nothing was taken: no such id, workers suspended, too many events wait for
   *     the ledger, or another job has the run
   */
  public Optional<Claim> take(Request request) {
    return redis.reach(
        "take from queue " + request.queue(), () -> turn(request.worker(), request, null).next());
  }

  /** Ends a claim. May be repeated: the second time changes nothing and returns the same. */
  public Settled settle(Claim claim, Settlement settlement, Ended ended) {
    return end(new End(claim, settlement, ended, ""));
  }

  /**
   * Ends the claim of a worker that is gone, unless its lease was renewed.
   *
   * @param settlement what is written if rq itself has not ended the job under this claim
   * @param crashes what the job's field {@code crashes} is to hold: JSON
   */
  public Settled reclaim(Claim claim, Settlement settlement, Ended ended, String crashes) {
    return end(new End(claim, new Settlement.Recorded(settlement), ended, crashes));
  }

  private Settled end(End end) {
    Claim claim = end.claim();
    if (end.settlement() instanceof Settlement.Recorded(Settlement otherwise)) {
      return record(claim, end.ended())
          .orElseGet(() -> end(new End(claim, otherwise, end.ended(), end.crashes())));
    }
    return redis.reach(
        "settle job " + claim.job().id(), () -> turn(claim.worker(), null, end).settled());
  }

  /**
   * What came of an end and the take after it.
   *
   * @param next as {@link #take} returns it
   */
  public record Turn(Settled settled, Optional<Claim> next) {}

  /** Ends a claim, then the same worker takes the next job: one script. May be repeated. */
  public Turn settleAndTake(Claim claim, Settlement settlement, Ended ended, Request next) {
    if (settlement instanceof Settlement.Recorded) {
      return new Turn(settle(claim, settlement, ended), take(next));
    }
    return redis.reach(
        "settle job " + claim.job().id() + " and take the next",
        () -> turn(claim.worker(), next, new End(claim, settlement, ended, "")));
  }

  /** How a claim is to end; {@code crashes} is empty but in {@link #reclaim}. */
  private record End(Claim claim, Settlement settlement, Ended ended, String crashes) {}

  private Turn turn(String worker, @Nullable Request request, @Nullable End end) {
    List<byte[]> arguments = arguments(keys.prefix, worker);
    arguments.addAll(request == null ? NO_TAKE : arguments(taking(request)));
    arguments.addAll(end == null ? NO_END : arguments(settling(end)));
    if (request != null) {
      arguments.add(bytes(request.run()));
      request.ids().forEach(id -> arguments.add(bytes(id)));
    }
    List<byte[]> answer =
        turn.call(
            connection,
            ScriptOutputType.MULTI,
            new String[] {keys.leases(), keys.events()},
            arguments.toArray(byte[][]::new));
    return new Turn(settled(answer.getLast()), claimed(request, answer));
  }

  private static final List<byte[]> NO_TAKE = Collections.nCopies(8, new byte[0]);
  private static final List<byte[]> NO_END = Collections.nCopies(15, new byte[0]);

  private String[] taking(Request request) {
    return new String[] {
      request.claim(),
      request.queue(),
      request.execution(),
      Wire.iso(request.at()),
      Wire.epoch(request.at()),
      Long.toString(timing.lease().toMillis()),
      Long.toString(timing.wip().toSeconds()),
      Long.toString(timing.mostEvents())
    };
  }

  private static String[] settling(End end) {
    record Writing(String kind, Duration ttl, String payload, Duration interval) {}
    Writing w =
        switch (end.settlement()) {
          case Settlement.Finish f ->
              new Writing("finish", f.ttl(), f.returnValue(), Duration.ZERO);
          case Settlement.Fail f -> new Writing("fail", f.ttl(), f.excString(), Duration.ZERO);
          case Settlement.Stop s -> new Writing("stop", s.ttl(), s.excString(), Duration.ZERO);
          case Settlement.Retry r -> new Writing("retry", Duration.ZERO, "", r.interval());
          case Settlement.GiveBack g -> new Writing("giveback", Duration.ZERO, "", Duration.ZERO);
          case Settlement.Leave l -> new Writing("leave", Duration.ZERO, "", Duration.ZERO);
          case Settlement.Recorded r -> throw new IllegalArgumentException("not by this script");
        };
    Claim claim = end.claim();
    Ended ended = end.ended();
    return new String[] {
      w.kind(),
      claim.job().id(),
      claim.queue(),
      claim.id(),
      claim.execution(),
      Wire.iso(ended.at()),
      Wire.epoch(claim.startedAt()),
      Wire.epoch(ended.at()),
      Long.toString(w.ttl().toSeconds()),
      w.payload(),
      Long.toString(w.interval().toSeconds()),
      ended.function(),
      ended.run(),
      ended.detail(),
      end.crashes()
    };
  }

  /** The job is in the answer before its last element. */
  private static Optional<Claim> claimed(@Nullable Request request, List<byte[]> answer) {
    int id = answer.size() - 2;
    if (request == null || id < 0) {
      return Optional.empty();
    }
    Map<String, byte[]> fields = HashMap.newHashMap(id / 2);
    for (int i = 0; i + 1 < id; i += 2) {
      fields.put(text(answer.get(i)), answer.get(i + 1));
    }
    JobRecord job = new JobRecord(text(answer.get(id)), fields);
    String origin = job.origin().isEmpty() ? request.queue() : job.origin();
    return Optional.of(
        new Claim(
            request.claim(), origin, request.execution(), request.worker(), request.at(), job));
  }

  private static Settled settled(byte[] answer) {
    return switch (text(answer)) {
      case "settled" -> Settled.SETTLED;
      case "canceled" -> Settled.CANCELED;
      case "left" -> Settled.LEFT;
      default -> Settled.LOST;
    };
  }

  /** Empty when rq has not ended the job under this claim. */
  private Optional<Settled> record(Claim claim, Ended ended) {
    byte[] ending =
        call(
            "record the end of job " + claim.job().id(),
            recorded,
            ScriptOutputType.VALUE,
            new String[] {
              keys.job(claim.job().id()), keys.leases(), keys.events(), keys.ended(claim.id())
            },
            arguments(
                keys.prefix,
                claim.job().id(),
                claim.queue(),
                claim.worker(),
                claim.id(),
                claim.execution(),
                Wire.iso(ended.at()),
                ended.function(),
                ended.run(),
                ended.detail()));
    return Optional.ofNullable(ending)
        .map(how -> text(how).equals("canceled") ? Settled.CANCELED : Settled.SETTLED);
  }

  /**
   * Pushes the claims' leases, and rq's records of them, ahead; one round trip for all.
   *
   * @param memory what this worker's container holds, in words, for whoever finds it gone; empty if
   *     that is not known
   * @return what was found, in the order of the claims
   */
  public List<Held> heartbeat(List<Claim> claims, String memory) {
    Instant now = clock.instant();
    return redis.reach(
        "send heartbeats",
        () -> {
          List<Supplier<byte[]>> sent = new ArrayList<>();
          for (Claim claim : claims) {
            sent.add(
                heartbeat.send(
                    connection, ScriptOutputType.VALUE, leaseOf(claim), beat(claim, now, memory)));
          }
          List<Held> found = new ArrayList<>();
          for (Supplier<byte[]> one : sent) {
            found.add(Held.valueOf(text(one.get()).toUpperCase(Locale.ROOT)));
          }
          return found;
        });
  }

  private String[] leaseOf(Claim claim) {
    return new String[] {keys.job(claim.job().id()), keys.leases()};
  }

  private byte[][] beat(Claim claim, Instant now, String memory) {
    Duration worked = Duration.between(claim.startedAt(), now);
    return arguments(
            keys.prefix,
            claim.job().id(),
            claim.queue(),
            claim.worker(),
            claim.id(),
            claim.execution(),
            Wire.iso(now),
            Wire.epoch(now),
            Long.toString(timing.lease().toMillis()),
            Long.toString(timing.wip().toSeconds()),
            Wire.seconds(worked),
            memory)
        .toArray(byte[][]::new);
  }

  /**
   * Keeps the worker records of idle slots alive, for which rq gives 480 s, and all slots in rq's
   * sets of workers, which a tool may have deleted.
   *
   * @return those of {@code all} whose record is gone, to be registered again
   */
  public List<String> heartbeatIdle(List<String> idle, List<String> all, List<String> queues) {
    byte[] now = bytes(Wire.iso(clock.instant()));
    return redis.reach(
        "heartbeat of idle workers",
        () -> {
          RedisAsyncCommands<String, byte[]> async = connection.async();
          List<RedisFuture<?>> sent = new ArrayList<>();
          Map<String, Supplier<Boolean>> gone = new LinkedHashMap<>();
          for (String worker : all) {
            if (idle.contains(worker)) {
              RedisFuture<Boolean> isNew = async.hset(keys.worker(worker), "last_heartbeat", now);
              sent.add(async.expire(keys.worker(worker), IDLE_TTL));
              gone.put(worker, () -> answer(isNew));
            } else {
              RedisFuture<Boolean> known = async.hexists(keys.worker(worker), "birth");
              gone.put(worker, () -> !answer(known));
            }
          }
          byte[][] members =
              all.stream().map(worker -> bytes(keys.worker(worker))).toArray(byte[][]::new);
          sent.add(async.sadd(keys.workers(), members));
          queues.forEach(queue -> sent.add(async.sadd(keys.workers(queue), members)));
          awaitAll(sent);
          return gone.entrySet().stream()
              .filter(worker -> worker.getValue().get())
              .map(Map.Entry::getKey)
              .toList();
        });
  }

  private static final Duration IDLE_TTL = Duration.ofMinutes(8);

  /**
   * Writes {@code meta} if the claim is held and the job still holds the bytes that were read.
   *
   * @return whether it was written
   */
  public boolean writeMeta(Claim claim, byte[] read, byte[] written) {
    Long answer =
        call(
            "write meta of job " + claim.job().id(),
            meta,
            ScriptOutputType.INTEGER,
            new String[] {keys.job(claim.job().id())},
            List.of(bytes(claim.id()), read, written));
    return answer == 1;
  }

  /** A job's {@code meta} as it is now; empty for none. */
  public byte[] meta(String job) {
    byte[] found =
        redis.reach("read meta of job " + job, () -> connection.sync().hget(keys.job(job), "meta"));
    return found == null ? new byte[0] : found;
  }

  /**
   * Writes an event of a job that goes on, with one field of that name.
   *
   * @param event of what it tells; no state change
   */
  public void note(Claim claim, String event, String text) {
    Map<String, byte[]> fields = new LinkedHashMap<>();
    fields.put("event", bytes(event));
    fields.put("job", bytes(claim.job().id()));
    fields.put("claim", bytes(claim.id()));
    fields.put("worker", bytes(claim.worker()));
    fields.put("at", bytes(Wire.iso(clock.instant())));
    fields.put(event, bytes(text));
    redis.reach(
        "tell of job " + claim.job().id(), () -> connection.sync().xadd(keys.events(), fields));
  }

  /**
   * Says in the worker's record what blocks its slot.
   *
   * @param what in words; empty when nothing does any more
   */
  public void blocked(String worker, String what) {
    redis.reach(
        "tell of worker " + worker,
        () ->
            what.isEmpty()
                ? connection.sync().hdel(keys.worker(worker), "blocked") == 1
                : connection.sync().hset(keys.worker(worker), "blocked", bytes(what)));
  }

  /** Makes slots known as rq workers. */
  public void register(List<String> workers, List<String> queues, WorkerInfo info) {
    Instant now = clock.instant();
    Map<String, byte[]> hash = new HashMap<>();
    hash.put("birth", bytes(Wire.iso(now)));
    hash.put("last_heartbeat", bytes(Wire.iso(now)));
    hash.put("queues", bytes(String.join(",", queues)));
    hash.put("pid", bytes(Long.toString(info.pid())));
    hash.put("hostname", bytes(info.hostname()));
    hash.put("ip_address", bytes(info.address()));
    hash.put("version", bytes(info.version()));
    hash.put("python_version", bytes("Java " + Runtime.version().feature()));
    hash.put("state", bytes("idle"));
    redis.reach(
        "register workers",
        () -> {
          RedisAsyncCommands<String, byte[]> async = connection.async();
          List<RedisFuture<?>> sent = new ArrayList<>();
          for (String worker : workers) {
            byte[] key = bytes(keys.worker(worker));
            sent.add(async.hset(keys.worker(worker), hash));
            sent.add(async.expire(keys.worker(worker), IDLE_TTL));
            sent.add(async.sadd(keys.workers(), key));
            queues.forEach(queue -> sent.add(async.sadd(keys.workers(queue), key)));
          }
          return awaitAll(sent);
        });
  }

  /** What rq's monitors show of a worker. */
  public record WorkerInfo(long pid, String hostname, String address, String version) {}

  /** Notes of slots which run jobs that the worker was asked to leave. */
  public void leaving(List<String> busy) {
    byte[] now = bytes(Wire.iso(clock.instant()));
    redis.reach(
        "note that workers were asked to leave",
        () -> {
          List<RedisFuture<?>> sent = new ArrayList<>();
          for (String worker : busy) {
            sent.add(connection.async().hset(keys.worker(worker), "shutdown_requested_date", now));
          }
          return awaitAll(sent);
        });
  }

  /** Ends the records of slots, as rq does at a worker's death. */
  public void unregister(List<String> workers, List<String> queues) {
    byte[] now = bytes(Wire.iso(clock.instant()));
    redis.reach(
        "unregister workers",
        () -> {
          RedisAsyncCommands<String, byte[]> async = connection.async();
          List<RedisFuture<?>> sent = new ArrayList<>();
          for (String worker : workers) {
            byte[] key = bytes(keys.worker(worker));
            sent.add(async.srem(keys.workers(), key));
            queues.forEach(queue -> sent.add(async.srem(keys.workers(queue), key)));
            sent.add(async.hset(keys.worker(worker), "death", now));
            sent.add(async.expire(keys.worker(worker), Duration.ofMinutes(1)));
            sent.add(async.del(keys.workerExecutions(worker)));
          }
          return awaitAll(sent);
        });
  }

  /** Ids in the queue from {@code offset}, head first. Changes nothing. */
  public List<String> ids(String queue, int offset, int count) {
    return redis.reach(
        "read queue " + queue,
        () ->
            connection.sync().lrange(keys.queue(queue), offset, offset + count - 1L).stream()
                .map(Wire::text)
                .toList());
  }

  /** What decides who can run a job: its call and its callbacks. One round trip for all ids. */
  public List<JobRecord> calls(List<String> ids) {
    return redis.reach(
        "read jobs",
        () -> {
          List<RedisFuture<List<KeyValue<String, byte[]>>>> sent = new ArrayList<>();
          for (String id : ids) {
            sent.add(
                connection
                    .async()
                    .hmget(
                        keys.job(id),
                        "data",
                        "success_callback_name",
                        "failure_callback_name",
                        "stopped_callback_name"));
          }
          List<JobRecord> records = new ArrayList<>();
          for (int i = 0; i < sent.size(); i++) {
            Map<String, byte[]> fields = new HashMap<>();
            for (KeyValue<String, byte[]> field : hash(sent.get(i))) {
              field.ifHasValue(value -> fields.put(field.getKey(), value));
            }
            records.add(new JobRecord(ids.get(i), fields));
          }
          return records;
        });
  }

  /** Empty when the key is no hash: then there is no such job. */
  private List<KeyValue<String, byte[]>> hash(RedisFuture<List<KeyValue<String, byte[]>>> sent) {
    try {
      return answer(sent);
    } catch (RedisCommandExecutionException e) {
      if (String.valueOf(e.getMessage()).startsWith("WRONGTYPE ")) {
        return List.of();
      }
      throw e;
    }
  }

  /**
   * The queue's length and both ends, which together tell whether it is worth reading again: new
   * ids come in at an end.
   *
   * @param suspended whether no job may be taken now: workers are suspended, or too many events
   *     wait for the ledger
   */
  public record Look(long length, String head, String tail, boolean suspended) {}

  /** What is paused: {@code queue NAME}, {@code function PATTERN}, {@code worker NAME}. */
  public Set<String> paused() {
    return redis.reach(
        "read what is paused",
        () ->
            connection.sync().smembers(keys.paused()).stream()
                .map(Wire::text)
                .collect(Collectors.toUnmodifiableSet()));
  }

  /**
   * Pauses, or lets go on, for all workers with these keys.
   *
   * @param what as in {@link #paused}
   * @return whether that was new
   */
  public boolean pause(String what, boolean pause) {
    return redis.reach(
        "pause or resume " + what,
        () ->
            pause
                ? connection.sync().sadd(keys.paused(), bytes(what)) == 1
                : connection.sync().srem(keys.paused(), bytes(what)) == 1);
  }

  /** Looks at a queue without changing it. */
  public Look look(String queue) {
    return redis.reach(
        "look at queue " + queue,
        () -> {
          var async = connection.async();
          RedisFuture<Long> length = async.llen(keys.queue(queue));
          RedisFuture<byte[]> head = async.lindex(keys.queue(queue), 0);
          RedisFuture<byte[]> tail = async.lindex(keys.queue(queue), -1);
          RedisFuture<Long> suspended = async.exists(keys.suspended());
          RedisFuture<Long> events = async.xlen(keys.events());
          awaitAll(List.of(length, head, tail, suspended, events));
          return new Look(
              length.toCompletableFuture().join(),
              idOf(head),
              idOf(tail),
              suspended.toCompletableFuture().join() == 1
                  || events.toCompletableFuture().join() >= timing.mostEvents());
        });
  }

  private static String idOf(RedisFuture<byte[]> answered) {
    byte @Nullable [] id = answered.toCompletableFuture().join();
    return id == null ? "" : text(id);
  }

  /** Waits for a queue to have a head. Has a connection of its own, because it blocks. */
  public Peek peek(String queue, Duration longest) {
    return new Peek(queue, longest, redis.connectBlocking(longest));
  }

  /** A blocking look at one queue: moving the head onto itself leaves the list as it was. */
  public final class Peek implements AutoCloseable {
    private final String queue;
    private final Duration longest;
    private final StatefulRedisConnection<String, byte[]> own;

    private Peek(
        String queue, Duration longest, StatefulRedisConnection<String, byte[]> connection) {
      this.queue = queue;
      this.longest = longest;
      this.own = connection;
    }

    /** Returns when the queue has a head, or after the longest wait. */
    public boolean await() {
      return redis.reach(
          "wait at queue " + queue,
          () ->
              own.sync()
                      .blmove(
                          keys.queue(queue),
                          keys.queue(queue),
                          LMoveArgs.Builder.leftLeft(),
                          longest.toSeconds())
                  != null);
    }

    @Override
    public void close() {
      own.close();
    }
  }

  /**
   * Sends rq's {@code shutdown}: each of these workers finishes what it runs and leaves.
   *
   * @param name a worker's name, or how the names of one process begin: {@code <name>-<boot>.<n>}
   * @return the names of those that were told
   */
  public List<String> shutdown(String name) {
    return redis.reach(
        "tell workers to leave",
        () -> {
          List<String> told =
              connection.sync().smembers(keys.workers()).stream()
                  .map(key -> text(key).substring(keys.worker("").length()))
                  .filter(worker -> worker.equals(name) || worker.startsWith(name + "-"))
                  .sorted()
                  .toList();
          byte[] command = bytes("{\"command\": \"shutdown\"}");
          told.forEach(worker -> connection.sync().publish(keys.commands(worker), command));
          return told;
        });
  }

  /** Opens rq's command channels of all slots. */
  public Commands commands(List<String> workers, Commands.Listener listener) {
    return redis.reach(
        "subscribe to commands",
        () -> new Commands(redis.connectPubSub(), keys, workers, listener));
  }

  /**
   * Adds a job the way rq's {@code Queue.enqueue} does.
   *
   * @param timeout rq's {@code job_timeout}; negative for none
   * @return the new job's id
   */
  public String enqueue(String queue, byte[] data, String description, Duration timeout) {
    String id = UUID.randomUUID().toString();
    String now = Wire.iso(clock.instant());
    Map<String, byte[]> job = new HashMap<>();
    job.put("status", bytes("queued"));
    job.put("data", data);
    job.put("origin", bytes(queue));
    job.put("description", bytes(description));
    job.put("timeout", bytes(Long.toString(timeout.isNegative() ? -1 : timeout.toSeconds())));
    job.put("created_at", bytes(now));
    job.put("enqueued_at", bytes(now));
    for (String empty :
        List.of(
            "started_at",
            "ended_at",
            "last_heartbeat",
            "worker_name",
            "group_id",
            "success_callback_name",
            "failure_callback_name",
            "stopped_callback_name")) {
      job.put(empty, new byte[0]);
    }
    return redis.reach(
        "enqueue to queue " + queue,
        () -> {
          var async = connection.async();
          // The hash is whole before the id can be popped: commands of one connection keep their
          // order.
          awaitAll(
              List.of(
                  async.sadd(keys.queues(), bytes(keys.queue(queue))),
                  async.hset(keys.job(id), job),
                  async.rpush(keys.queue(queue), bytes(id))));
          return id;
        });
  }

  /**
   * 32 hex digits; the first 12 are the time in ms, the rest is random, as in a UUID of version 7.
   * The history is kept by the month in them.
   */
  private static String timedId(Instant at) {
    UUID random = UUID.randomUUID();
    long first = at.toEpochMilli() << 16 | 0x7000 | random.getMostSignificantBits() & 0xfff;
    HexFormat hex = HexFormat.of();
    return hex.toHexDigits(first) + hex.toHexDigits(random.getLeastSignificantBits());
  }

  private static String newId() {
    return UUID.randomUUID().toString().replace("-", "");
  }

  private static List<byte[]> arguments(String... values) {
    List<byte[]> arguments = new ArrayList<>(values.length + 1);
    for (String value : values) {
      arguments.add(bytes(value));
    }
    return arguments;
  }

  @SuppressWarnings(
      "TypeParameterUnusedInFormals") // the script decides what comes back, not the caller's
  // arguments
  private <T extends @Nullable Object> T call(
      String what, Script script, ScriptOutputType output, String[] names, List<byte[]> arguments) {
    return redis.reach(
        what, () -> script.<T>call(connection, output, names, arguments.toArray(byte[][]::new)));
  }

  private <T> T answer(RedisFuture<T> sent) {
    return RedisAccess.answer(connection, sent);
  }

  private boolean awaitAll(List<? extends RedisFuture<?>> sent) {
    sent.forEach(this::answer);
    return true;
  }

  @Override
  public void close() {
    connection.close();
  }
}
