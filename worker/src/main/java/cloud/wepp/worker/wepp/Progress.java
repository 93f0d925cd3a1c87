package cloud.wepp.worker.wepp;

import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.job.JobContext;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How far a job is, in the job's {@code meta} as {@code progress}, with the names that WEPPcloud's
 * {@code /jobstatus} uses. It is told only when it has changed, and not more often than asked for;
 * a job that is shorter tells nothing. Safe for many threads, none of which waits for another.
 */
final class Progress implements AutoCloseable {
  /** So long Redis is left alone when it did not take a word. */
  private static final Duration AFTER_FAILURE = Duration.ofMinutes(1);

  private final String unit;
  private final Telling telling;
  private final String channel;
  private final JobContext context;
  private Far now = Far.NOWHERE; // these four are guarded by this
  private Far told = Far.NOWHERE;
  private boolean wanted; // it was due once
  private Instant next;

  /**
   * How it is told.
   *
   * @param where in the job's meta, also on the channel, or nowhere: meta, channel or off
   * @param every the least time between two words
   */
  record Telling(String where, Duration every) {
    static final Telling NOWHERE = new Telling("off", Duration.ZERO);
  }

  private record Far(int completed, int total) {
    static final Far NOWHERE = new Far(0, 0);
  }

  /**
   * @param unit what is counted
   * @param channel the status channel of the run
   */
  Progress(String unit, Telling telling, String channel, JobContext context) {
    this.unit = unit;
    this.telling = telling;
    this.channel = channel;
    this.context = context;
    next = context.clock().instant().plus(telling.every());
  }

  /** So many are done. One that is told late does not go back. */
  void at(int completed, int total) {
    Far due;
    synchronized (this) {
      if (completed > now.completed && total > 0) {
        now = new Far(Math.min(completed, total), total);
      }
      due = due();
    }
    if (due != null) {
      tell(due);
    }
  }

  /** It begins again. */
  synchronized void again() {
    now = Far.NOWHERE;
  }

  private @Nullable Far due() {
    Instant time = context.clock().instant();
    if (now.equals(Far.NOWHERE)
        || now.equals(told)
        || time.isBefore(next)
        || telling.where().equals("off")) {
      return null;
    }
    next = time.plus(telling.every());
    wanted = true;
    return now;
  }

  private void tell(Far far) {
    boolean written = context.putMeta(Map.of("progress", values(far)));
    synchronized (this) {
      told = written ? far : told;
      next = written ? next : next.plus(AFTER_FAILURE);
    }
    if (telling.where().equals("channel")) {
      context.publish(
          channel,
          "rq:%s STATUS %d of %d %s".formatted(context.jobId(), far.completed, far.total, unit));
    }
  }

  private PyValue values(Far far) {
    Map<String, PyValue> values = new LinkedHashMap<>();
    values.put("completed", PyValue.of(far.completed));
    values.put("total", PyValue.of(far.total));
    values.put("unit", PyValue.of(unit));
    values.put("percent", PyValue.of(Math.round(1000.0 * far.completed / far.total) / 10.0));
    values.put("updated_at", PyValue.of(context.clock().instant().toString()));
    return new PyValue.Dict(
        values.entrySet().stream()
            .map(value -> new PyValue.Entry(PyValue.of(value.getKey()), value.getValue()))
            .toList());
  }

  /** Tells the last of it, if it was ever due: what is seen of an ended job is where it ended. */
  @Override
  public void close() {
    Far last;
    synchronized (this) {
      last = wanted && !now.equals(Far.NOWHERE) && !now.equals(told) ? now : null;
    }
    if (last != null) {
      tell(last);
    }
  }
}
