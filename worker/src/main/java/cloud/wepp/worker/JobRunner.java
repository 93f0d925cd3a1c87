package cloud.wepp.worker;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.Claim;
import cloud.wepp.rq.Ended;
import cloud.wepp.rq.FaultPoint;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.JobQueue.Settled;
import cloud.wepp.rq.JobQueue.Turn;
import cloud.wepp.rq.JobRecord;
import cloud.wepp.rq.MalformedJob;
import cloud.wepp.rq.QueueUnavailable;
import cloud.wepp.rq.Settlement;
import cloud.wepp.rq.WeppcloudRedis;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobListener;
import cloud.wepp.worker.job.JobListener.Ran;
import cloud.wepp.worker.job.JobOutcome;
import cloud.wepp.worker.job.StopReason;
import cloud.wepp.worker.observe.LogContext;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One job from its claim to its settlement: call, outcome, verdict, settle. */
final class JobRunner {
  private static final Logger LOG = LoggerFactory.getLogger(JobRunner.class);

  private final JobQueue jobs;
  private final WeppcloudRedis weppcloud;
  private final Routes routes;
  private final Recovery recovery;
  private final Verdict verdict;
  private final RunningJobs running;
  private final JobLimits limits;
  private final List<JobListener> listeners;
  private final InstantSource clock;

  JobRunner(
      JobQueue jobs,
      WeppcloudRedis weppcloud,
      Routes routes,
      Recovery recovery,
      Verdict verdict,
      RunningJobs running,
      JobLimits limits,
      List<JobListener> listeners,
      InstantSource clock) {
    this.jobs = jobs;
    this.weppcloud = weppcloud;
    this.routes = routes;
    this.recovery = recovery;
    this.verdict = verdict;
    this.running = running;
    this.limits = limits;
    this.listeners = listeners;
    this.clock = clock;
  }

  /**
   * Runs a job to its end, whatever that is, on this thread.
   *
   * @param next asked at the job's end for what to take in the same breath
   * @return the next claim, if there was such a wish and it was met
   */
  Optional<Claim> run(Claim claim, Supplier<Optional<JobQueue.Request>> next) {
    FaultPoint.TAKEN.reached();
    Task task = task(claim.job());
    RunningJob job = running.start(claim, task.handler.overtime(), recovery.finishes(task.call));
    ClaimContext context =
        new ClaimContext(
            job,
            () -> recovery.again(claim.job(), task.call, true),
            listeners,
            limits.of(task.call.function(), claim.job()),
            jobs,
            weppcloud,
            clock);
    try (LogContext _ = LogContext.of(claim, task.call.function(), Routes.run(task.call))) {
      listeners.forEach(listener -> listener.started(claim));
      LOG.debug("Job {}: {} starts", claim.job().id(), task.call.function());
      FaultPoint.SPAWNING.reached();
      JobOutcome outcome = attempt(task, context);
      job.end();
      if (outcome == null) {
        outcome = new JobOutcome.Cut(job.reason().orElse(StopReason.DRAINED));
      }
      // One of Python's that had begun is only cut off if it may be begun again.
      boolean again =
          outcome instanceof JobOutcome.Cut && recovery.again(claim.job(), task.call, false);
      Settlement settlement = verdict.of(claim.job(), task.call.json(), outcome, again);
      Ended ended = ended(claim, context, task.call, outcome);
      FaultPoint.SETTLING.reached();
      Turn turn = settle(claim, settlement, ended, next.get());
      FaultPoint.SETTLED.reached();
      listeners.forEach(listener -> listener.settled(claim, settlement, turn.settled()));
      Ran ran = ran(claim, ended, word(turn.settled(), settlement, outcome));
      log(claim, ran, error(outcome));
      listeners.forEach(listener -> listener.ended(claim, ran));
      return turn.next();
    } finally {
      running.ended(job);
    }
  }

  /** What is to be done for a job. */
  private record Task(Call call, JobHandler handler) {}

  private Task task(JobRecord job) {
    try {
      Call call = Call.read(job.data());
      String unknown = "ValueError: Invalid attribute name: " + call.function();
      return new Task(call, routes.of(job, call).orElseGet(() -> failing(unknown)));
    } catch (MalformedJob e) {
      String unreadable =
          "rq.exceptions.DeserializationError: job %s: its call cannot be read: %s"
              .formatted(job.id(), e.getMessage());
      return new Task(
          new Call("", List.of(), Map.of()), routes.of(e).orElseGet(() -> failing(unreadable)));
    }
  }

  private static JobHandler failing(String text) {
    return (call, context) -> new JobOutcome.Failed(text);
  }

