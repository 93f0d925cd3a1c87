package cloud.wepp.worker;

import cloud.wepp.rq.Claim;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.JobRecord;
import cloud.wepp.worker.job.JobListener;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedSet;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BiPredicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds jobs that this worker can run. Redis cannot tell them apart, because the function's name is
 * inside the compressed payload; so one thread per queue reads ids ahead, a page at a time, and
 * slots take by id. A job that nobody here can run stays where it is.
 *
 * <p>The thread waits in a blocking peek while the queue is empty, and looks read-only, ever more
 * slowly, while the queue holds only jobs for others.
 */
final class Intake implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Intake.class);
  private static final int PAGE = 200;
  private static final int FEW = 50;
  private static final int MOST_PAGES = 50;
  private static final Duration LONGEST_PEEK = Duration.ofSeconds(30);
  private static final long FIRST_LOOK_MS = 100;
  private static final long LAST_LOOK_MS = 1000;

  private final JobQueue jobs;
  private final BiPredicate<String, JobRecord> runnableHere;
  private final List<JobListener> listeners;
  private final List<Reader> readers;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition found = lock.newCondition();
  private final Condition wanted = lock.newCondition();
  private int waiting; // slots in take; guarded by lock
  private boolean closed; // guarded by lock

  Intake(
      JobQueue jobs,
      List<String> queues,
      BiPredicate<String, JobRecord> runnableHere,
      List<JobListener> listeners) {
    this.jobs = jobs;
    this.runnableHere = runnableHere;
    this.listeners = listeners;
    readers = queues.stream().map(Reader::new).toList();
  }

  void start() {
    readers.forEach(reader -> reader.thread.start());
  }

  /**
   * Claims the next job in the order of the queues; waits until there is one.
   *
   * @return empty once the intake is closed
   */
  Optional<Claim> take(String worker) throws InterruptedException {
    while (true) {
      Candidate candidate = await();
      if (candidate == null) {
        return Optional.empty();
      }
      JobQueue.Request request = request(worker, candidate);
      Optional<Claim> claim =
          UntilKnown.ask("Taking job " + candidate.id(), () -> jobs.take(request));
      if (claim.isPresent()) {
        return claim;
      }
    }
  }

  /** A wish for the next job, without waiting for one; also empty once the intake is closed. */
  Optional<JobQueue.Request> next(String worker) {
    lock.lock();
    try {
      Candidate candidate = closed ? null : first();
      return Optional.ofNullable(candidate).map(one -> request(worker, one));
    } finally {
      lock.unlock();
    }
  }

  private JobQueue.Request request(String worker, Candidate candidate) {
    return jobs.request(candidate.queue(), worker, List.of(candidate.id()));
  }

  private record Candidate(String queue, String id) {}

  private @Nullable Candidate await() throws InterruptedException {
    lock.lockInterruptibly();
    try {
      while (!closed) {
        Candidate candidate = first();
        if (candidate != null) {
          return candidate;
        }
        waiting++;
        wanted.signalAll();
        try {
          found.await();
        } finally {
          waiting--;
        }
      }
      return null;
    } finally {
      lock.unlock();
    }
  }

  /** To be called under the lock. */
  private @Nullable Candidate first() {
    for (Reader reader : readers) {
      if (!reader.ready.isEmpty()) {
        String id = reader.ready.removeFirst();
        reader.given.add(id);
        if (reader.ready.size() < FEW) {
          wanted.signalAll();
        }
        return new Candidate(reader.queue, id);
      }
    }
    return null;
  }

  /** Lets all waiting slots go. */
  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      found.signalAll();
      wanted.signalAll();
    } finally {
      lock.unlock();
    }
    readers.forEach(reader -> reader.thread.interrupt());
  }

  /** Reads one queue ahead. */
  private final class Reader implements Runnable {
    private final String queue;
    private final Thread thread;
    private final SequencedSet<String> ready = new LinkedHashSet<>(); // guarded by lock
    private Set<String> given = new HashSet<>(); // since the last read began; guarded by lock
    private Set<String> givenBefore = new HashSet<>(); // since the read before; guarded by lock
    private int passed; // ids that the last read saw and slots were taking already; own thread
    private boolean more; // whether the last read ended before the queue did; own thread
    private JobQueue.@Nullable Look read; // by the last read, if it reached the end; own thread
    private int reported; // foreign jobs when last told; own thread
    private final Map<String, Boolean> known = // own thread
        new LinkedHashMap<>() {
          @Override
          protected boolean removeEldestEntry(Map.Entry<String, Boolean> eldest) {
            return size() > PAGE * MOST_PAGES * 2;
          }
        };

    Reader(String queue) {
      this.queue = queue;
      thread = Thread.ofPlatform().daemon().name("intake-" + queue).unstarted(this);
    }

    @Override
    public void run() {
      long outage = 0;
      while (true) {
        try (JobQueue.Peek peek = jobs.peek(queue, LONGEST_PEEK)) {
          outage = 0;
          while (awaitDemand()) {
            // Looked at before it is read, so that an id that arrives in between is a change.
            JobQueue.Look look = jobs.look(queue);
            if (!look.paused() && fill()) {
              continue;
            }
            if (look.length() == 0) {
              boolean _ = peek.await();
            } else if (look.paused() || read == null || read.equals(look)) {
              // Otherwise it changed before it was read, and may look as before again: a job that
              // was taken comes back when it is tried again.
              awaitChange(look);
            }
          }
          return;
        } catch (InterruptedException e) {
          return;
        } catch (RuntimeException e) {
          if (isClosed()) {
            return;
          }
          if (outage == 0) {
            LOG.warn(
                "Queue {} cannot be read: {}. Trying again until it can.", queue, e.getMessage());
          }
          outage = Math.min(LAST_LOOK_MS * 5, Math.max(FIRST_LOOK_MS, outage * 2));
          try {
            pause(outage);
          } catch (InterruptedException stop) {
            return;
          }
        }
      }
    }

    /** Returns true when ids are needed, false when the intake is closed. */
    private boolean awaitDemand() throws InterruptedException {
      lock.lockInterruptibly();
      try {
        while (!closed && !(ready.isEmpty() && waiting > 0) && !(more && ready.size() < FEW)) {
          wanted.await();
        }
        return !closed;
      } finally {
        lock.unlock();
      }
    }

    /**
     * Reads pages until one page of runnable ids is found.
     *
     * @return whether to read on: there are new ones, or some that may be new by the next read
     */
    private boolean fill() {
      remember();
      int added = 0;
      int others = 0;
      long length = 0;
      String head = "";
      String tail = "";
      read = null;
      passed = 0;
      for (int page = 0; page < MOST_PAGES && added < PAGE; page++) {
        List<String> ids = jobs.ids(queue, page * PAGE, PAGE);
        learn(ids);
        List<String> runnable = new ArrayList<>();
        for (String id : ids) {
          if (known.getOrDefault(id, false)) {
            runnable.add(id);
          } else {
            others++;
          }
        }
        added += offer(runnable);
        if (!ids.isEmpty()) {
          head = page == 0 ? ids.getFirst() : head;
          tail = ids.getLast();
          length += ids.size();
        }
        if (ids.size() < PAGE) {
          read = new JobQueue.Look(length, head, tail, false);
          break;
        }
      }
      more = added >= PAGE;
      report(others);
      return added > 0 || passed > 0;
    }

    private void remember() {
      lock.lock();
      try {
        givenBefore = given;
        given = new HashSet<>();
      } finally {
        lock.unlock();
      }
    }

    private void learn(List<String> ids) {
      List<String> unknown = ids.stream().filter(id -> !known.containsKey(id)).distinct().toList();
      for (JobRecord job : jobs.calls(unknown)) {
        known.put(job.id(), runnableHere.test(queue, job));
      }
    }

    /** An id that was given out lately is passed over: asking for it in vain searches the list. */
    private int offer(List<String> runnable) {
      lock.lock();
      try {
        int added = 0;
        for (String id : runnable) {
          if (given.contains(id) || givenBefore.contains(id)) {
            passed++;
          } else if (ready.add(id)) {
            added++;
            found.signal();
          }
        }
        return added;
      } finally {
        lock.unlock();
      }
    }

    private void report(int others) {
      if (others == reported) {
        return;
      }
      reported = others;
      if (others > 0) {
        LOG.warn(
            "Queue {}: this worker cannot run {} of the waiting jobs. They stay in place for other"
                + " workers.",
            queue,
            others);
      }
      listeners.forEach(listener -> listener.foreign(queue, others));
    }

    /** Waits until the queue looks different: read-only, 10 times a second at first, then once. */
    private void awaitChange(JobQueue.Look before) throws InterruptedException {
      long wait = FIRST_LOOK_MS;
      JobQueue.Look now = before;
      while (!isClosed() && now.equals(before)) {
        pause(wait + ThreadLocalRandom.current().nextLong(wait / 4));
        wait = Math.min(LAST_LOOK_MS, wait * 2);
        now = jobs.look(queue);
      }
    }

    private void pause(long millis) throws InterruptedException {
      lock.lockInterruptibly();
      try {
        long left = TimeUnit.MILLISECONDS.toNanos(millis);
        Condition never = lock.newCondition();
        while (left > 0 && !closed) {
          left = never.awaitNanos(left);
        }
      } finally {
        lock.unlock();
      }
    }

    private boolean isClosed() {
      lock.lock();
      try {
        return closed;
      } finally {
        lock.unlock();
      }
    }
  }
}
