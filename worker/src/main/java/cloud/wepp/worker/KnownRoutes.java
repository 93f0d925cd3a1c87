package cloud.wepp.worker;

import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.JobRecord;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Where waiting jobs go; a job is read once as long as it waits. One that was away may come back
 * under its id as another one. One thread.
 */
final class KnownRoutes {
  private final JobQueue jobs;
  private final Routes routes;
  private Map<String, Routes.Route> before = Map.of(); // of the jobs that the last look saw
  private Map<String, Routes.Route> known = new HashMap<>();

  KnownRoutes(JobQueue jobs, Routes routes) {
    this.jobs = jobs;
    this.routes = routes;
  }

  /** A new look at the queue begins: what it does not see is forgotten. */
  void look() {
    before = known;
    known = new HashMap<>();
  }

  /**
   * Some that the look sees.
   *
   * @param away those that may have been away since the last look
   */
  void see(String queue, List<String> ids, Set<String> away) {
    for (String id : ids) {
      Routes.Route route = away.contains(id) ? null : before.get(id);
      if (route != null) {
        known.put(id, route);
      }
    }
    List<String> unknown = ids.stream().filter(id -> !known.containsKey(id)).distinct().toList();
    for (JobRecord job : jobs.calls(unknown)) {
      known.put(job.id(), routes.route(queue, job));
    }
  }

  /** Null for one that was not seen, or that is gone. */
  Routes.@Nullable Route of(String id) {
    return known.get(id);
  }
}
