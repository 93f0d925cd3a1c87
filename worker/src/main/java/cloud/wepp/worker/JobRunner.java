package cloud.wepp.worker;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.Claim;
import cloud.wepp.rq.Ended;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.JobQueue.Turn;
import cloud.wepp.rq.MalformedJob;
import cloud.wepp.rq.Settlement;
import cloud.wepp.rq.WeppcloudRedis;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobListener;
import cloud.wepp.worker.job.JobOutcome;
import cloud.wepp.worker.job.StopReason;
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
  private final Map<String, JobHandler> handlers;
  private final Verdict verdict;
  private final RunningJobs running;
  private final List<JobListener> listeners;
  private final InstantSource clock;

  JobRunner(
      JobQueue jobs,
      WeppcloudRedis weppcloud,
      Map<String, JobHandler> handlers,
      Verdict verdict,
      RunningJobs running,
      List<JobListener> listeners,
      InstantSource clock) {
    this.jobs = jobs;
    this.weppcloud = weppcloud;
    this.handlers = handlers;
    this.verdict = verdict;
    this.running = running;
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
    RunningJob job = running.start(claim);
    ClaimContext context = new ClaimContext(job, jobs, weppcloud, clock);
    try {
      listeners.forEach(listener -> listener.started(claim));
      Attempt attempt = attempt(claim, context);
      job.end();
      JobOutcome outcome =
          attempt.outcome != null
              ? attempt.outcome
              : new JobOutcome.Cut(job.reason().orElse(StopReason.DRAINED));
      Call call = attempt.call;
      Settlement settlement = verdict.of(claim.job(), call != null && call.json(), outcome);
      Ended ended = ended(claim, context, call, outcome);
      Turn turn = settle(claim, settlement, ended, next.get());
      listeners.forEach(listener -> listener.settled(claim, settlement, turn.settled()));
      return turn.next();
    } finally {
      running.ended(job);
    }
  }

  /** An attempt without an outcome was interrupted. */
  private record Attempt(@Nullable Call call, @Nullable JobOutcome outcome) {}

  private Attempt attempt(Claim claim, ClaimContext context) {
    Call call = null;
    try {
      call = Call.read(claim.job().data());
      JobHandler handler = handlers.get(call.function());
      if (handler == null) {
        return new Attempt(
            call, new JobOutcome.Failed("ValueError: Invalid attribute name: " + call.function()));
      }
      return new Attempt(call, handler.handle(call, context));
    } catch (InterruptedException e) {
      return new Attempt(call, null);
    } catch (MalformedJob e) {
      return new Attempt(
          call,
          new JobOutcome.Failed(
              "rq.exceptions.DeserializationError: job %s: its call cannot be read: %s"
                  .formatted(claim.job().id(), e.getMessage())));
    } catch (RuntimeException | Error e) { // a bug must end the job, not the slot
      LOG.error("Job {} ended by an error of the worker", claim.job().id(), e);
      StringWriter trace = new StringWriter();
      e.printStackTrace(new PrintWriter(trace));
      return new Attempt(call, new JobOutcome.Failed(trace.toString()));
    }
  }

  private Ended ended(Claim claim, ClaimContext context, @Nullable Call call, JobOutcome outcome) {
    Instant now = clock.instant();
    return new Ended(
        now,
        call == null ? "" : call.function(),
        call == null ? "" : run(call),
        context.detail(Duration.between(claim.startedAt(), now), cause(outcome), error(outcome)));
  }

  private Turn settle(
      Claim claim, Settlement settlement, Ended ended, Optional<JobQueue.Request> next) {
    return UntilKnown.ask(
        "Settling job " + claim.job().id(),
        () ->
            next.map(request -> jobs.settleAndTake(claim, settlement, ended, request))
                .orElseGet(
                    () -> new Turn(jobs.settle(claim, settlement, ended), Optional.empty())));
  }

  /** WEPPcloud's functions name the run in their first argument, or as {@code runid}. */
  private static String run(Call call) {
    PyValue first = call.args().isEmpty() ? call.kwargs().get("runid") : call.args().getFirst();
    return first instanceof PyValue.Str run && call.function().startsWith("wepppy.")
        ? run.value()
        : "";
  }

  private static String cause(JobOutcome outcome) {
    return switch (outcome) {
      case JobOutcome.Succeeded s -> "succeeded";
      case JobOutcome.Failed f -> "failed";
      case JobOutcome.Cut c -> c.reason().name().toLowerCase(Locale.ROOT);
    };
  }

  private static String error(JobOutcome outcome) {
    return outcome instanceof JobOutcome.Failed(String traceback)
        ? traceback.strip().lines().reduce("", (before, line) -> line)
        : "";
  }
}
