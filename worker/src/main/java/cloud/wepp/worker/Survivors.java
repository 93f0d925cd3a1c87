package cloud.wepp.worker;

import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.QueueUnavailable;
import cloud.wepp.worker.job.JobListener;
import cloud.wepp.worker.process.ProcessRunner;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells of processes that KILL does not end: an event of their job, a word in the record of the
 * worker whose slot they block, and the listeners.
 */
final class Survivors implements ProcessRunner.Survivors {
  private static final Logger LOG = LoggerFactory.getLogger(Survivors.class);

  private final JobQueue jobs;
  private final Supplier<Collection<RunningJob>> running;
  private final List<JobListener> listeners;

  Survivors(JobQueue jobs, Supplier<Collection<RunningJob>> running, List<JobListener> listeners) {
    this.jobs = jobs;
    this.running = running;
    this.listeners = listeners;
  }

  @Override
  public void found(String claim, int pid, String state) {
    String what = "process %d does not end after SIGKILL (state %s)".formatted(pid, state);
    tell(
        claim,
        job -> {
          listeners.forEach(listener -> listener.survivor(job.claim(), pid));
          jobs.note(job.claim(), "survivor", what);
          jobs.blocked(job.claim().worker(), what);
        });
  }

  @Override
  public void gone(String claim) {
    tell(claim, job -> jobs.blocked(job.claim().worker(), ""));
  }

  /** Nothing, when the claim is none of a running job: a Python server's, for example. */
  private void tell(String claim, Consumer<RunningJob> words) {
    Optional<RunningJob> job =
        running.get().stream().filter(one -> one.claim().id().equals(claim)).findFirst();
    try {
      job.ifPresent(words);
    } catch (QueueUnavailable e) {
      LOG.warn("{}; what blocks a slot is only in this log.", e.getMessage());
    }
  }
}
