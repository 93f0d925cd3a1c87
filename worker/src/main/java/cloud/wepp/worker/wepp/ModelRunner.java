package cloud.wepp.worker.wepp;

import cloud.wepp.worker.job.JobContext;
import cloud.wepp.worker.process.ActivityWatch;
import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.process.Limits;
import cloud.wepp.worker.process.ProcessEnd;
import cloud.wepp.worker.process.ProcessRunner;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs WEPP on one {@code .run} file as WEPPcloud's {@code wepp_runner} does: no arguments, answers
 * on standard input, a log beside the inputs, retries after a timeout and after a fault of the
 * storage only. WEPP's exit code means little; a run is good when its last line says so and every
 * output is there to its end.
 */
final class ModelRunner {
  private static final Logger LOG = LoggerFactory.getLogger(ModelRunner.class);

  private final Programs programs;
  private final Executables executables;
  private final WeppFunctions.Models settings;
  private final RunCheck check;
  private final Staging staging;

  /** Whether models write into their run folders. */
  private enum Staging {
    /** No, where those are on NFS. */
    AUTO,
    /** No: locally, and the outputs are published when they are good. */
    LOCAL,
    /** Yes. */
    OFF
  }

  ModelRunner(ProcessRunner processes, Executables executables, WeppFunctions.Models settings) {
    this.executables = executables;
    this.settings = settings;
    check =
        new RunCheck(
            RunCheck.Strictness.valueOf(settings.verify().toUpperCase(Locale.ROOT)),
            settings.longestName());
    staging = Staging.valueOf(settings.staging().toUpperCase(Locale.ROOT));
    programs = Programs.in(settings.scratch(), processes, settings.grace(), settings.inputWait());
  }

  /**
   * How one attempt ended.
   *
   * @param saysSuccess whether its last line says so
   * @param left what is wrong with its outputs, if it says success
   * @param fault of the storage, of which the model or its outputs tell; null for none
   */
  private record Attempt(
      Programs.Attempt ran, boolean saysSuccess, RunCheck.Findings left, @Nullable String fault) {
    boolean isGood() {
      return saysSuccess && left.failures().isEmpty();
    }
  }

  /** Runs a model to its good end. */
  void run(Model model, CpuBudget cpu, JobContext context) throws JobFailed, InterruptedException {
    Answers answers = answers(model, context);
    try (ModelLog log = new ModelLog(model.log(), "[" + model.kind().runner + "] ")) {
      log.note(model.shown() + limits(model));
      log.note(executables.identity(model.executable()));
      doubt(model, before(model, answers, context), log, context);
      // one of many hillslopes has no channel: their job tells how far it is
      String channel = model.channel() == null ? "" : model.channel();
      Progress.Telling telling =
          model.channel() == null ? Progress.Telling.NOWHERE : settings.telling();
      try (Progress progress = new Progress("years", telling, channel, context)) {
        new Attempts(model, answers, cpu, log, progress, context).run();
      }
    }
  }

  /** Whether this job has run the model already, before it was taken from a worker that died. */
  boolean isDone(Model model, JobContext context) throws JobFailed, InterruptedException {
    if (!settings.provenance()) {
      return false;
    }
    return StorageFault.retrying(
        "Reading what " + model.name() + " has left",
        context,
        () -> {
          Provenance earlier = Provenance.of(model.runs(), model.stem()).orElse(null);
          return earlier != null
              && Files.exists(model.answers())
              && earlier.isStill(
                  model,
                  Answers.read(model.answers()),
                  context.jobId(),
                  executables.sha256(model.executable()));
        });
  }

  private static String limits(Model model) {
    Duration timeout = model.timeout();
    return timeout == null
        ? " attempt=1/1"
        : " timeout=%ds timeout_retries=%d".formatted(timeout.toSeconds(), model.retries());
  }

  private Answers answers(Model model, JobContext context) throws JobFailed, InterruptedException {
    if (!Files.isDirectory(model.runs())) {
      throw new JobFailed(
          "FileNotFoundError", "the folder %s does not exist".formatted(model.runs()));
    }
    programs.awaitFiles(model.name(), List.of(model.answers()), context);
    Answers answers =
        StorageFault.retrying(
            "Reading " + model.answers(), context, () -> Answers.read(model.answers()));
    programs.awaitFiles(
        model.name(), answers.inputs().stream().map(model.runs()::resolve).toList(), context);
    for (String output : answers.outputs()) {
      Path folder = model.runs().resolve(output).normalize().getParent();
      if (folder != null && !Files.isDirectory(folder)) {
        throw new JobFailed(
            "FileNotFoundError",
            "%s writes %s, but the folder %s does not exist"
                .formatted(model.answers(), output, folder));
      }
    }
    return answers;
  }

  private List<String> before(Model model, Answers answers, JobContext context)
      throws JobFailed, InterruptedException {
    RunCheck.Findings found =
        StorageFault.retrying(
            "Looking at the inputs of " + model.name(),
            context,
            () -> check.before(model, answers));
    if (!found.failures().isEmpty()) {
      throw new JobFailed(
          "ValueError", "%s was not run: %s".formatted(model.name(), listed(found.failures())));
    }
    return found.doubts();
  }

