package cloud.wepp.worker;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.Ended;
import cloud.wepp.rq.FaultPoint;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.JobQueue.Settled;
import cloud.wepp.rq.JobRecord;
import cloud.wepp.rq.Leases;
import cloud.wepp.rq.Leases.Overdue;
import cloud.wepp.rq.MalformedJob;
import cloud.wepp.rq.Settlement;
import cloud.wepp.worker.job.JobListener;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/**
 * Takes over the jobs of workers that are gone: those whose lease is over. A job that may be begun
 * again goes back to the front of its queue; another one fails, but only when rq too would call it
 * abandoned. For one thread.
 */
final class Reclaim implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Reclaim.class);
  private static final JsonMapper JSON = JsonMapper.builder().build();

  /** A pause between two looks, or a jump of Redis' clock, after which nothing is believed. */
  private static final Duration STEP = Duration.ofSeconds(5);

  private final Leases leases;
  private final JobQueue jobs;
  private final RunningJobs running;
  private final Recovery recovery;
  private final Verdict verdict;
  private final Policy policy;
  private final List<JobListener> listeners;
  private final InstantSource clock;
  private Instant last = Instant.EPOCH; // Redis' clock at the last look
  private long lastNanos; // this process's clock then
  private long calmAt; // System.nanoTime() from which on an overdue lease is believed

  /**
   * The rules that do not depend on the job.
   *
   * @param queues whose jobs are taken over
   * @param calm how long all workers are given to be heard of again
   * @param crashes deaths of workers after which a job fails
   */
  record Policy(Set<String> queues, Duration calm, int crashes) {}

  Reclaim(
      Leases leases,
      JobQueue jobs,
      RunningJobs running,
      Recovery recovery,
      Verdict verdict,
      Policy policy,
      List<JobListener> listeners,
      InstantSource clock) {
    this.leases = leases;
    this.jobs = jobs;
    this.running = running;
    this.recovery = recovery;
    this.verdict = verdict;
    this.policy = policy;
    this.listeners = listeners;
    this.clock = clock;
    disturbed();
  }

  /** Redis was not reached: others may not have reached it either. */
  void disturbed() {
    lastNanos = System.nanoTime();
    calmAt = lastNanos + policy.calm().toNanos();
  }

  /** Looks once, and ends what is overdue. */
  void look() {
    long before = System.nanoTime();
    Leases.Look look = leases.look();
    long now = System.nanoTime();
    Duration passed = Duration.ofNanos(now - lastNanos);
    Duration drift = Duration.between(last, look.at()).minus(passed).abs();
    boolean steady = passed.compareTo(STEP) < 0 && drift.compareTo(STEP) < 0;
    if (!steady) {
      disturbed();
    }
    last = look.at();
    lastNanos = now;
    if (look.overdue().isEmpty() || before - calmAt < 0 || look.up().compareTo(policy.calm()) < 0) {
      return;
    }
    Set<String> own =
        running.all().stream().map(job -> job.claim().id()).collect(Collectors.toSet());
    for (Overdue dead : look.overdue()) {
      if (policy.queues().contains(dead.claim().queue()) && !own.contains(dead.claim().id())) {
        end(dead);
      }
    }
  }

  @Override
  public void close() {
    leases.close();
  }

  private void end(Overdue dead) {
    JobRecord job = dead.claim().job();
    Call call = call(job);
    List<Crash> crashes = crashes(job);
    crashes.add(Crash.of(dead));
    settlement(dead, call, crashes).ifPresent(settlement -> end(dead, settlement, call, crashes));
  }

  private void end(Overdue dead, Settlement settlement, Call call, List<Crash> crashes) {
    Crash crash = crashes.getLast();
    String detail = JSON.writeValueAsString(Map.of("cause", "lost", "error", crash.toString()));
    FaultPoint.RECLAIMING.reached();
    Settled settled =
        jobs.reclaim(
            dead.claim(),
            settlement,
            new Ended(clock.instant(), call.function(), Routes.run(call), detail),
            JSON.writeValueAsString(crashes));
    FaultPoint.RECLAIMED.reached();
    if (settled != Settled.LEFT) {
      LOG.warn("Job {}: {}. {}", dead.claim().job().id(), crash, words(settled, settlement));
      listeners.forEach(listener -> listener.reclaimed(dead.claim(), settlement, settled));
    }
  }

  /** What is written of the claim; empty while it is to wait. */
  private Optional<Settlement> settlement(Overdue dead, Call call, List<Crash> crashes) {
    JobRecord job = dead.claim().job();
    if (!dead.held()) {
      return Optional.of(new Settlement.Leave());
    }
    if (crashes.size() >= policy.crashes()) {
      return Optional.of(verdict.fail(job, poison(crashes)));
    }
    if (recovery.again(job, call, dead.begun())) {
      return Optional.of(new Settlement.GiveBack());
    }
    Settlement failed =
        verdict.failed(
            job,
            ("rq.exceptions.AbandonedJobError: %s. The function had begun, and recovery.again does"
                    + " not name it, so it is not begun again.")
                .formatted(crashes.getLast()));
    // The worker may only be cut off; rq waits too.
    return failed instanceof Settlement.Fail && !dead.rqWaits().isZero()
        ? Optional.empty()
        : Optional.of(failed);
  }

  private static String poison(List<Crash> crashes) {
    return "cloud.wepp.PoisonJob: %d workers died while they ran this job, so it is not run again. %s."
        .formatted(
            crashes.size(),
            crashes.stream().map(Crash::toString).collect(Collectors.joining(". ")));
  }

  private static String words(Settled settled, Settlement settlement) {
    if (settled != Settled.SETTLED) {
      return "The job is not its any more";
    }
    return switch (settlement) {
      case Settlement.GiveBack g -> "It is back at the front of its queue";
      case Settlement.Retry r -> "It is tried again";
      default -> "It has ended";
    };
  }

  /** A call that cannot be read is nobody's that may be begun again. */
  private static Call call(JobRecord job) {
    try {
      return Call.read(job.data());
    } catch (MalformedJob e) {
      return new Call("", List.of(), Map.of());
    }
  }

  /**
   * One worker that was gone before the job had ended, as the job's field {@code crashes} has it.
   *
   * @param heard rq's {@code last_heartbeat} of the job
   * @param memory what its container held then; empty if that is not known
   */
  private record Crash(String worker, String started, String heard, @Nullable String memory) {
    static Crash of(Overdue dead) {
      JobRecord job = dead.claim().job();
      return new Crash(
          dead.claim().worker(), job.text("started_at"), job.text("last_heartbeat"), dead.memory());
    }

    @Override
    public String toString() {
      String held = memory == null || memory.isEmpty() ? "" : ", when its container held " + memory;
      return "worker %s took it at %s and was last heard of at %s%s"
          .formatted(worker, started, heard, held);
    }
  }

  private static List<Crash> crashes(JobRecord job) {
    String text = job.text("crashes");
    try {
      return text.isEmpty()
          ? new ArrayList<>()
          : new ArrayList<>(List.of(JSON.readValue(text, Crash[].class)));
    } catch (JacksonException e) {
      return new ArrayList<>(); // not what we have written
    }
  }
}
