package cloud.wepp.worker;

import cloud.wepp.rq.Claim;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.worker.job.JobListener;
import cloud.wepp.worker.ledger.LedgerStore;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
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
  private final Routes routes;
  private final Order order;
  private final Stop stop;
  private final List<JobListener> listeners;
  private final List<Reader> readers; // in the order of the next look; guarded by lock
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition found = lock.newCondition();
  private final Condition wanted = lock.newCondition();
  private final Condition resumed = lock.newCondition();
  private final Admission admission; // guarded by lock
  private int waiting; // slots in take; guarded by lock
  private long ended; // jobs; guarded by lock
  private boolean closed; // guarded by lock

  /** In which order the queues are looked at. */
  enum Order {
    ORDERED,
    ROUND_ROBIN,
    RANDOM
  }

  /**
   * When the intake closes by itself.
   *
   * @param burst when nothing is left to run
   * @param maxJobs after so many jobs
   */
  record Stop(boolean burst, long maxJobs) {
    static final Stop NEVER = new Stop(false, Long.MAX_VALUE);
  }

  Intake(
      JobQueue jobs,
      List<String> queues,
      Routes routes,
      Admission admission,
      Order order,
      Stop stop,
      List<JobListener> listeners) {
    this.jobs = jobs;
    this.routes = routes;
    this.admission = admission;
    this.order = order;
    this.stop = stop;
    this.listeners = listeners;
    readers = new ArrayList<>(queues.stream().map(Reader::new).toList());
  }

  void start() {
    paused(jobs.paused());
    List.copyOf(readers).forEach(reader -> reader.thread.start());
  }

  /** What jobs are expected to take, as {@link LedgerStore#memory} tells. */
  void expect(Map<String, Long> memory) {
    lock.lock();
    try {
      admission.expect(memory);
    } finally {
      lock.unlock();
    }
  }

  /** What is paused now, as {@link JobQueue#paused} tells. */
  void paused(Set<String> what) {
    lock.lock();
    try {
      if (admission.pause(what)) {
        LOG.info("Paused: {}", what.isEmpty() ? "nothing" : String.join(", ", what));
        found.signalAll();
        resumed.signalAll();
      }
    } finally {
      lock.unlock();
    }
  }

  /**
   * Claims the next job in the order of the queues; waits until there is one. Whatever the worker
   * had to do before is over.
   *
   * @return empty once the intake is closed
   */
  Optional<Claim> take(String worker) throws InterruptedException {
    while (true) {
      Candidate candidate = await(worker);
      if (candidate == null) {
        return Optional.empty();
      }
      JobQueue.Request request = request(worker, candidate);
      Optional<Claim> claim =
          UntilKnown.ask("Taking job " + candidate.job().id(), () -> jobs.take(request));
      if (claim.isPresent()) {
        return claim;
      }
    }
  }

  /**
   * The worker's job is at its end: a wish for the next, without waiting for one. Also empty once
   * the intake is closed.
   */
  Optional<JobQueue.Request> next(String worker) {
    lock.lock();
    try {
      ended++;
      admission.leave(worker);
      if (ended >= stop.maxJobs()) {
        close();
      }
      Candidate candidate = closed ? null : first(worker);
      if (admission.limitsQueues()) {
        found.signal(); // the place that is free now may be for a queue that waits
      }
      return Optional.ofNullable(candidate).map(one -> request(worker, one));
    } finally {
      lock.unlock();
    }
  }

  private JobQueue.Request request(String worker, Candidate candidate) {
    return jobs.request(
        candidate.queue(), worker, List.of(candidate.job().id()), candidate.job().route().run());
  }

  /** A job that this worker can run. */
  private record Ready(String id, Routes.Route route) {}

  private record Candidate(String queue, Ready job) {}

  private @Nullable Candidate await(String worker) throws InterruptedException {
    lock.lockInterruptibly();
    try {
      admission.missed(worker); // at a job's end next is asked, so this is what was not taken
      while (!closed) {
        if (!admission.admitsWorker(worker)) {
          resumed.await();
          continue;
        }
        Candidate candidate = first(worker);
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
  private @Nullable Candidate first(String worker) {
    if (!admission.admitsWorker(worker) || ended + admission.held() >= stop.maxJobs()) {
      return null;
    }
    if (order == Order.RANDOM) {
      Collections.shuffle(readers);
    }
    for (int i = 0; i < readers.size(); i++) {
      Reader reader = readers.get(i);
      Ready job = admission.admitsQueue(reader.queue) ? reader.next(worker) : null;
      if (job != null) {
        if (order == Order.ROUND_ROBIN) {
          readers.add(readers.remove(i));
        }
        return new Candidate(reader.queue, job);
      }
    }
    return null;
  }

  /** Whether slots get no more jobs, and end. */
  boolean isClosed() {
    lock.lock();
    try {
      return closed;
    } finally {
      lock.unlock();
    }
  }

  /** Lets all waiting slots go. */
  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      found.signalAll();
      resumed.signalAll();
      wanted.signalAll();
    } finally {
      lock.unlock();
    }
    List.copyOf(readers).forEach(reader -> reader.thread.interrupt());
  }

  /** Reads one queue ahead. */
  private final class Reader implements Runnable {
    private final String queue;
    private final Thread thread;
    private final SequencedMap<String, Routes.Route> ready = // by id; guarded by lock
        new LinkedHashMap<>();
    private Set<String> given = new HashSet<>(); // since the last read began; guarded by lock
    private Set<String> givenBefore = new HashSet<>(); // since the read before; guarded by lock
    private int passed; // ids that the last read saw and slots were taking already; own thread
    private boolean more; // whether the last read ended before the queue did; own thread
    private JobQueue.@Nullable Look read; // by the last read, if it reached the end; own thread
    private boolean heldBack; // whether the last read found jobs that may not start now; own thread
    private boolean exhausted; // whether a burst has come to this queue's end; guarded by lock
    private int reported; // foreign jobs when last told; own thread
    private final KnownRoutes known; // own thread

    Reader(String queue) {
      this.queue = queue;
      known = new KnownRoutes(jobs, routes);
      thread = Thread.ofPlatform().daemon().name("intake-" + queue).unstarted(this);
    }

    @Override
    public void run() {
      long outage = 0;
      while (true) {
        try (JobQueue.Peek peek = jobs.peek(queue, LONGEST_PEEK)) {
          outage = 0;
          while (awaitDemand()) {
            State before = state();
            // Looked at before it is read, so that an id that arrives in between is a change.
            JobQueue.Look look = jobs.look(queue);
            if (!look.suspended() && !before.paused && fill()) {
              continue;
            }
            boolean still = look.suspended() || before.paused || read == null || read.equals(look);
            if (stop.burst() && (look.length() == 0 || still)) {
              exhaust(before);
            } else if (look.length() == 0 && !before.paused) {
              boolean _ = peek.await();
            } else if (still) {
              // Otherwise it changed before it was read, and may look as before again: a job that
              // was taken comes back when it is tried again.
              awaitChange(look, before);
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

    /** What matters of the jobs that run, and of what is paused. */
    private record State(long version, int held, boolean paused) {}

    private State state() {
      lock.lock();
      try {
        return new State(admission.version(), admission.held(), admission.isPaused(queue));
      } finally {
        lock.unlock();
      }
    }

    /** In a burst: nothing was found, and nothing ran that might have added to it. */
    private void exhaust(State before) throws InterruptedException {
      lock.lock();
      try {
        exhausted = before.held == 0;
        if (readers.stream().allMatch(reader -> reader.exhausted)) {
          Intake.this.close();
        }
      } finally {
        lock.unlock();
      }
      pause(FIRST_LOOK_MS);
    }

    /**
     * The next id that may start; what may not is read again later. To be called under the lock.
     */
    private @Nullable Ready next(String worker) {
      while (!ready.isEmpty()) {
        Map.Entry<String, Routes.Route> entry = ready.pollFirstEntry();
        if (ready.size() < FEW) {
          wanted.signalAll();
        }
        if (admission.admits(entry.getValue())) {
          given.add(entry.getKey());
          admission.enter(worker, queue, entry.getValue());
          return new Ready(entry.getKey(), entry.getValue());
        }
      }
      return null;
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
      Set<String> away = remember();
      known.look();
      int added = 0;
      int others = 0;
      heldBack = false;
      long length = 0;
      String head = "";
      String tail = "";
      read = null;
      passed = 0;
      for (int page = 0; page < MOST_PAGES && added < PAGE; page++) {
        List<String> ids = jobs.ids(queue, page * PAGE, PAGE);
        known.see(queue, ids, away);
        List<String> runnable = new ArrayList<>();
        for (String id : ids) {
          Routes.Route route = known.of(id);
          if (route != null && route.way().taken) {
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

    /** A read begins. Returns what was given out since the last one did. */
    private Set<String> remember() {
      lock.lock();
      try {
        givenBefore = given;
        given = new HashSet<>();
        return givenBefore;
      } finally {
        lock.unlock();
      }
    }

    /** An id that was given out lately is passed over: asking for it in vain searches the list. */
    private int offer(List<String> runnable) {
      lock.lock();
      try {
        int added = 0;
        for (String id : runnable) {
          Routes.Route route = known.of(id);
          if (given.contains(id) || givenBefore.contains(id)) {
            passed++;
          } else if (route == null || !admission.admits(route)) {
            heldBack = true;
          } else if (ready.putIfAbsent(id, route) == null) {
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
    private void awaitChange(JobQueue.Look before, State then) throws InterruptedException {
      long wait = FIRST_LOOK_MS;
      JobQueue.Look now = before;
      boolean freed = false;
      while (!isClosed() && now.equals(before) && !freed) {
        pause(wait + ThreadLocalRandom.current().nextLong(wait / 4));
        wait = Math.min(LAST_LOOK_MS, wait * 2);
        now = jobs.look(queue);
        freed = (heldBack || then.paused) && state().version != then.version;
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
  }
}
