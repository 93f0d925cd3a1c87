package cloud.wepp.rq;

import static cloud.wepp.rq.Wire.bytes;
import static cloud.wepp.rq.Wire.text;

import io.lettuce.core.KeyValue;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.SetArgs;
import io.lettuce.core.api.StatefulRedisConnection;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * rq's maintenance: what dead workers, and jobs that have expired, left behind. Works under rq's
 * own locks; each job is looked at again by the one script that changes it, so that locks which are
 * lost do no harm. What this worker and its like have claimed is never touched.
 *
 * <p>Deferred jobs are left alone, as by rq: they do not expire.
 *
 * <p>For one thread. Every method throws {@link QueueUnavailable} when Redis does not answer, and
 * may then be repeated.
 */
public final class Janitor implements AutoCloseable {
  /** A pass takes far less; rq holds it for 899 s, which is long when its holder dies. */
  private static final Duration LOCK = Duration.ofMinutes(1);

  /** rq's: its maintenance interval, nearly. */
  private static final Duration GROUPS_LOCK = Duration.ofSeconds(599);

  /**
   * How long a lost job waits for rq's own maintenance, every 10 minutes, to run its failure
   * callback.
   */
  private static final Duration CALLBACK = Duration.ofMinutes(15);

  private static final int PAGE = 500;
  private static final Pattern ENTRY = Pattern.compile("(.*?)(?::([0-9a-f]{32}))?", Pattern.DOTALL);

  private final RedisAccess redis;
  private final Keys keys;
  private final Duration patience;
  private final Duration failureTtl;
  private final BiConsumer<JobRecord, String> failures;
  private final InstantSource clock;
  private final String name = UUID.randomUUID().toString();
  private final StatefulRedisConnection<String, byte[]> connection;
  private final Script expired;
  private final Script abandoned;
  private final Script stuck;
  private final Script move;
  private final Script limit;
  private final Script forget;
  private final Script unlock;

  /**
   * @param patience how long an id that was taken by a Python worker may be neither in its queue
   *     nor started
   * @param failureTtl for jobs that name none
   * @param failures told of each job that has failed for its worker: what its webhooks need of it,
   *     and what its result says, encoded
   */
  public Janitor(
      RedisAccess redis,
      String prefix,
      Duration patience,
      Duration failureTtl,
      BiConsumer<JobRecord, String> failures,
      InstantSource clock) {
    this.redis = redis;
    this.keys = new Keys(prefix);
    this.patience = patience;
    this.failureTtl = failureTtl;
    this.failures = failures;
    this.clock = clock;
    connection = redis.connect();
    expired = new Script("expired.lua", connection);
    abandoned = new Script(connection, "limiter.lua", "jobs.lua", "abandoned.lua");
    stuck = new Script(connection, "limiter.lua", "jobs.lua", "stuck.lua");
    move = new Script(connection, "limiter.lua", "jobs.lua", "move.lua");
    limit = new Script(connection, "limiter.lua", "limit.lua");
    forget = new Script("forget.lua", connection);
    unlock = new Script("unlock.lua", connection);
  }

  /** What was done with a job. */
  public enum Deed {
    /** Put into its queue by the hand of a worker of rq 3.0 that did not get to it. */
    QUEUED,
    /** The same, and it waits for its limit. */
    RATE_LIMITED,
    /** Put back: a worker took it, and was not heard of again before it started the job. */
    REQUEUED,
    /** Its worker was not heard of in time, and it is tried again. */
    RETRIED,
    /** Its worker was not heard of in time, and it has failed. */
    FAILED,
    /** An entry of a job that is elsewhere, or gone, was removed. */
    DROPPED,
    /** Redis refuses to work on the job, whose keys are not what rq writes. */
    BROKEN,
    /** Nothing. */
    LEFT
  }

  /** One job that was put in order. */
  public record Done(String queue, String job, Deed deed) {}

  /**
   * Queues what workers of rq 3.0 have made ready and not queued, and gives away free places of
   * concurrency limits. Needs no lock.
   */
  public List<Done> admit(Collection<String> queues) {
    List<Done> done = new ArrayList<>();
    for (String queue : queues) {
      String ready = keys.registry("ready", queue);
      for (String id : read("the ready jobs of queue " + queue, () -> zset(ready))) {
        note(done, queue, id, ready(ready, queue, id));
      }
    }
    for (String name : read("the concurrency limits", () -> set(keys.limits()))) {
      Deed _ =
          deed(
              "look after limit " + name,
              limit,
              List.of(keys.limit(name), keys.limits()),
              List.of(keys.prefix, name, now()));
    }
    return done;
  }

  /**
   * Cleans a queue's registries, and forgets its dead workers, if nobody else does now.
   *
   * @param lost whether jobs of workers that were not heard of in time are lost; false while they
   *     may not have reached Redis either
   */
  public List<Done> clean(String queue, boolean lost) {
    SetArgs free = SetArgs.Builder.nx().ex(LOCK);
    String lock = keys.maintenanceLock(queue);
    if (redis.reach("lock queue " + queue, () -> connection.sync().set(lock, bytes(name), free))
        == null) {
      return List.of();
    }
    try {
      forgetWorkers(queue);
      return cleanLocked(queue, lost);
    } finally {
      Long _ =
          call(
              "unlock queue " + queue,
              unlock,
              ScriptOutputType.INTEGER,
              List.of(lock),
              List.of(name));
    }
  }

