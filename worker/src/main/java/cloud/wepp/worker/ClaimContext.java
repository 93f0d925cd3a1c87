package cloud.wepp.worker;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.Claim;
import cloud.wepp.rq.FaultPoint;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.MalformedJob;
import cloud.wepp.rq.QueueUnavailable;
import cloud.wepp.rq.WeppcloudRedis;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.job.JobContext;
import cloud.wepp.worker.job.JobListener;
import cloud.wepp.worker.job.StopReason;
import cloud.wepp.worker.process.Limits;
import cloud.wepp.worker.process.ProcessEnd;
import java.io.StringWriter;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.core.JsonGenerator;
import tools.jackson.databind.json.JsonMapper;

/** The context of one claim: what the job's handler asks for, and the account of what it used. */
final class ClaimContext implements JobContext {
  private static final Logger LOG = LoggerFactory.getLogger(ClaimContext.class);
  private static final JsonMapper JSON = JsonMapper.builder().build();

  private static final int TRIES = 5; // at meta that others write, too
  private static final int MOST_DOUBTS = 20; // one of each hillslope says it all

  private final RunningJob running;
  private final Claim claim;
  private final BooleanSupplier again;
  private final List<JobListener> listeners;
  private final JobQueue jobs;
  private final WeppcloudRedis weppcloud;
  private final InstantSource clock;
  private byte[] meta; // as it is in Redis; guarded by this
  private final List<String> doubts = new ArrayList<>(); // guarded by this
  private final Account account = new Account(); // guarded by this
  private final Limits limits;

  ClaimContext(
      RunningJob running,
      BooleanSupplier again,
      List<JobListener> listeners,
      Limits limits,
      JobQueue jobs,
      WeppcloudRedis weppcloud,
      InstantSource clock) {
    this.running = running;
    this.claim = running.claim();
    this.again = again;
    this.listeners = listeners;
    this.limits = limits;
    this.jobs = jobs;
    this.weppcloud = weppcloud;
    this.clock = clock;
    meta = claim.job().meta();
  }

  @Override
  public String jobId() {
    return claim.job().id();
  }

  @Override
  public String claimId() {
    return claim.id();
  }

  @Override
  public String executionId() {
    return claim.execution();
  }

  @Override
  public String worker() {
    return claim.worker();
  }

  @Override
  public InstantSource clock() {
    return clock;
  }

  @Override
  public Optional<StopReason> stopReason() {
    return running.reason();
  }

  @Override
  public boolean mayBeginAgain() {
    return again.getAsBoolean();
  }

  @Override
  public OptionalLong timeoutSeconds() {
    return claim.job().timeoutSeconds();
  }

  @Override
  public String queue() {
    return claim.queue();
  }

  @Override
  public String description() {
    return claim.job().text("description");
  }

  @Override
  public void pause(Duration time) throws InterruptedException {
    boolean _ = new CountDownLatch(1).await(time.toNanos(), TimeUnit.NANOSECONDS);
  }

  @Override
  public void publish(String channel, String text) {
    weppcloud.publish(channel, text);
  }

  @Override
  public Map<String, String> timestamp(String run, String task) {
    return weppcloud.timestamp(run, task, clock.instant());
  }

  @Override
  public synchronized boolean putMeta(Map<String, PyValue> entries) {
    try {
      boolean json = Call.read(claim.job().data()).json();
      for (int n = 1; !write(JobMeta.put(meta, json, entries)); n++) {
        byte[] now = jobs.meta(jobId());
        if (n == TRIES || Arrays.equals(now, meta)) { // others do not stop, or the claim is lost
          LOG.info("Job {}: meta is left as others have changed it.", jobId());
          return false;
        }
        meta = now;
      }
      return true;
    } catch (JobMeta.Unreadable | MalformedJob | QueueUnavailable e) {
      LOG.warn("Job {}: meta is left as it is: {}", jobId(), e.getMessage());
      return false;
    }
  }

  private boolean write(byte[] changed) {
    boolean written = jobs.writeMeta(claim, meta, changed);
    meta = written ? changed : meta;
    return written;
  }

  @Override
  public void printed(String line) {
    running.output().add(line);
  }

  @Override
  public synchronized void doubt(String text) {
    if (doubts.size() < MOST_DOUBTS) {
      doubts.add(text);
    }
  }

  @Override
  public void stalled(String name, String what) {
    LOG.warn("Job {}: {}: {}", jobId(), name, what);
    note("stalled", name + ": " + what);
    listeners.forEach(listener -> listener.stalled(claim, name));
  }

  @Override
  public void account(String name, ProcessEnd end) {
    FaultPoint.EXITED.reached();
    String rows;
    synchronized (this) {
      account.add(name, end, Duration.between(claim.startedAt(), clock.instant()));
      rows = account.dueRows();
    }
    if (!rows.isEmpty()) {
      note("processes", rows);
    }
    listeners.forEach(listener -> listener.used(name, end));
  }

  /** Tells the history more of the job while it runs. */
  private void note(String what, String text) {
    try {
      jobs.note(claim, what, text);
    } catch (QueueUnavailable e) {
      LOG.warn("Job {}: {}; the history lacks some of its {}.", jobId(), e.getMessage(), what);
    }
  }

  @Override
  public Limits limits() {
    return limits;
  }

  /** Why the last process ended, in one word. */
  synchronized String lastCause() {
    return account.lastCause();
  }

  /** What the history keeps: a JSON object. */
  synchronized String detail(Duration wall, String cause, String error) {
    StringWriter text = new StringWriter();
    try (JsonGenerator detail = JSON.createGenerator(text)) {
      detail.writeStartObject();
      detail.writeNumberProperty("wall_s", Account.seconds(wall));
      detail.writeStringProperty("cause", cause);
      if (!error.isEmpty()) {
        detail.writeStringProperty("error", error);
      }
      if (!doubts.isEmpty()) {
        detail.writeArrayPropertyStart("doubts");
        doubts.forEach(detail::writeString);
        detail.writeEndArray();
      }
      account.write(detail);
      detail.writeEndObject();
    }
    return text.toString();
  }
}
