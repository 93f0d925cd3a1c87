package cloud.wepp.worker;

import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.JobRecord;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobOutcome;
import cloud.wepp.worker.wepp.CligenFunctions;
import cloud.wepp.worker.wepp.WeppFunctions;
import java.io.PrintStream;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Explains which waiting jobs a worker of this configuration takes, and why it leaves the rest. */
public final class Doctor {
  private static final int PAGE = 500;

  private final WorkerConfig config;
  private final JobQueue jobs;
  private final Routes routes;

  public Doctor(WorkerConfig config, JobQueue jobs) {
    this.config = config;
    this.jobs = jobs;
    JobHandler unused = (call, context) -> new JobOutcome.Failed("the doctor runs no jobs");
    Map<String, JobHandler> natives = new HashMap<>(Routes.BUILT_IN);
    WeppFunctions.NAMES.forEach(name -> natives.put(name, unused));
    CligenFunctions.NAMES.forEach(name -> natives.put(name, unused));
    routes = new Routes(natives, config.python().enabled() ? unused : null, config.routing());
  }

  /**
   * What waits in a queue.
   *
   * @param left of it, how much this worker leaves there
   * @param kinds how many are of each kind: function and what becomes of it
   */
  public record Waiting(int count, int left, Map<String, Integer> kinds) {}

  public Waiting look(String queue) {
    Map<String, Integer> kinds = new TreeMap<>();
    int count = 0;
    int left = 0;
    List<String> page = jobs.ids(queue, 0, PAGE);
    while (!page.isEmpty()) {
      for (JobRecord job : jobs.calls(page)) {
        Routes.Route route = routes.route(queue, job);
        String name = route.function().isEmpty() ? job.id() : route.function();
        kinds.merge(name + ": " + route.way().words, 1, Integer::sum);
        left += route.way().taken ? 0 : 1;
      }
      count += page.size();
      page = jobs.ids(queue, count, PAGE);
    }
    return new Waiting(count, left, kinds);
  }

  /** Changes nothing. */
  public void print(PrintStream out) {
    for (String queue : config.worker().queues()) {
      Waiting waiting = look(queue);
      boolean served = config.servedQueues().contains(queue);
      out.printf(
          "Queue %s: %d waiting%s%n",
          queue,
          waiting.count(),
          served
              ? "."
              : ". It is not served: python.enabled is false, and routing.native-queues does not"
                  + " name it.");
      waiting.kinds().forEach((what, count) -> out.printf("  %6d  %s%n", count, what));
    }
  }
}