  private List<Done> cleanLocked(String queue, boolean lost) {
    List<byte[]> found =
        call(
            "clean queue " + queue,
            expired,
            ScriptOutputType.MULTI,
            List.of(
                keys.registry("finished", queue),
                keys.registry("failed", queue),
                keys.registry("wip", queue),
                keys.intermediate(queue),
                keys.taken(queue)),
            List.of());
    List<String> texts = found.stream().map(Wire::text).toList();
    int entries = Integer.parseInt(texts.getFirst()) + 1;
    List<Done> done = new ArrayList<>();
    if (lost) {
      for (String entry : texts.subList(1, entries)) {
        Matcher parts = ENTRY.matcher(entry);
        if (parts.matches()) {
          String execution = parts.group(2) == null ? "" : parts.group(2);
          note(done, queue, parts.group(1), abandoned(queue, entry, parts.group(1), execution));
        }
      }
    }
    for (String id : texts.subList(entries, texts.size()).stream().distinct().toList()) {
      note(done, queue, id, stuck(queue, id));
    }
    return done;
  }

  private static void note(List<Done> done, String queue, String job, Deed deed) {
    if (deed != Deed.LEFT) {
      done.add(new Done(queue, job, deed));
    }
  }

  private Deed ready(String registry, String queue, String id) {
    return deed(
        "queue the ready job " + id,
        move,
        List.of(registry, keys.job(id), keys.events()),
        List.of(keys.prefix, queue, id, now(), "ready_to_enqueue"));
  }

  private Deed stuck(String queue, String id) {
    return deed(
        "put job " + id + " back",
        stuck,
        List.of(
            keys.intermediate(queue),
            keys.queue(queue),
            keys.job(id),
            keys.taken(queue),
            keys.events()),
        List.of(keys.prefix, queue, id, now(), Long.toString(patience.toMillis())));
  }

  private Deed abandoned(String queue, String entry, String id, String execution) {
    Instant now = clock.instant();
    String text =
        "Moved to FailedJobRegistry, due to AbandonedJobError, at "
            + Wire.iso(now).replace('T', ' ').replace("Z", "+00:00");
    String excString = ResultCodec.excString(text);
    JobRecord job = withWebhooks(id); // it may be gone when it has failed
    Deed deed =
        deed(
            "end the abandoned job " + id,
            abandoned,
            List.of(keys.registry("wip", queue), keys.job(id), keys.leases(), keys.events()),
            List.of(
                keys.prefix,
                queue,
                entry,
                id,
                execution,
                Wire.iso(now),
                excString,
                Long.toString(failureTtl.toSeconds()),
                Long.toString(CALLBACK.toSeconds()),
                "{\"cause\":\"abandoned\",\"error\":\"" + text + "\"}"));
    if (deed == Deed.FAILED) {
      failures.accept(job, excString);
    }
    return deed;
  }

  /** Without fields when its key is no hash. */
  private JobRecord withWebhooks(String id) {
    Map<String, byte[]> fields = new HashMap<>();
    try {
      for (KeyValue<String, byte[]> field :
          redis.reach(
              "read job " + id,
              () -> connection.sync().hmget(keys.job(id), "webhooks", "data", "enqueued_at"))) {
        field.ifHasValue(value -> fields.put(field.getKey(), value));
      }
    } catch (QueueUnavailable e) {
      if (!RedisAccess.refused(e)) {
        throw e;
      }
    }
    return new JobRecord(id, fields);
  }

  private Deed deed(String what, Script script, List<String> names, List<String> arguments) {
    try {
      byte[] answer = call(what, script, ScriptOutputType.VALUE, names, arguments);
      return Deed.valueOf(text(answer).toUpperCase(Locale.ROOT));
    } catch (QueueUnavailable e) {
      if (!RedisAccess.refused(e)) {
        throw e;
      }
      return Deed.BROKEN;
    }
  }

  private void forgetWorkers(String queue) {
    forget(List.of(keys.workers(queue), keys.workers()), "");
    forget(List.of(keys.workers()), "");
  }

  /**
   * Forgets jobs that are gone in all groups, and groups without jobs, unless it was done lately.
   */
  public void cleanGroups() {
    SetArgs free = SetArgs.Builder.nx().ex(GROUPS_LOCK);
    if (redis.reach(
            "lock the groups", () -> connection.sync().set(keys.groupsLock(), bytes("1"), free))
        == null) {
      return;
    }
    for (String group : read("the groups", () -> set(keys.groups()))) {
      forget(List.of(keys.group(group)), keys.job(""));
    }
    forget(List.of(keys.groups()), keys.group(""));
  }

  /** Removes from the sets what is in the first of them and stands for no key. */
  private void forget(List<String> sets, String before) {
    List<String> names = read("set " + sets.getFirst(), () -> set(sets.getFirst()));
    for (int from = 0; from < names.size(); from += PAGE) {
      List<String> page = names.subList(from, Math.min(from + PAGE, names.size()));
      Long _ =
          call(
              "forget what is gone from " + sets.getFirst(),
              forget,
              ScriptOutputType.INTEGER,
              sets,
              Stream.concat(Stream.of(before), page.stream()).toList());
    }
  }

  private Collection<byte[]> set(String key) {
    return connection.sync().smembers(key);
  }

  private Collection<byte[]> zset(String key) {
    return connection.sync().zrange(key, 0, -1);
  }

  private List<String> read(String what, Supplier<Collection<byte[]>> members) {
    return redis.reach("read " + what, () -> members.get().stream().map(Wire::text).toList());
  }

  private String now() {
    return Wire.iso(clock.instant());
  }

  @SuppressWarnings("TypeParameterUnusedInFormals") // see JobQueue.call
  private <T> T call(
      String what,
      Script script,
      ScriptOutputType output,
      List<String> names,
      List<String> arguments) {
    return redis.reach(
        what,
        () ->
            script.<T>call(
                connection,
                output,
                names.toArray(String[]::new),
                arguments.stream().map(Wire::bytes).toArray(byte[][]::new)));
  }

  @Override
  public void close() {
    connection.close();
  }
}
