package cloud.wepp.worker;

import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.QueueLoad;
import cloud.wepp.rq.QueueUnavailable;
import cloud.wepp.worker.observe.Metrics;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks at the queues every so often for the metrics: how many jobs wait, how many of them this
 * worker can run, and how many run. A thread of its own.
 */
final class QueueWatch implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(QueueWatch.class);

  /** Waiting jobs of a queue that are judged one by one; the rest is taken for alike. */
  private static final int JUDGED = 1000;

  private final QueueLoad load;
  private final JobQueue jobs;
  private final List<String> queues;
  private final Routes routes;
  private final long mostEvents;
  private final Metrics metrics;
  private final KnownRoutes known; // timer thread
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("queue-watch").factory());

  /**
   * Uses the load alone and closes it.
   *
   * @param mostEvents so many events wait for Postgres, and no job is taken
   */
  QueueWatch(
      QueueLoad load,
      JobQueue jobs,
      List<String> queues,
      Routes routes,
      long mostEvents,
      Metrics metrics) {
    this.load = load;
    this.jobs = jobs;
    this.queues = queues;
    this.routes = routes;
    known = new KnownRoutes(jobs, routes);
    this.mostEvents = mostEvents;
    this.metrics = metrics;
  }

  void start(Duration every) {
    var _ = timer.scheduleWithFixedDelay(this::look, 0, every.toMillis(), TimeUnit.MILLISECONDS);
  }

  private void look() {
    try {
      QueueLoad.Look seen = load.look(queues);
      Map<String, Metrics.Queue> found = new LinkedHashMap<>();
      known.look();
      for (QueueLoad.Queue queue : seen.queues()) {
        found.put(queue.name(), judge(queue, seen));
      }
      metrics.looked(new Metrics.Load(seen.answered(), found));
    } catch (QueueUnavailable e) {
      metrics.unanswered();
      LOG.debug("{}; looking again later", e.getMessage());
    } catch (RuntimeException e) { // the next look may go better
      LOG.error("The look at the queues met an unexpected error", e);
    }
  }

  private Metrics.Queue judge(QueueLoad.Queue queue, QueueLoad.Look seen) {
    boolean byFunction = seen.paused().stream().anyMatch(what -> what.startsWith("function "));
    boolean all = routes.takesAll(queue.name()) && !byFunction;
    List<String> ids =
        queue.waiting() == 0 ? List.of() : jobs.ids(queue.name(), 0, all ? 1 : JUDGED);
    List<String> runnable = all ? ids : runnable(queue.name(), ids, seen.paused());
    boolean halted =
        seen.suspended()
            || seen.events() >= mostEvents
            || seen.paused().contains("queue " + queue.name());
    return new Metrics.Queue(
        queue.waiting(),
        halted || ids.isEmpty() ? 0 : queue.waiting() * runnable.size() / ids.size(),
        queue.running(),
        runnable.isEmpty() ? Duration.ZERO : waited(runnable.getFirst(), seen));
  }

  private List<String> runnable(String queue, List<String> ids, Set<String> paused) {
    known.see(queue, ids, Set.of());
    return ids.stream().filter(id -> mayStart(known.of(id), paused)).toList();
  }

  /** One that is gone meanwhile is taken for a job that may. */
  private static boolean mayStart(Routes.@Nullable Route route, Set<String> paused) {
    return route == null
        || (route.way().taken
            && paused.stream().noneMatch(what -> Admission.pauses(what, route.function())));
  }

  private Duration waited(String job, QueueLoad.Look seen) {
    return load.enqueuedAt(job)
        .map(at -> Duration.between(at, seen.at()))
        .filter(time -> !time.isNegative()) // a client's clock is ahead
        .orElse(Duration.ZERO);
  }

  @Override
  public void close() {
    timer.shutdownNow();
    load.close();
  }
}