  private static void doubt(Model model, List<String> doubts, ModelLog log, JobContext context) {
    for (String doubt : doubts) {
      log.note("doubtful: " + doubt);
      context.doubt(model.name() + ": " + doubt);
    }
  }

  private static String listed(List<String> all) {
    return String.join(", ", all);
  }

  private Stage stage(Model model, Answers answers) throws IOException {
    boolean local =
        switch (staging) {
          case LOCAL -> true;
          case OFF -> false;
          case AUTO -> Files.getFileStore(model.runs()).type().startsWith("nfs");
        };
    return local ? Stage.local(model, answers, programs.scratch()) : Stage.direct(model, answers);
  }

  /** Tells of a model that does nothing. */
  private final class Idle implements ActivityWatch.Listener {
    private final Model model;
    private final ModelLog log;
    private final JobContext context;

    Idle(Model model, ModelLog log, JobContext context) {
      this.model = model;
      this.log = log;
      this.context = context;
    }

    @Override
    public void stalled(int pid, String state, Duration since) {
      String what =
          "process %d has done nothing for %d s (state %s)%s"
              .formatted(
                  pid, since.toSeconds(), state, settings.activity().kill() ? "; it is ended" : "");
      log.noteNow("stalled: " + what);
      context.stalled(model.name(), what);
    }

    @Override
    public void goesOn(int pid) {
      log.noteNow("process %d goes on".formatted(pid));
      LOG.info("Job {}: {}: process {} goes on.", context.jobId(), model.name(), pid);
    }

    /** WEPPcloud's own line. */
    @Override
    public void uninterruptible(int pid, Duration since, int times) {
      ActivityWatch.Rules rules = settings.activity();
      log.noteNow(
          String.format(
              Locale.ROOT,
              "dstate_watchdog pid=%d state=D duration=%.2fs threshold=%.2fs interval=%.2fs"
                  + " event=%d/%d runs_dir=\"%s\" run_file=\"%s\" err_file=\"%s\" cmd=\"%s\"",
              pid,
              since.toMillis() / 1000.0,
              rules.uninterruptibleAfter().toMillis() / 1000.0,
              rules.every().toMillis() / 1000.0,
              times,
              rules.mostUninterruptible(),
              model.runs(),
              model.answers(),
              model.log(),
              model.executable()));
    }
  }

  /** All attempts at one model. */
  private final class Attempts {
    private final Model model;
    private final Answers answers;
    private final CpuBudget cpu;
    private final ModelLog log;
    private final Progress progress;
    private final JobContext context;
    private final List<String> timeouts = new ArrayList<>();
    private Limits limits;
    private List<Provenance.Item> inputs = List.of(); // of the current attempt

    Attempts(
        Model model,
        Answers answers,
        CpuBudget cpu,
        ModelLog log,
        Progress progress,
        JobContext context) {
      this.model = model;
      this.answers = answers;
      this.cpu = cpu;
      this.log = log;
      this.progress = progress;
      this.context = context;
      limits = context.limits();
    }

    void run() throws JobFailed, InterruptedException {
      StorageFault.Retries faults =
          new StorageFault.Retries(model.name(), settings.storageRetries());
      while (timeouts.size() <= model.retries()) {
        if (model.timeout() != null) {
          log.note("attempt %d/%d start".formatted(timeouts.size() + 1, model.retries() + 1));
        }
        Attempt attempt = attempt();
        String fault = attempt.fault();
        if (attempt.isGood()) {
          progress.at(answers.yearsAsked(), answers.yearsAsked());
          doubt(model, attempt.left().doubts(), log, context);
          tellFlake("success");
          return;
        } else if (attempt.ran().end().timedOut() && !attempt.saysSuccess()) {
          timedOut(attempt);
        } else if (mayHaveMore(attempt.ran().end())) {
          log.note(
              "%s; trying again with a limit of %s"
                  .formatted(attempt.ran().end().words(), ProcessEnd.size(limits.memoryBytes())));
        } else if (fault == null) {
          throw failure(attempt);
        } else {
          faults.await(fault, log, context);
        }
      }
      tellFlake("timeout");
      throw new JobFailed(
          "TimeoutError",
          "Hillslope simulation timed out for wepp_id=%s; runs_dir=%s; timeout_summary=[%s]"
              .formatted(model.id(), model.runs(), String.join("; ", timeouts)),
          List.of(),
          ProcessEnd.Cause.TIMED_OUT.word());
    }

    /** Whether its memory was too little, and more is allowed: then that is the limit now. */
    private boolean mayHaveMore(ProcessEnd end) {
      Optional<Limits> more = limits.more();
      if (end.cause() != ProcessEnd.Cause.MEMORY || more.isEmpty()) {
        return false;
      }
      limits = more.get();
      return true;
    }

