package cloud.wepp.worker.python;

import cloud.wepp.rq.FaultPoint;
import cloud.wepp.worker.job.JobContext;
import cloud.wepp.worker.job.JobOutcome;
import cloud.wepp.worker.job.StopReason;
import cloud.wepp.worker.process.ProcessEnd;
import cloud.wepp.worker.process.ProcessEnd.Cause;
import cloud.wepp.worker.process.ProcessRunner;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** One job in its supervisor, on its slot's thread: ordered, watched, ended, and accounted for. */
final class PythonJob {
  /** What rq itself gives a job beyond its timeout before it kills the work horse. */
  static final Duration OVERTIME = Duration.ofSeconds(60);

  private static final Duration LOOK = Duration.ofMillis(250);
  private static final Duration BURIAL = Duration.ofSeconds(90);

  private final JobContext context;
  private final ProcessRunner processes;
  private final JobOutput output;
  private final Duration grace;
  private final int processors;
  private @Nullable StopReason stopped;
  private boolean relayed;
  private int horse;
  private long peakRss;
  private long tooMuch; // the memory that was more than the limit; 0 while none was
  private final long started = System.nanoTime();

  /**
   * @param processors how many it holds; 0 is as good as 1 for a function that asks
   */
  PythonJob(
      JobContext context,
      ProcessRunner processes,
      JobOutput output,
      Duration grace,
      int processors) {
    this.context = context;
    this.processes = processes;
    this.output = output;
    this.grace = grace;
    this.processors = processors;
  }

  /**
   * Runs the job in this supervisor.
   *
   * @return empty when the supervisor has died, with all that it had started
   * @throws InterruptedException if the claim is lost, or the job is to be begun again elsewhere;
   *     then nothing of it is left
   */
  Optional<JobOutcome> run(Supervisor supervisor) throws InterruptedException {
    return in(supervisor, "run");
  }

  /** Has another supervisor do what is due after a job's death with its own. */
  Optional<JobOutcome> mourn(Supervisor supervisor) throws InterruptedException {
    return in(supervisor, "mourn");
  }

  /** Whether the function had begun. */
  boolean began() {
    return horse != 0;
  }

  private Optional<JobOutcome> in(Supervisor supervisor, String what) throws InterruptedException {
    String claim = context.claimId();
    processes.lend(supervisor.pid(), claim);
    try {
      Map<String, Object> order = new HashMap<>();
      order.put("do", what);
      order.put("job", context.jobId());
      order.put("queue", context.queue());
      order.put("execution", context.executionId());
      order.put("claim", claim);
      order.put("output", output.file().toString());
      order.put("stopped", stopped == StopReason.STOPPED);
      order.put("cause", why());
      order.put("processors", Integer.toString(Math.max(1, processors)));
      supervisor.begin(order);
      JsonNode report = await(supervisor, what.equals("mourn") ? BURIAL : Duration.ofDays(36_500));
      if (report.isMissingNode()) {
        return Optional.empty();
      }
      processes.endBelow(supervisor.pid(), claim, grace);
      account(report);
      return Optional.of(outcome(report));
    } finally {
      processes.takeBack(supervisor.pid(), claim);
    }
  }

  /** The report of the end; a missing node when the supervisor had to be killed, or died. */
  private JsonNode await(Supervisor supervisor, Duration longest) throws InterruptedException {
    long deadline = System.nanoTime() + longest.toNanos();
    boolean ended = false;
    while (true) {
      try {
        JsonNode said = supervisor.next(LOOK);
        output.look();
        if (horse != 0) {
          peakRss = Math.max(peakRss, processes.peakRss(horse));
          if (exceedsMemory()) {
            relay(supervisor);
            deadline = System.nanoTime() + grace.toNanos();
          }
        }
        if (said == null) {
          if (System.nanoTime() - deadline > 0) {
            // First what the job has started, so that its supervisor sees to the rest; then both.
            if (ended) {
              kill(supervisor);
            } else {
              processes.endBelow(supervisor.pid(), context.claimId(), Duration.ZERO);
              ended = true;
            }
            deadline = System.nanoTime() + grace.toNanos();
          }
        } else if (said.has("horse")) {
          horse = said.path("horse").asInt();
          processes.limit(horse, context.limits());
          FaultPoint.RUNNING.reached();
          relay(supervisor);
        } else {
          if (said.isMissingNode()) {
            kill(supervisor);
          }
          return said;
        }
      } catch (InterruptedException e) {
        stopped = context.stopReason().orElse(StopReason.DRAINED);
        boolean goesBack = stopped == StopReason.DRAINED && (!began() || context.mayBeginAgain());
        if (stopped == StopReason.CLAIM_LOST || goesBack) {
          kill(supervisor);
          throw e;
        }
        relay(supervisor);
        deadline = System.nanoTime() + grace.toNanos();
      }
    }
  }

