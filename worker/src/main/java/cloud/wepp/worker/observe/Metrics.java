package cloud.wepp.worker.observe;

import cloud.wepp.rq.Claim;
import cloud.wepp.rq.Event;
import cloud.wepp.rq.JobQueue.Settled;
import cloud.wepp.rq.Settlement;
import cloud.wepp.worker.job.JobListener;
import cloud.wepp.worker.process.ProcessEnd;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.TimeGauge;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.binder.jvm.JvmGcMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmMemoryMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmThreadMetrics;
import io.micrometer.core.instrument.binder.system.FileDescriptorMetrics;
import io.micrometer.core.instrument.binder.system.ProcessorMetrics;
import io.micrometer.core.instrument.binder.system.UptimeMetrics;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.time.Duration;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.DoubleSupplier;
import java.util.function.IntSupplier;
import java.util.function.ToDoubleFunction;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * All metrics of a worker, for Prometheus; {@code docs/metrics.md} lists them. What has to be asked
 * of Redis is told by a timer, so a scrape asks nobody. No label holds a job or a run, and the
 * functions among them are few.
 */
public final class Metrics implements JobListener, AutoCloseable {
  /** Functions of unknown modules that get a label of their own; anybody may enqueue any name. */
  private static final int MOST_FUNCTIONS = 100;

  /** What is the same in the names of all processes of one kind. */
  private static final Pattern MODEL =
      Pattern.compile("^(\\w+(?: (?:hillslope|watershed|flowpath)(?: storm)?)?).*");

  private static final Duration[] TIMES = {
    Duration.ofSeconds(1),
    Duration.ofSeconds(10),
    Duration.ofMinutes(1),
    Duration.ofMinutes(10),
    Duration.ofHours(1),
    Duration.ofHours(10)
  };
  private static final double[] SIZES = {1L << 27, 1L << 29, 1L << 30, 1L << 31, 1L << 32};

  private final PrometheusMeterRegistry registry =
      new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
  private final Collection<String> modules;
  private final Set<String> functions = new HashSet<>(); // of no known module; guarded by itself
  private final JvmGcMetrics collector = new JvmGcMetrics();
  private final Map<String, Integer> foreign = new ConcurrentHashMap<>(); // by queue
  private final Timer late;
  private final Counter unanswered;
  private final Counter survivors;
  private final Counter recorded;
  private final Map<String, Counter> claims; // by event
  private volatile Load load = Load.UNKNOWN;
  private volatile Backlog backlog = new Backlog(Double.NaN, Double.NaN);

  /**
   * What the process is and does.
   *
   * @param modules whose functions always have a label of their own
   * @param slots how many jobs it may run at once
   * @param running how many it does
   * @param draining whether it takes no more
   */
  public record Observed(
      String version,
      Collection<String> queues,
      Collection<String> modules,
      int slots,
      IntSupplier running,
      BooleanSupplier draining) {}

  /**
   * The queues as they were last seen.
   *
   * @param answered how long Redis took for the simplest of questions
   * @param queues by name
   */
  public record Load(Duration answered, Map<String, Queue> queues) {
    static final Load UNKNOWN = new Load(Duration.ZERO, Map.of());
  }

  /**
   * One queue.
   *
   * @param runnable those of the waiting jobs that may start here now
   * @param running in this kind of worker
   * @param oldest how long the first one has waited that this worker can run
   */
  public record Queue(long waiting, long runnable, long running, Duration oldest) {}

  private record Backlog(double events, double seconds) {}

  public Metrics(Observed worker) {
    modules = List.copyOf(worker.modules());
    worker.queues().forEach(this::addQueue);
    gauge(
        "rq.wanted.workers",
        "How many workers like this one the runnable and running jobs of its queues keep busy",
        () ->
            load.queues().isEmpty()
                ? Double.NaN
                : load.queues().values().stream().mapToLong(q -> q.runnable() + q.running()).sum()
                    / (double) worker.slots());
    addWorker(worker);
    late =
        Timer.builder("rq.worker.heartbeat.late")
            .description("How long after its time a heartbeat began")
            .register(registry);
    unanswered = counter("rq.worker.redis.errors", "Looks at the queues that Redis did not answer");
    survivors =
        counter(
            "rq.worker.survivors", "Processes that did not end after SIGKILL, and blocked a slot");
    recorded = counter("rq.worker.events.recorded", "Events that this worker carried to Postgres");
    gauge(
        "rq.worker.events.waiting",
        "Events of all workers that wait for Postgres",
        () -> backlog.events());
    TimeGauge.builder(
            "rq.worker.events.oldest", this, TimeUnit.SECONDS, metrics -> metrics.backlog.seconds())
        .description("How long the first event has waited for Postgres")
        .register(registry);
    claims =
        Stream.of("taken", "settled", "canceled", "lost", "reclaimed")
            .collect(Collectors.toUnmodifiableMap(event -> event, this::claimCounter));
    addLoki();
    addJvm();
  }

