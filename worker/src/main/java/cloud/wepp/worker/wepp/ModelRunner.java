package cloud.wepp.worker.wepp;

import cloud.wepp.worker.job.JobContext;
import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.process.ProcessEnd;
import cloud.wepp.worker.wepp.Programs.Attempt;
import cloud.wepp.worker.wepp.Programs.Program;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Runs WEPP on one {@code .run} file as WEPPcloud's {@code wepp_runner} does: no arguments, answers
 * on standard input, a log beside the inputs, retries after a timeout only. WEPP's exit code means
 * little; a run is good when its last line says so and every output is there.
 */
final class ModelRunner {
  private final Programs programs;
  private final Executables executables;
  private final CpuBudget cpu;

  ModelRunner(Programs programs, Executables executables, CpuBudget cpu) {
    this.programs = programs;
    this.executables = executables;
    this.cpu = cpu;
  }

  /** What WEPP simulates, and the last line that it prints after a good run. */
  enum Kind {
    HILLSLOPE("run_hillslope", "WEPP COMPLETED HILLSLOPE SIMULATION SUCCESSFULLY"),
    WATERSHED("run_watershed", "WEPP COMPLETED WATERSHED SIMULATION SUCCESSFULLY");

    private final String runner;
    private final String lastLine;

    Kind(String runner, String lastLine) {
      this.runner = runner;
      this.lastLine = lastLine;
    }
  }

  /**
   * One model to run.
   *
   * @param id the hillslope's number; 0 for the watershed
   * @param timeout for one attempt; null for none but the job's own
   * @param retries attempts after the first one timed out
   * @param channel the status channel for lines and metrics; null for none
   */
  record Model(
      Kind kind,
      int id,
      Path runs,
      Path executable,
      @Nullable Duration timeout,
      int retries,
      @Nullable String channel) {

    private Path file(String suffix) {
      return runs.resolve("p" + (kind == Kind.WATERSHED ? "w0" : id) + suffix);
    }

    Path answers() {
      return file(".run");
    }

    Path log() {
      return file(".err");
    }

    private String name() {
      return kind == Kind.WATERSHED ? "wepp watershed" : "wepp hillslope " + id;
    }

    /** How WEPPcloud's log names the run. */
    private String shown() {
      return "%sruns_dir=%s run_file=%s err_file=%s cmd=\"%s\""
          .formatted(
              kind == Kind.WATERSHED ? "" : "wepp_id=" + id + " ",
              runs,
              answers(),
              log(),
              executable);
    }
  }

  /** Runs a model to its good end. */
  void run(Model model, JobContext context) throws JobFailed, InterruptedException {
    Answers answers = answers(model, context);
    int attempts = model.retries() + 1;
    List<String> timeouts = new ArrayList<>();
    try (ModelLog log = new ModelLog(model.log(), "[" + model.kind().runner + "] ")) {
      log.note(model.shown() + limits(model));
      log.note(executables.identity(model.executable()));
      for (int n = 1; n <= attempts; n++) {
        if (model.kind() == Kind.HILLSLOPE) {
          log.note("attempt %d/%d start".formatted(n, attempts));
        }
        removeOldOutputs(model, answers);
        Attempt attempt = attempt(model, log, context);
        boolean saysSuccess = attempt.lastLine().equals(model.kind().lastLine);
        if (saysSuccess || !attempt.end().timedOut()) {
          verify(model, attempt, answers, saysSuccess);
          tellFlake(model, timeouts, "success", log, context);
          return;
        }
        timeouts.add(
            "a%d:%ss last=\"%s\""
                .formatted(n, Programs.seconds(attempt.end().wall()), attempt.lastLine()));
        log.note("timeout attempt=%d/%d last=\"%s\"".formatted(n, attempts, attempt.lastLine()));
        if (n < attempts) {
          backOff(n, log, context);
        }
      }
      tellFlake(model, timeouts, "timeout", log, context);
    }
    throw new JobFailed(
        "TimeoutError",
        "Hillslope simulation timed out for wepp_id=%d; runs_dir=%s; timeout_summary=[%s]"
            .formatted(model.id(), model.runs(), String.join("; ", timeouts)));
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
    try {
      Answers answers = Answers.read(model.answers());
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
    } catch (IOException e) {
      throw new JobFailed("OSError", "%s cannot be read: %s".formatted(model.answers(), e));
    }
  }

