package cloud.wepp.worker.wepp;

import cloud.wepp.rq.FaultPoint;
import cloud.wepp.worker.job.JobContext;
import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.process.Limits;
import cloud.wepp.worker.process.LineTail;
import cloud.wepp.worker.process.ProcessEnd;
import cloud.wepp.worker.process.ProcessRunner;
import cloud.wepp.worker.process.ProcessSpec;
import cloud.wepp.worker.process.ProcessStopped;
import cloud.wepp.worker.process.SpawnFailed;
import java.io.IOException;
import java.io.Writer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs WEPP on one {@code .run} file as WEPPcloud's {@code wepp_runner} does: no arguments, answers
 * on standard input, a log beside the inputs, retries after a timeout only. WEPP's exit code means
 * little; a run is good when its last line says so and every output is there.
 */
final class ModelRunner {
  private static final Logger LOG = LoggerFactory.getLogger(ModelRunner.class);
  private static final Duration POLL_INPUTS = Duration.ofMillis(250);
  private static final Duration LOOK_AT_OUTPUT = Duration.ofMillis(250);
  private static final int LAST_LINES = 20;

  private final ProcessRunner processes;
  private final Executables executables;
  private final CpuBudget cpu;
  private final Duration grace;
  private final Duration inputWait;

  /**
   * @param grace between TERM and KILL
   * @param inputWait how long inputs may be late, as they are on NFS
   */
  ModelRunner(
      ProcessRunner processes,
      Executables executables,
      CpuBudget cpu,
      Duration grace,
      Duration inputWait) {
    this.processes = processes;
    this.executables = executables;
    this.cpu = cpu;
    this.grace = grace;
    this.inputWait = inputWait;
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

  /** How one attempt ended, with the last lines that it printed. */
  private record Attempt(ProcessEnd end, List<String> lastLines) {
    String lastLine() {
      return lastLines.isEmpty() ? "" : lastLines.getLast();
    }
  }

  /** Runs a model to its good end. */
  void run(Model model, JobContext context) throws JobFailed, InterruptedException {
    Answers answers = answers(model, context);
    int attempts = model.retries() + 1;
    List<String> timeouts = new ArrayList<>();
    try (ErrLog log = new ErrLog(model.log(), "[" + model.kind().runner + "] ")) {
      log.note(model.shown() + limits(model));
      log.note(executables.identity(model.executable()));
      for (int n = 1; n <= attempts; n++) {
        if (model.kind() == Kind.HILLSLOPE) {
          log.note("attempt %d/%d start".formatted(n, attempts));
        }
        Attempt attempt = attempt(model, answers, log, context);
        boolean saysSuccess = attempt.lastLine().equals(model.kind().lastLine);
        if (saysSuccess || !attempt.end().timedOut()) {
          verify(model, attempt, answers, saysSuccess);
          tellFlake(model, timeouts, "success", log, context);
          return;
        }
        timeouts.add(
            "a%d:%ss last=\"%s\"".formatted(n, seconds(attempt.end().wall()), attempt.lastLine()));
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
            .formatted(model.id(), model.runs(), String.join("; ", timeouts)),
        List.of(),
        ProcessEnd.Cause.TIMED_OUT.word());
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
    awaitFiles(model, List.of(model.answers()), context);
    try {
      Answers answers = Answers.read(model.answers());
      awaitFiles(model, answers.inputs().stream().map(model.runs()::resolve).toList(), context);
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

  /** New files of another host are seen late on NFS. */
  private void awaitFiles(Model model, List<Path> files, JobContext context)
      throws JobFailed, InterruptedException {
    long deadline = System.nanoTime() + inputWait.toNanos();
    for (Path file : files) {
      while (!Files.exists(file)) {
        if (System.nanoTime() >= deadline) {
          throw new JobFailed(
              "FileNotFoundError",
              "%s: input %s was not there after %s s"
                  .formatted(model.name(), file.normalize(), inputWait.toSeconds()));
        }
        context.pause(POLL_INPUTS);
      }
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

  /** Once, or with more memory again where that was too little and more is allowed. */
  private Attempt attempt(Model model, Answers answers, ErrLog log, JobContext context)
      throws JobFailed, InterruptedException {
    Optional<Limits> limits = Optional.of(context.limits());
    while (true) {
      removeOldOutputs(model, answers);
      Attempt attempt = attempt(model, limits.get(), log, context);
      limits = limits.get().more();
      if (attempt.end().cause() != ProcessEnd.Cause.MEMORY || limits.isEmpty()) {
        return attempt;
      }
      log.note(
          "%s; trying again with a limit of %s"
              .formatted(attempt.end().words(), ProcessEnd.size(limits.get().memoryBytes())));
    }
  }

  private Attempt attempt(Model model, Limits limits, ErrLog log, JobContext context)
      throws JobFailed, InterruptedException {
    Deque<String> last = new ArrayDeque<>();
    String channel = model.kind() == Kind.WATERSHED ? model.channel() : null;
    try {
      Path printed = Files.createTempFile("rq-worker-", ".out");
      try {
        ProcessEnd end =
            watch(
                model,
                spec(model, limits, printed, context),
                line -> {
                  log.line(line);
                  last.add(line);
                  if (last.size() > LAST_LINES) {
                    last.remove();
                  }
                  if (channel != null) {
                    context.publish(channel, line);
                  }
                },
                context);
        return new Attempt(end, List.copyOf(last));
      } finally {
        Files.delete(printed);
      }
    } catch (SpawnFailed e) {
      throw new JobFailed("OSError", String.valueOf(e.getMessage()));
    } catch (ClosedByInterruptException e) {
      Thread.interrupted(); // as every method that throws this
      throw new InterruptedException("stopped while the last output of a model was read");
    } catch (IOException e) {
      throw new JobFailed(
          "OSError", "%s: its output cannot be kept on this host: %s".formatted(model.name(), e));
    }
  }

  /** Returns when every line has been told, also a last one without an end. */
  private ProcessEnd watch(
      Model model, ProcessSpec spec, Consumer<String> lines, JobContext context)
      throws IOException, SpawnFailed, InterruptedException {
    try (LineTail tail = new LineTail(spec.output(), lines);
        CpuBudget.Share _ = cpu.acquire()) {
      Runnable look =
          () -> {
            FaultPoint.RUNNING.reached();
            tail.look();
          };
      ProcessEnd end = processes.run(spec, LOOK_AT_OUTPUT, look);
      context.account(model.name(), end);
      return end;
    } catch (ProcessStopped e) {
      context.account(model.name(), e.end());
      throw e;
    }
  }

  private ProcessSpec spec(Model model, Limits limits, Path printed, JobContext context) {
    return new ProcessSpec(
        List.of(model.executable().toString()),
        model.runs(),
        model.answers(),
        printed,
        environment(model, context),
        model.timeout(),
        grace,
        limits);
  }

  private static Map<String, String> environment(Model model, JobContext context) {
    Map<String, String> environment = new HashMap<>();
    environment.put(ProcessRunner.CLAIM_VARIABLE, context.claimId());
    if (model.kind() == Kind.WATERSHED) {
      // gfortran keeps output back when it goes to a file; unbuffered, its lines are seen live
      environment.put("GFORTRAN_UNBUFFERED_PRECONNECTED", "1");
    }
    return environment;
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
    List<String> evidence = new ArrayList<>();
    evidence.add("command: " + model.executable());
    evidence.add("folder: " + model.runs());
    evidence.add("standard input: " + model.answers());
    evidence.add("process: " + attempt.end().words());
    if (saysSuccess) {
      evidence.add("WEPP reported success, but " + String.join(", ", bad));
    }
    evidence.add("last lines of output:");
    attempt.lastLines().forEach(line -> evidence.add("  " + line));
    ProcessEnd.Cause cause = attempt.end().cause();
    throw new JobFailed(
        "Exception",
        message(model, attempt.end(), saysSuccess, bad),
        evidence,
        cause == ProcessEnd.Cause.EXITED ? "failed" : cause.word());
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

  private static void backOff(int attempt, ErrLog log, JobContext context)
      throws InterruptedException {
    double wait = Math.min(5, 0.5 * Math.pow(2, attempt - 1));
    Duration backoff =
        Duration.ofMillis((long) (1000 * (wait + ThreadLocalRandom.current().nextDouble(0.5))));
    log.note("retrying after timeout backoff=%ss".formatted(seconds(backoff)));
    context.pause(backoff);
  }

  private static void tellFlake(
      Model model, List<String> timeouts, String state, ErrLog log, JobContext context) {
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

  private static String seconds(Duration duration) {
    return String.format(Locale.ROOT, "%.1f", duration.toMillis() / 1000.0);
  }

  /** The {@code .err} file. A log that cannot be written fails no simulation. */
  private static final class ErrLog implements AutoCloseable {
    private final Path file;
    private final String prefix;
    private @Nullable Writer writer;

    ErrLog(Path file, String prefix) {
      this.file = file;
      this.prefix = prefix;
      try {
        writer = Files.newBufferedWriter(file);
      } catch (IOException e) {
        giveUp(e);
      }
    }

    void note(String text) {
      line(prefix + text);
    }

    void line(String text) {
      if (writer != null) {
        try {
          writer.write(text + "\n");
        } catch (IOException e) {
          giveUp(e);
        }
      }
    }

    private void giveUp(IOException e) {
      LOG.warn("The log {} cannot be written: {}. The model runs on.", file, e.toString());
      writer = null;
    }

    @Override
    public void close() {
      if (writer != null) {
        try {
          writer.close();
        } catch (IOException e) {
          giveUp(e);
        }
      }
    }
  }
}