  /** Null when the job was interrupted. */
  private static @Nullable JobOutcome attempt(Task task, ClaimContext context) {
    try {
      return task.handler.handle(task.call, context);
    } catch (InterruptedException e) {
      return null;
    } catch (RuntimeException | Error e) { // a bug must end the job, not the slot
      LOG.error("Job {} ended by an error of the worker", context.jobId(), e);
      StringWriter trace = new StringWriter();
      e.printStackTrace(new PrintWriter(trace));
      return new JobOutcome.Failed(trace.toString());
    }
  }

  private Ended ended(Claim claim, ClaimContext context, Call call, JobOutcome outcome) {
    Instant now = clock.instant();
    return new Ended(
        now,
        call.function(),
        Routes.run(call),
        context.detail(
            Duration.between(claim.startedAt(), now), cause(context, outcome), error(outcome)));
  }

  private static Ran ran(Claim claim, Ended ended, String outcome) {
    Instant started = claim.startedAt();
    Instant enqueued = claim.job().enqueuedAt().orElse(started);
    return new Ran(
        ended.function(),
        outcome,
        Duration.between(enqueued, started),
        Duration.between(started, ended.at()));
  }

  private static void log(Claim claim, Ran ran, String error) {
    LOG.info(
        "Job {}: {} {} after {} s{}",
        claim.job().id(),
        ran.function(),
        ran.outcome(),
        ran.ran().toMillis() / 1000.0,
        error.isEmpty() ? "" : ": " + error);
  }

  private static String word(Settled settled, Settlement settlement, JobOutcome outcome) {
    return switch (settled) {
      case CANCELED -> "canceled";
      case LOST, LEFT -> "lost";
      case SETTLED -> word(settlement, outcome);
    };
  }

  private static String word(Settlement settlement, JobOutcome outcome) {
    return switch (settlement) {
      case Settlement.Finish _ -> "finished";
      case Settlement.Fail _ -> "failed";
      case Settlement.Stop _ -> "stopped";
      case Settlement.Retry _ -> "retried";
      case Settlement.GiveBack _ -> "given_back";
      case Settlement.Leave _ -> "lost";
      case Settlement.Recorded(Settlement otherwise) ->
          outcome instanceof JobOutcome.Recorded(String ending, var _, var _) && !ending.isEmpty()
              ? ending
              : word(otherwise, outcome);
    };
  }

  /** What Redis will not write is a failure that says so. */
  private Turn settle(
      Claim claim, Settlement settlement, Ended ended, Optional<JobQueue.Request> next) {
    try {
      return asked(claim, settlement, ended, next);
    } catch (QueueUnavailable e) {
      LOG.error("Job {}: its end is refused, so it fails", claim.job().id(), e);
      Settled settled = fail(claim, ended, e);
      // The next job may have been taken in the same trip.
      return new Turn(
          settled,
          next.flatMap(request -> UntilKnown.ask("Taking the next job", () -> jobs.take(request))));
    }
  }

  private Settled fail(Claim claim, Ended ended, QueueUnavailable why) {
    try {
      return asked(claim, verdict.refused(claim.job(), why), ended, Optional.empty()).settled();
    } catch (QueueUnavailable e) {
      LOG.error("Job {}: that is refused, too. It is left to maintenance.", claim.job().id(), e);
      return Settled.LOST;
    }
  }

  private Turn asked(
      Claim claim, Settlement settlement, Ended ended, Optional<JobQueue.Request> next) {
    return UntilKnown.ask(
        "Settling job " + claim.job().id(),
        () ->
            next.map(request -> jobs.settleAndTake(claim, settlement, ended, request))
                .orElseGet(
                    () -> new Turn(jobs.settle(claim, settlement, ended), Optional.empty())));
  }

  private static String cause(ClaimContext context, JobOutcome outcome) {
    return switch (outcome) {
      case JobOutcome.Succeeded s -> "succeeded";
      case JobOutcome.Failed f -> f.cause();
      case JobOutcome.Recorded(String ending, var e, var o) ->
          switch (ending) {
            case "finished" -> "succeeded";
            case "stopped" -> "stopped";
            default -> context.lastCause();
          };
      case JobOutcome.Cut c -> c.reason().name().toLowerCase(Locale.ROOT);
    };
  }

  private static String error(JobOutcome outcome) {
    return switch (outcome) {
      case JobOutcome.Failed(String text, var c) -> lastLine(text);
      case JobOutcome.Recorded(String ending, String error, String otherwise) ->
          ending.isEmpty() ? lastLine(otherwise) : error;
      case JobOutcome.Succeeded s -> "";
      case JobOutcome.Cut c -> "";
    };
  }

  private static String lastLine(String text) {
    return text.strip().lines().reduce("", (before, line) -> line);
  }
}