  private void addQueue(String queue) {
    gauge("rq.queue.waiting.jobs", "Jobs in the queue", queue, Queue::waiting);
    gauge(
        "rq.queue.runnable.jobs",
        "Jobs in the queue that may start in this worker: none while the queue is paused or all"
            + " workers are suspended, and never a job that is for others",
        queue,
        Queue::runnable);
    gauge(
        "rq.queue.running.jobs",
        "Jobs of the queue that this kind of worker runs, in all pods",
        queue,
        Queue::running);
    TimeGauge.builder(
            "rq.queue.oldest",
            this,
            TimeUnit.SECONDS,
            metrics -> metrics.of(queue, one -> one.oldest().toMillis() / 1000.0))
        .description("How long the first job has waited that this worker can run")
        .tag("queue", queue)
        .register(registry);
    Gauge.builder("rq.worker.foreign.jobs", foreign, counts -> counts.getOrDefault(queue, 0))
        .description(
            "Jobs at the beginning of the queue that this worker cannot run, when it last looked"
                + " for work")
        .tag("queue", queue)
        .register(registry);
  }

  private void gauge(String name, String text, String queue, ToDoubleFunction<Queue> value) {
    Gauge.builder(name, this, metrics -> metrics.of(queue, value))
        .description(text)
        .tag("queue", queue)
        .register(registry);
  }

  private double of(String queue, ToDoubleFunction<Queue> value) {
    Queue found = load.queues().get(queue);
    return found == null ? Double.NaN : value.applyAsDouble(found);
  }

  private void gauge(String name, String text, DoubleSupplier value) {
    Gauge.builder(name, value::getAsDouble)
        .description(text)
        .strongReference(true)
        .register(registry);
  }

  private Counter counter(String name, String text) {
    return Counter.builder(name).description(text).register(registry);
  }

  private void addWorker(Observed worker) {
    gauge("rq.worker.slots", "Jobs that this worker may run at once", worker::slots);
    gauge("rq.worker.running.jobs", "Jobs that it runs", () -> worker.running().getAsInt());
    gauge(
        "rq.worker.draining",
        "1 while it takes no more jobs, because it leaves",
        () -> worker.draining().getAsBoolean() ? 1 : 0);
    Gauge.builder("rq.worker.info", () -> 1)
        .description("1; its version is the label")
        .tag("version", worker.version())
        .register(registry);
    TimeGauge.builder(
            "rq.worker.redis",
            this,
            TimeUnit.SECONDS,
            metrics ->
                metrics.load.queues().isEmpty()
                    ? Double.NaN
                    : metrics.load.answered().toNanos() / 1e9)
        .description("How long Redis took to answer when it was last asked")
        .register(registry);
  }

  /** Loki's appender counts in a registry of its own, which is there without it too. */
  private void addLoki() {
    lost(
        "rq.worker.loki.dropped.lines",
        "Lines of log that Loki's queue had no room for",
        "loki4j.drop.events");
    lost(
        "rq.worker.loki.lost.batches",
        "Batches of lines that Loki refused, or did not take in time",
        "loki4j.send.errors");
  }

  private void lost(String name, String text, String counted) {
    FunctionCounter.builder(name, Logging.COUNTS, counts -> sum(counts, counted))
        .description(text)
        .register(registry);
  }

  private static double sum(MeterRegistry counts, String name) {
    return counts.find(name).counters().stream().mapToDouble(Counter::count).sum();
  }

  private void addJvm() {
    new JvmMemoryMetrics().bindTo(registry);
    collector.bindTo(registry);
    new JvmThreadMetrics().bindTo(registry);
    new ProcessorMetrics().bindTo(registry);
    new UptimeMetrics().bindTo(registry);
    new FileDescriptorMetrics().bindTo(registry);
  }

  private Counter claimCounter(String event) {
    return Counter.builder("rq.worker.claims")
        .description(
            "Jobs taken; and how their claims ended: settled, canceled while it ran, or lost to"
                + " others. Claims of workers that were gone: reclaimed")
        .tag("event", event)
        .register(registry);
  }

  private void count(String event) {
    Objects.requireNonNull(claims.get(event), event).increment();
  }

  @Override
  public void started(Claim claim) {
    count("taken");
  }

  @Override
  public void settled(Claim claim, Settlement settlement, Settled settled) {
    count(
        switch (settled) {
          case SETTLED -> "settled";
          case CANCELED -> "canceled";
          case LOST, LEFT -> "lost";
        });
  }

  @Override
  public void ended(Claim claim, Ran ran) {
    String function = label(ran.function());
    record(
        "rq.worker.job.wait", "From the queue to the start", function, ran.outcome(), ran.waited());
    record(
        "rq.worker.job.duration", "From the start to the end", function, ran.outcome(), ran.ran());
  }

  private void record(String name, String text, String function, String outcome, Duration time) {
    Timer.builder(name)
        .description(text)
        .serviceLevelObjectives(TIMES)
        .tag("function", function)
        .tag("outcome", outcome)
        .register(registry)
        .record(time.isNegative() ? Duration.ZERO : time); // a client's clock is ahead
  }