  /** What an earlier run or attempt left must not pass for the result of this one. */
  private static void removeOldOutputs(Model model, Answers answers) throws JobFailed {
    Path own = model.runs().resolve("..").normalize();
    for (String output : answers.outputs()) {
      Path file = model.runs().resolve(output).normalize();
      try {
        if (file.startsWith(own) && Files.isRegularFile(file)) {
          Files.delete(file);
        }
      } catch (IOException e) {
        throw new JobFailed(
            "OSError", "the old output %s cannot be removed: %s".formatted(file, e));
      }
    }
  }

  private Attempt attempt(Model model, ModelLog log, JobContext context)
      throws JobFailed, InterruptedException {
    String channel = model.kind() == Kind.WATERSHED ? model.channel() : null;
    Program program =
        new Program(
            model.name(),
            List.of(model.executable().toString()),
            model.runs(),
            model.answers(),
            Map.of(),
            model.timeout());
    return programs.run(
        program,
        cpu,
        line -> {
          log.line(line);
          if (channel != null) {
            context.publish(channel, line);
          }
        },
        context);
  }

  private static void verify(Model model, Attempt attempt, Answers answers, boolean saysSuccess)
      throws JobFailed {
    List<String> bad = new ArrayList<>();
    for (String output : answers.outputs()) {
      Path file = model.runs().resolve(output).normalize();
      try {
        if (Files.size(file) == 0) {
          bad.add(output + " is empty");
        }
      } catch (IOException e) {
        bad.add(output + " is missing");
      }
    }
    if (saysSuccess && bad.isEmpty()) {
      return;
    }
    List<String> found =
        saysSuccess ? List.of("WEPP reported success, but " + String.join(", ", bad)) : List.of();
    throw new JobFailed(
        "Exception", message(model, attempt.end(), saysSuccess, bad), attempt.evidence(found));
  }

  /** WEPPcloud's own words; its pages make a link of the second kind. */
  private static String message(
      Model model, ProcessEnd end, boolean saysSuccess, List<String> badOutputs) {
    return switch (model.kind()) {
      case HILLSLOPE ->
          ("Error running WEPP hillslope for wepp_id=%d; runs_dir=%s; run_file=%s; err_file=%s;"
                  + " cmd=\"%s\"; returncode=%d%s")
              .formatted(
                  model.id(),
                  model.runs(),
                  model.answers(),
                  model.log(),
                  model.executable(),
                  end.exit(),
                  saysSuccess ? "; " + String.join(", ", badOutputs) : "");
      case WATERSHED -> {
        String log = model.log().toString();
        int pups = log.indexOf("/_pups/");
        yield "Error running wepp for watershed \nSee <a href=\"browse/%s\">%s</a>"
            .formatted(pups < 0 ? "wepp/runs/pw0.err" : log.substring(pups + 1), log);
      }
    };
  }

  private static void backOff(int attempt, ModelLog log, JobContext context)
      throws InterruptedException {
    Duration backoff = Programs.backoff(attempt);
    log.note("retrying after timeout backoff=%ss".formatted(Programs.seconds(backoff)));
    context.pause(backoff);
  }

  private static void tellFlake(
      Model model, List<String> timeouts, String state, ModelLog log, JobContext context) {
    if (timeouts.isEmpty()) {
      return;
    }
    String found =
        "wepp_id=%d timeout_attempts=%d success_on_retry=%s final_state=%s"
            .formatted(
                model.id(), timeouts.size(), state.equals("success") ? "True" : "False", state);
    log.note("flake_detected " + found);
    if (model.channel() != null) {
      context.publish(model.channel(), "metric:run_hillslope " + found);
    }
  }
}
