package cloud.wepp.worker.testing;

import static java.util.stream.Collectors.joining;

import cloud.wepp.rq.Claim;
import cloud.wepp.rq.Event;
import cloud.wepp.rq.JobQueue.Settled;
import cloud.wepp.rq.Settlement;
import cloud.wepp.worker.job.JobListener;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** Remembers what a worker tells, and lets a test wait for it. */
public final class RecordingListener implements JobListener {
  private static final Duration LONGEST = Duration.ofSeconds(60);

  private final List<Object> told = new ArrayList<>(); // guarded by this

  /** A job has started. */
  public record Started(String job) {}

  /** A claim has ended. */
  public record Ended(String job, Settlement settlement, Settled settled) {}

  /** A heartbeat, so long after its time. */
  public record Beat(Duration late) {}

  /** So many events wait for Postgres. */
  public record Backlog(long events, Duration oldest) {}

  /** So many jobs of a queue are for others. */
  public record Foreign(String queue, int count) {}

  @Override
  public void started(Claim claim) {
    tell(new Started(claim.job().id()));
  }

  @Override
  public void settled(Claim claim, Settlement settlement, Settled settled) {
    tell(new Ended(claim.job().id(), settlement, settled));
  }

  @Override
  public void heartbeat(Duration late) {
    tell(new Beat(late));
  }

  @Override
  public void foreign(String queue, int count) {
    tell(new Foreign(queue, count));
  }

  @Override
  public void backlog(long events, Duration oldest) {
    tell(new Backlog(events, oldest));
  }

  @Override
  public void recorded(List<Event> events) {
    events.forEach(this::tell);
  }

  private synchronized void tell(Object what) {
    told.add(what);
    notifyAll();
  }

  /** How a job ended, as it was told to Redis. */
  public Settlement awaitEnd(String job) throws InterruptedException {
    return await(Ended.class, 1, end -> end.job().equals(job)).getFirst().settlement();
  }

  /** Whether the end of a job was written to Redis. */
  public Settled awaitSettled(String job) throws InterruptedException {
    return await(Ended.class, 1, end -> end.job().equals(job)).getFirst().settled();
  }

  /** A job's event, once it is in Postgres. */
  public Event awaitRecorded(String job, String event) throws InterruptedException {
    return await(
            Event.class, 1, one -> one.text("job").equals(job) && one.text("event").equals(event))
        .getFirst();
  }

  /** The first so many of a kind. */
  public synchronized <T> List<T> await(Class<T> kind, int count, Predicate<T> which)
      throws InterruptedException {
    long deadline = System.nanoTime() + LONGEST.toNanos();
    while (true) {
      List<T> found = told.stream().filter(kind::isInstance).map(kind::cast).filter(which).toList();
      if (found.size() >= count) {
        return found.subList(0, count);
      }
      long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
      if (left <= 0) {
        throw new AssertionError(
            "waited in vain for %d %s; told were:\n%s"
                .formatted(
                    count,
                    kind.getSimpleName(),
                    told.stream().map(Object::toString).collect(joining("\n"))));
      }
      wait(left);
    }
  }

  /** How many of a kind were told so far. */
  public synchronized long count(Class<?> kind) {
    return told.stream().filter(kind::isInstance).count();
  }
}
