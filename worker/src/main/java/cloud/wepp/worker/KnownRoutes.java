package cloud.wepp.worker;

import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.JobRecord;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Where waiting jobs go; each job is read once, as long as not too many are known. One thread. */
final class KnownRoutes {
  private final JobQueue jobs;
  private final Routes routes;
  private final Map<String, Routes.Route> known;

  /**
   * @param most how many are remembered
   */
  KnownRoutes(JobQueue jobs, Routes routes, int most) {
    this.jobs = jobs;
    this.routes = routes;
    known =
        new LinkedHashMap<>() {
          @Override
          protected boolean removeEldestEntry(Map.Entry<String, Routes.Route> eldest) {
            return size() > most;
          }
        };
  }

  /** Reads those that are not known. */
  void learn(String queue, List<String> ids) {
    List<String> unknown = ids.stream().filter(id -> !known.containsKey(id)).distinct().toList();
    for (JobRecord job : jobs.calls(unknown)) {
      known.put(job.id(), routes.route(queue, job));
    }
  }

  /** Null for one that was not learned, or that is gone. */
  Routes.@Nullable Route of(String id) {
    return known.get(id);
  }
}
