package cloud.wepp.worker;

import cloud.wepp.rq.Commands;
import cloud.wepp.worker.job.StopReason;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;

/**
 * The jobs of this process that run now, by the rq worker name of their slot. Obeys rq's commands.
 */
final class RunningJobs implements Commands.Listener {
  private final ConcurrentMap<String, RunningJob> byWorker = new ConcurrentHashMap<>();
  private final Runnable shutdown;

  /**
   * @param shutdown what rq's {@code shutdown} command starts; must not block
   */
  RunningJobs(Runnable shutdown) {
    this.shutdown = shutdown;
  }

  void add(RunningJob job) {
    byWorker.put(job.claim().worker(), job);
  }

  void remove(RunningJob job) {
    byWorker.remove(job.claim().worker(), job);
  }

  Collection<RunningJob> all() {
    return List.copyOf(byWorker.values());
  }

  @Override
  public void shutdown(String worker) {
    shutdown.run();
  }

  @Override
  public void killHorse(String worker) {
    RunningJob job = byWorker.get(worker);
    if (job != null) {
      job.stop(StopReason.KILLED);
    }
  }

  @Override
  public void stopJob(String worker, String jobId) {
    RunningJob job = byWorker.get(worker);
    if (job != null && job.claim().job().id().equals(jobId)) {
      job.stop(StopReason.STOPPED);
    }
  }
}
