package cloud.wepp.worker.wepp;

import cloud.wepp.worker.job.JobContext;
import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.wepp.Programs.Attempt;
import cloud.wepp.worker.wepp.Programs.Program;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs CLIGEN as WEPPcloud's {@code Cligen} does, with a log beside its files, and retries after a
 * timeout and after a fault of the storage only. CLIGEN ends with 0 after most of what can go
 * wrong; a run is good when its climate has every day that was asked for. Whatever else it has made
 * is removed.
 *
 * @param strict whether a climate fails that WEPPcloud accepts, but that is doubtful
 * @param models how each run of a model is done, as far as it concerns CLIGEN
 */
record Cligen(
    Programs programs,
    Executables executables,
    CpuBudget cpu,
    boolean strict,
    WeppFunctions.Models models) {
  private static final Logger LOG = LoggerFactory.getLogger(Cligen.class);

  /** As WEPPcloud's own: the deterministic locale is for what CLIGEN prints. */
  private static final Map<String, String> ENVIRONMENT = Map.of("LC_ALL", "C", "LANG", "C");

  /**
   * What WEPPcloud looks for in the log of an observed climate, and CLIGEN's word for any error.
   */
  private static final List<String> BAD =
      List.of(
          "failed sn sd test",
          "could not produce desired level of quality",
          "fortran runtime error",
          "error termination.",
          "*** error ***");

  private static final List<String> DOUBTFUL = List.of("precipitation intensities are suspect");

  /** What CLIGEN is run for, under the names of WEPPcloud's code. */
  enum Kind {
    MULTIPLE_YEAR("run_multiple_year", false),
    OBSERVED("run_observed", true),
    MODIFIED_PAR("par_mod", true),
    SINGLE_STORM("single_storm", true);

    private final String runner;

    /** Whether only exit code 0 is good. */
    private final boolean exitsWith0;

    Kind(String runner, boolean exitsWith0) {
      this.runner = runner;
      this.exitsWith0 = exitsWith0;
    }
  }

  /**
   * One run.
   *
   * @param folder the working folder
   * @param inputs the names of the files that it reads, but for the answers
   * @param answers to what CLIGEN asks, kept as {@code <stem>.inp}; null if it asks nothing
   * @param cli the name of the climate; the stem is its name without the suffix
   * @param about what else a failure tells, in WEPPcloud's form
   * @param timeout for one attempt
   * @param retries attempts after the first one timed out
   * @param first the day that the climate must begin with
   * @param last the day that it must come to
   * @param guarded whether the marks of bad quality fail the run
   */
  record Run(
      Kind kind,
      Path folder,
      Path executable,
      List<String> arguments,
      List<String> inputs,
      @Nullable String answers,
      String cli,
      String about,
      Duration timeout,
      int retries,
      LocalDate first,
      LocalDate last,
      boolean guarded) {

    Path climate() {
      return folder.resolve(cli);
    }

    private String stem() {
      return cli.substring(0, cli.lastIndexOf('.'));
    }

    private Path log() {
      return folder.resolve(kind == Kind.MODIFIED_PAR ? "cligen.log" : "cligen_" + stem() + ".log");
    }

    private @Nullable Path stdin() {
      return answers == null ? null : folder.resolve(stem() + ".inp");
    }

    private String name() {
      return "cligen " + kind.runner;
    }

    private String said(String what) {
      return "%s %s; cli_fn=%s%s".formatted(name(), what, cli, about);
    }
  }

  /**
   * A climate that is good.
   *
   * @param doubts what it is doubtful for
   * @param bypassed whether it has marks of bad quality
   */
  record Made(int days, List<String> doubts, boolean bypassed) {}

  /**
   * Makes a climate.
   *
   * @param doubts what is doubtful about the inputs
   */
  Made run(Run run, List<String> doubts, JobContext context)
      throws JobFailed, InterruptedException {
    refuse(run, doubts);
    StorageFault.retrying(
        "Preparing %s in %s".formatted(run.name(), run.folder), context, () -> prepare(run));
    boolean good = false;
    try (ModelLog log = new ModelLog(run.log(), run.name() + " ")) {
      log.line("[%s] %s".formatted(run.kind.runner, executables.identity(run.executable)));
      log.note("timeout=%ds timeout_retries=%d".formatted(run.timeout.toSeconds(), run.retries));
      doubts.forEach(doubt -> log.note("doubtful: " + doubt));
      List<Provenance.Item> inputs =
          StorageFault.retrying("Reading the inputs of " + run.name(), context, () -> inputs(run));
      long start = System.nanoTime();
      Made made = new Attempts(run, doubts, log, context).make();
      good = true;
      record(run, inputs, made, (System.nanoTime() - start) / 1e9, context);
      return made;
    } finally {
      if (!good) {
        removeWhatWasMade(run);
      }
    }
  }

  private void refuse(Run run, List<String> doubts) throws JobFailed {
    if (strict && !doubts.isEmpty()) {
      throw new JobFailed("ValueError", run.said("is doubtful: " + String.join(", ", doubts)));
    }
  }

  private List<Provenance.Item> inputs(Run run) throws IOException {
    if (!models.provenance()) {
      return List.of();
    }
    List<String> names = new ArrayList<>(run.inputs);
    if (run.answers != null) {
      names.add(run.stem() + ".inp");
    }
    return Provenance.items(run.folder, names);
  }

  private void record(
      Run run, List<Provenance.Item> inputs, Made made, double seconds, JobContext context) {
    if (!models.provenance()) {
      return;
    }
    try {
      new Provenance(
              run.name(),
              context.jobId(),
              models.version(),
              context.clock().instant(),
              seconds,
              executables.item(run.executable),
              inputs,
              Provenance.items(run.folder, List.of(run.cli)),
              made.doubts())
          .write(run.folder, run.stem());
    } catch (IOException e) {
      LOG.warn("{} went well, but its provenance is not recorded: {}", run.name(), e.toString());
    }
  }

  private static boolean prepare(Run run) throws IOException {
    Provenance.forget(run.folder, run.stem());
    remove(run.climate());
    remove(run.log());
    Path stdin = run.stdin();
    if (stdin != null && run.answers != null) {
      remove(stdin);
      Files.writeString(stdin, run.answers, StandardOpenOption.CREATE_NEW);
    }
    return true;
  }

  /** Also a link, which is not followed. */
  private static void remove(Path file) throws IOException {
    if (Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)) {
      throw new IOException(file + " is a folder");
    }
    Files.deleteIfExists(file);
  }

  private static void removeWhatWasMade(Run run) {
    try {
      remove(run.climate());
    } catch (IOException e) {
      LOG.warn("{} is not complete, and cannot be removed: {}", run.climate(), e.toString());
    }
  }

  /** All attempts at one run. */
  private final class Attempts {
    private final Run run;
    private final List<String> doubts;
    private final int told; // of the doubts, in the log
    private final ModelLog log;
    private final JobContext context;
    private final Program program;
    private final Set<String> marks = new TreeSet<>(); // of the current attempt
    private final List<Integer> timeouts = new ArrayList<>();

    Attempts(Run run, List<String> doubts, ModelLog log, JobContext context) {
      this.run = run;
      this.doubts = new ArrayList<>(doubts);
      told = doubts.size();
      this.log = log;
      this.context = context;
      List<String> command = new ArrayList<>();
      command.add(run.executable.toString());
      command.addAll(run.arguments);
      program =
          new Program(
              run.name(),
              command,
              run.folder,
              run.stdin(),
              ENVIRONMENT,
              run.timeout,
              context.limits());
    }

    Made make() throws JobFailed, InterruptedException {
      int attempts = run.retries + 1;
      StorageFault.Retries faults = new StorageFault.Retries(run.name(), models.storageRetries());
      while (true) {
        int n = timeouts.size() + 1;
        log.note("attempt %d/%d start".formatted(n, attempts));
        marks.clear();
        Attempt attempt = programs.run(program, cpu, this::line, null, context);
        if (attempt.end().timedOut()) {
          timedOut(attempt, n, attempts);
          continue;
        }
        try {
          Made made = made(attempt);
          if (!timeouts.isEmpty()) {
            log.note(
                "flake_detected timeout_attempts=%d success_attempt=%d/%d"
                    .formatted(timeouts.size(), n, attempts));
          }
          return made;
        } catch (JobFailed e) {
          String fault = storageFault(attempt);
          if (fault == null) {
            throw e;
          }
          removeWhatWasMade(run);
          faults.await(fault, log, context);
        }
      }
    }

    private void timedOut(Attempt attempt, int n, int attempts)
        throws JobFailed, InterruptedException {
      timeouts.add(n);
      log.note("timeout attempt=%d/%d timeout=%ds".formatted(n, attempts, run.timeout.toSeconds()));
      removeWhatWasMade(run);
      if (n == attempts) {
        throw failed(attempt, "TimeoutError", "timed out", List.of(limits()));
      }
      Duration backoff = Programs.backoff(n);
      log.note(
          "retrying after timeout (next_attempt=%d/%d) backoff=%ss"
              .formatted(n + 1, attempts, Programs.seconds(backoff)));
      context.pause(backoff);
    }

    private @Nullable String storageFault(Attempt attempt) {
      String told = attempt.storageFault();
      try {
        return told == null && StorageFault.isFull(run.folder) ? StorageFault.NO_SPACE : told;
      } catch (IOException e) {
        return told;
      }
    }

    private JobFailed failed(Attempt attempt, String type, String what, List<String> found) {
      return new JobFailed(type, run.said(what), attempt.evidence(found), attempt.cause());
    }

    private String limits() {
      return "timeout=%ds; attempts=%d; timeout_attempts=%s"
          .formatted(run.timeout.toSeconds(), run.retries + 1, timeouts);
    }

    private void line(String line) {
      log.line(line);
      String low = line.toLowerCase(Locale.ROOT);
      BAD.stream().filter(low::contains).forEach(marks::add);
      DOUBTFUL.stream().filter(low::contains).forEach(marks::add);
    }

    private Made made(Attempt attempt) throws JobFailed, InterruptedException {
      int exit = attempt.end().exit();
      if (exit != 0 && run.kind.exitsWith0) {
        throw failed(attempt, "RuntimeError", "exited " + exit, List.of());
      }
      Climate climate = climate(attempt);
      List<String> bad = BAD.stream().filter(marks::contains).toList();
      if (run.guarded && !bad.isEmpty()) {
        throw failed(attempt, "RuntimeError", "quality guard tripped", List.of("marks: " + bad));
      }
      if (exit != 0) {
        doubts.add("its exit code is " + exit);
      }
      marks.forEach(mark -> doubts.add("CLIGEN said '%s'".formatted(mark)));
      if (strict && !doubts.isEmpty()) {
        throw failed(
            attempt, "RuntimeError", "is doubtful: " + String.join(", ", doubts), List.of());
      }
      doubts.subList(told, doubts.size()).forEach(doubt -> log.note("doubtful: " + doubt));
      doubts.forEach(doubt -> context.doubt(run.name() + ": " + doubt));
      return new Made(climate.days(), List.copyOf(doubts), !bad.isEmpty());
    }

    private Climate climate(Attempt attempt) throws JobFailed, InterruptedException {
      if (!Files.exists(run.climate())) {
        throw failed(attempt, "AssertionError", "made no climate", List.of());
      }
      Climate climate =
          StorageFault.retrying(
              "Reading " + run.climate(), context, () -> Climate.read(run.climate()));
      List<String> wrong = new ArrayList<>(climate.wrong());
      LocalDate first = climate.first();
      LocalDate last = climate.last();
      if (wrong.isEmpty() && first != null && !first.equals(run.first)) {
        wrong.add("it begins on %s, and %s was asked for".formatted(first, run.first));
      }
      // some versions add a day to what was observed
      if (wrong.isEmpty()
          && last != null
          && (run.kind == Kind.OBSERVED ? last.isBefore(run.last) : !last.equals(run.last))) {
        wrong.add("it ends on %s, and %s was asked for".formatted(last, run.last));
      }
      if (!wrong.isEmpty()) {
        throw failed(
            attempt, "RuntimeError", "made a bad climate: " + String.join(", ", wrong), List.of());
      }
      return climate;
    }
  }
}