  private String label(String function) {
    if (function.isEmpty()) {
      return "unreadable";
    }
    if (modules.stream().anyMatch(module -> function.startsWith(module + "."))) {
      return function;
    }
    synchronized (functions) {
      return functions.contains(function)
              || (functions.size() < MOST_FUNCTIONS && functions.add(function))
          ? function
          : "other";
    }
  }

  @Override
  public void survivor(Claim claim, int pid) {
    survivors.increment();
  }

  @Override
  public void stalled(Claim claim, String name) {
    Counter.builder("rq.worker.stalls")
        .description("Processes that did nothing for wepp.stall-after")
        .tag("model", model(name))
        .register(registry)
        .increment();
  }

  /** Shows how a mount is. */
  public void watch(Mount mount) {
    mountSeconds(
        mount, "rq.mount.stat", "How long a look at the folder took", m -> m.seen().stat());
    mountSeconds(
        mount,
        "rq.mount.write",
        "How long it took to write, flush and remove a small file; NaN where jobs do not write",
        m -> m.seen().write());
    mountSeconds(
        mount,
        "rq.mount.unanswered",
        "How long the current look has lasted; 0 while there is none",
        Mount::unansweredSeconds);
    mountGauge(mount, "rq.mount.free", "bytes", "Bytes left", m -> m.seen().free());
    mountGauge(mount, "rq.mount.size", "bytes", "Bytes in all", m -> m.seen().size());
    mountGauge(
        mount,
        "rq.mount.well",
        "",
        "1 while the folder is as it should be; else the worker is not ready",
        m -> m.isWell() ? 1 : 0);
  }

  private void mountSeconds(
      Mount mount, String name, String text, ToDoubleFunction<Mount> seconds) {
    TimeGauge.builder(name, mount, TimeUnit.SECONDS, seconds)
        .description(text)
        .tag("mount", mount.folder().toString())
        .register(registry);
  }

  private void mountGauge(
      Mount mount, String name, String unit, String text, ToDoubleFunction<Mount> value) {
    Gauge.Builder<Mount> gauge = Gauge.builder(name, mount, value).description(text);
    (unit.isEmpty() ? gauge : gauge.baseUnit(unit))
        .tag("mount", mount.folder().toString())
        .register(registry);
  }

  /** Shows how many entries of the manifest are wrong; NaN while nobody knows. */
  public void watchGeodata(DoubleSupplier wrong) {
    gauge(
        "rq.geodata.wrong.files",
        "Files of geodata.manifest that are missing or have another size",
        wrong);
  }

  private static String model(String name) {
    return MODEL.matcher(name).replaceFirst("$1");
  }

  @Override
  public void used(String name, ProcessEnd end) {
    String model = model(name);
    ProcessEnd.Usage usage = end.usage();
    Counter.builder("rq.worker.processes")
        .description("Processes of jobs, by how they ended")
        .tag("model", model)
        .tag("cause", end.cause().word())
        .register(registry)
        .increment();
    cpu(model, "user", usage.user());
    cpu(model, "system", usage.system());
    bytes(model, "read", usage.readBytes());
    bytes(model, "written", usage.writtenBytes());
    DistributionSummary.builder("rq.worker.process.peak.rss")
        .description("The most memory that a process held")
        .baseUnit("bytes")
        .serviceLevelObjectives(SIZES)
        .tag("model", model)
        .register(registry)
        .record((double) usage.peakRssBytes());
  }

  private void cpu(String model, String mode, Duration time) {
    Counter.builder("rq.worker.process.cpu")
        .description("Processor time of ended processes")
        .baseUnit("seconds")
        .tag("model", model)
        .tag("mode", mode)
        .register(registry)
        .increment(time.toNanos() / 1e9);
  }

  private void bytes(String model, String direction, long bytes) {
    Counter.builder("rq.worker.process.io")
        .description("What ended processes read and wrote")
        .baseUnit("bytes")
        .tag("model", model)
        .tag("direction", direction)
        .register(registry)
        .increment((double) bytes);
  }

  @Override
  public void reclaimed(Claim claim, Settlement settlement, Settled settled) {
    count("reclaimed");
  }

  @Override
  public void heartbeat(Duration after) {
    late.record(after.isNegative() ? Duration.ZERO : after);
  }

  @Override
  public void recorded(List<Event> events) {
    recorded.increment(events.size());
  }

  @Override
  public void backlog(long events, Duration oldest) {
    backlog = new Backlog(events, oldest.toMillis() / 1000.0);
  }

  @Override
  public void foreign(String queue, int count) {
    foreign.put(queue, count);
  }

  /** The queues were looked at. */
  public void looked(Load seen) {
    load = seen;
  }

  /** The queues could not be looked at; what was seen before is not shown any more. */
  public void unanswered() {
    load = Load.UNKNOWN;
    unanswered.increment();
  }

  /** All of it, in Prometheus' text format. */
  public String scrape() {
    return registry.scrape();
  }

  @Override
  public void close() {
    collector.close();
    registry.close();
  }
}