  /** Whether that is found just now. */
  private boolean exceedsMemory() {
    long limit = context.limits().memoryBytes();
    if (limit == 0 || relayed) {
      return false;
    }
    long held = processes.sessionRss(horse);
    peakRss = Math.max(peakRss, held);
    tooMuch = held > limit ? held : 0;
    return tooMuch > 0;
  }

  /** Passes a stop on, once, as rq's own command. Before there is a horse rq would not hear it. */
  private void relay(Supervisor supervisor) {
    if ((stopped == null && tooMuch == 0) || horse == 0 || relayed) {
      return;
    }
    relayed = true;
    supervisor.command(
        stopped == StopReason.STOPPED
            ? Map.of("command", "stop-job", "job_id", context.jobId())
            : Map.of("command", "kill-horse"),
        why());
  }

  private String why() {
    if (tooMuch > 0) {
      return "it held %s of memory; its limit is %s."
          .formatted(ProcessEnd.size(tooMuch), ProcessEnd.size(context.limits().memoryBytes()));
    }
    return switch (stopped) {
      case null -> "";
      case TIMEOUT ->
          "it ran %d s beyond its timeout of %d s."
              .formatted(OVERTIME.toSeconds(), context.timeoutSeconds().orElse(-1));
      case KILLED -> "ended by rq's kill-horse command.";
      case DRAINED -> "the worker shut down.";
      case STOPPED, CLAIM_LOST -> "";
    };
  }

  private void kill(Supervisor supervisor) {
    Set<Integer> sessions = new HashSet<>(Set.of(supervisor.pid()));
    if (horse != 0) {
      sessions.add(horse);
    }
    processes.endSessions(sessions, context.claimId());
  }

  private void account(JsonNode report) {
    int exit = report.path("exit").asInt(0);
    ProcessEnd.Usage used =
        new ProcessEnd.Usage(
            seconds(report, "user"),
            seconds(report, "system"),
            Math.max(peakRss, report.path("peak").asLong(0)),
            report.path("read").asLong(0),
            report.path("written").asLong(0),
            report.path("waits").asLong(0),
            report.path("preemptions").asLong(0));
    boolean container = report.path("container").asBoolean(false);
    account(exit, container ? Cause.CONTAINER_MEMORY : cause(exit), used);
  }

  private Cause cause(int exit) {
    if (tooMuch > 0) {
      return Cause.MEMORY;
    }
    return switch (stopped) {
      case null -> exit < 0 ? Cause.SIGNAL : Cause.EXITED;
      case TIMEOUT -> Cause.TIMED_OUT;
      default -> Cause.STOPPED;
    };
  }

  private void account(int exit, Cause cause, ProcessEnd.Usage used) {
    Duration wall = Duration.ofNanos(System.nanoTime() - started);
    context.account("python", new ProcessEnd(horse, exit, cause, wall, used, context.limits()));
  }

  private static Duration seconds(JsonNode report, String field) {
    return Duration.ofNanos((long) (report.path(field).asDouble(0) * 1e9));
  }

  private JobOutcome outcome(JsonNode report) {
    String problem = report.path("problem").asString("");
    return new JobOutcome.Recorded(
        report.path("ending").asString(""),
        report.path("error").asString(""),
        problem.isEmpty() ? death() : problem);
  }

  /** What is written of a job that neither it nor its supervisors could end. */
  JobOutcome dead() {
    account(-9, cause(-9), ProcessEnd.Usage.memoryOnly(peakRss));
    return new JobOutcome.Recorded("", "", death());
  }

  private String death() {
    String cause = why();
    return "Work-horse terminated unexpectedly; waitpid returned 9 (signal 9); "
        + (cause.isEmpty() ? "it died together with its supervisor, not by this worker." : cause);
  }
}