    private Attempt attempt() throws JobFailed, InterruptedException {
      StorageFault.retrying(
          "Removing the old outputs of " + model.name(),
          context,
          () -> {
            removeOldOutputs();
            return true;
          });
      if (settings.provenance()) {
        inputs =
            StorageFault.retrying(
                "Reading the inputs of " + model.name(),
                context,
                () -> Provenance.inputs(model, answers));
      }
      try (Stage stage = stage(model, answers)) {
        Attempt attempt = attempt(stage);
        if (attempt.isGood()) {
          publish(stage, attempt);
        }
        return attempt;
      } catch (IOException e) {
        throw new JobFailed(
            "OSError", "%s cannot be staged on this host: %s".formatted(model.name(), e));
      }
    }

    /** What an earlier run or attempt left must not pass for the result of this one. */
    private void removeOldOutputs() throws IOException {
      if (settings.provenance()) {
        Provenance.forget(model.runs(), model.stem());
      }
      Path own = model.runs().resolve("..").normalize();
      for (String output : answers.outputs()) {
        Path file = model.runs().resolve(output).normalize();
        if (file.startsWith(own) && Files.isRegularFile(file)) {
          Files.delete(file);
        }
      }
    }

    private Attempt attempt(Stage stage) throws IOException, JobFailed, InterruptedException {
      Years years = new Years();
      progress.again();
      Programs.Attempt ran =
          programs.run(
              new Programs.Program(
                  model.name(),
                  List.of(model.executable().toString()),
                  stage.runs(),
                  model.answers(),
                  Map.of(),
                  model.timeout(),
                  limits),
              cpu,
              line -> {
                log.line(line);
                if (years.begins(line)) {
                  progress.at(years.current() - 1, answers.yearsAsked());
                }
                if (model.kind() == Model.Kind.WATERSHED && model.channel() != null) {
                  context.publish(model.channel(), line);
                }
              },
              new ActivityWatch(
                  settings.activity(), context.clock(), new Idle(model, log, context)),
              context);
      boolean saysSuccess = ran.lastLine().equals(model.success());
      RunCheck.Findings left =
          saysSuccess
              ? StorageFault.retrying(
                  "Reading the outputs of " + model.name(),
                  context,
                  () -> check.after(model, answers, ran.end().exit(), years.simulated(), stage))
              : new RunCheck.Findings();
      String fault = ran.storageFault();
      if (fault == null && !left.failures().isEmpty() && StorageFault.isFull(stage.runs())) {
        fault = StorageFault.NO_SPACE; // of which gfortran's programs do not tell
      }
      return new Attempt(ran, saysSuccess, left, fault);
    }

    private void publish(Stage stage, Attempt attempt) throws JobFailed, InterruptedException {
      StorageFault.retrying(
          "Publishing the outputs of " + model.name(),
          context,
          () -> {
            stage.publish();
            return true;
          });
      if (settings.provenance()) {
        try {
          record(stage, attempt);
        } catch (IOException e) {
          LOG.warn(
              "{} went well, but its provenance is not recorded: {}", model.name(), e.toString());
        }
      }
    }

    private void record(Stage stage, Attempt attempt) throws IOException {
      List<Provenance.Item> outputs = new ArrayList<>();
      for (String output : answers.outputs()) {
        outputs.add(Provenance.Item.of(output, stage.scan(output)));
      }
      new Provenance(
              model.name(),
              context.jobId(),
              settings.version(),
              context.clock().instant(),
              attempt.ran().end().wall().toMillis() / 1000.0,
              executables.item(model.executable()),
              inputs,
              outputs,
              attempt.left().doubts())
          .write(model.runs(), model.stem());
    }

    private void timedOut(Attempt attempt) throws InterruptedException {
      int n = timeouts.size() + 1;
      int attempts = model.retries() + 1;
      String last = attempt.ran().lastLine();
      timeouts.add(
          "a%d:%ss last=\"%s\"".formatted(n, Programs.seconds(attempt.ran().end().wall()), last));
      log.note("timeout attempt=%d/%d last=\"%s\"".formatted(n, attempts, last));
      if (n < attempts) {
        Duration backoff = Programs.backoff(n);
        log.note("retrying after timeout backoff=%ss".formatted(Programs.seconds(backoff)));
        context.pause(backoff);
      }
    }

    private void tellFlake(String state) {
      if (timeouts.isEmpty()) {
        return;
      }
      String found =
          "wepp_id=%s timeout_attempts=%d success_on_retry=%s final_state=%s"
              .formatted(
                  model.id(), timeouts.size(), state.equals("success") ? "True" : "False", state);
      log.note("flake_detected " + found);
      if (model.channel() != null) {
        context.publish(model.channel(), "metric:run_hillslope " + found);
      }
    }

    private JobFailed failure(Attempt attempt) {
      String message = model.failure(attempt.ran().end().exit());
      List<String> found = new ArrayList<>();
      if (!attempt.ran().program().folder().equals(model.runs())) {
        found.add("staged for: " + model.runs());
      }
      if (attempt.saysSuccess()) {
        String bad = listed(attempt.left().failures());
        found.add("WEPP reported success, but " + bad);
        message = model.kind().routing ? message : message + "; " + bad;
      }
      return new JobFailed(
          "Exception", message, attempt.ran().evidence(found), attempt.ran().cause());
    }
  }
}
