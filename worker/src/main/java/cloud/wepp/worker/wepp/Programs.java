package cloud.wepp.worker.wepp;

import cloud.wepp.rq.FaultPoint;
import cloud.wepp.worker.job.JobContext;
import cloud.wepp.worker.process.ActivityWatch;
import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.process.Limits;
import cloud.wepp.worker.process.LineTail;
import cloud.wepp.worker.process.ProcessEnd;
import cloud.wepp.worker.process.ProcessRunner;
import cloud.wepp.worker.process.ProcessSpec;
import cloud.wepp.worker.process.ProcessStopped;
import cloud.wepp.worker.process.SpawnFailed;
import java.io.IOException;
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
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Runs the programs of models, each while it holds a processor: what they print is told line by
 * line, what they use goes on the job's account.
 *
 * @param grace between TERM and KILL
 * @param inputWait how long inputs may be late, as new files of another host are on NFS
 * @param scratch the folder for what they print
 */
record Programs(ProcessRunner processes, Duration grace, Duration inputWait, Path scratch) {
  private static final Duration POLL_INPUTS = Duration.ofMillis(250);
  private static final Duration LOOK_AT_OUTPUT = Duration.ofMillis(250);
  private static final int LAST_LINES = 20;

  /** With a scratch folder of its own below the given one. */
  static Programs in(Path base, ProcessRunner processes, Duration grace, Duration inputWait) {
    try {
      return new Programs(processes, grace, inputWait, Scratch.in(base));
    } catch (IOException e) {
      throw new IllegalStateException(
          "The folder %s for temporary files cannot be used: %s".formatted(base, e), e);
    }
  }

  /**
   * A program to run once.
   *
   * @param name for people, for example {@code wepp hillslope 7}
   * @param command the executable and its arguments
   * @param folder the working folder
   * @param stdin null for none: whatever the program asks, it finds the end of its input
   * @param environment on top of the worker's own
   * @param timeout null for none but the job's own
   * @param limits what it may use
   */
  record Program(
      String name,
      List<String> command,
      Path folder,
      @Nullable Path stdin,
      Map<String, String> environment,
      @Nullable Duration timeout,
      Limits limits) {}

  /** How a program ended, with the last lines that it printed. */
  record Attempt(Program program, ProcessEnd end, List<String> lastLines) {
    String lastLine() {
      return lastLines.isEmpty() ? "" : lastLines.getLast();
    }

    /** Its words for a fault of the storage; null if it told of none. */
    @Nullable String storageFault() {
      return lastLines.stream().filter(StorageFault::in).findFirst().orElse(null);
    }

    /** One that gave up because of the storage ended for that. */
    private Attempt explained() {
      boolean gaveUp = end.cause() == ProcessEnd.Cause.EXITED && end.exit() != 0;
      return gaveUp && storageFault() != null
          ? new Attempt(program, end.because(ProcessEnd.Cause.INFRASTRUCTURE), lastLines)
          : this;
    }

    /** In one word, for the history. */
    String cause() {
      return end.cause().ofFailure();
    }

    /**
     * What is told of a failure: how the program was run, how it ended, what it said.
     *
     * @param found more about it
     */
    List<String> evidence(List<String> found) {
      List<String> evidence = new ArrayList<>();
      evidence.add("command: " + String.join(" ", program.command()));
      evidence.add("folder: " + program.folder());
      if (program.stdin() != null) {
        evidence.add("standard input: " + program.stdin());
      }
      evidence.add("process: " + end.words());
      evidence.addAll(found);
      evidence.add("last lines of output:");
      lastLines.forEach(line -> evidence.add("  " + line));
      return evidence;
    }
  }

  /**
   * Runs a program to its end.
   *
   * @param lines told of each line that is not blank, also of a last one without an end
   * @param activity whether it does anything; null if nobody wants to know
   */
  Attempt run(
      Program program,
      CpuBudget cpu,
      Consumer<String> lines,
      @Nullable ActivityWatch activity,
      JobContext context)
      throws JobFailed, InterruptedException {
    Deque<String> last = new ArrayDeque<>();
    Consumer<String> all =
        line -> {
          last.add(line);
          if (last.size() > LAST_LINES) {
            last.remove();
          }
          lines.accept(line);
          context.printed(program.name() + ": " + line);
        };
    try {
      Path printed = Files.createTempFile(scratch, "printed-", ".out");
      try {
        try (LineTail tail = new LineTail(printed, all);
            CpuBudget.Share _ = cpu.acquire(program.folder())) {
          ProcessEnd end = watch(program, printed, tail, activity, context);
          Attempt attempt;
          try {
            tail.rest();
          } finally {
            attempt = new Attempt(program, end, List.copyOf(last)).explained();
            context.account(program.name(), attempt.end());
          }
          return attempt;
        }
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
          "OSError", "%s: its output cannot be kept on this host: %s".formatted(program.name(), e));
    }
  }

  private ProcessEnd watch(
      Program program,
      Path printed,
      LineTail tail,
      @Nullable ActivityWatch activity,
      JobContext context)
      throws SpawnFailed, InterruptedException {
    Runnable look =
        () -> {
          FaultPoint.RUNNING.reached();
          tail.look();
        };
    try {
      return processes.run(spec(program, printed, context), LOOK_AT_OUTPUT, look, activity);
    } catch (ProcessStopped e) {
      context.account(program.name(), e.end());
      throw e;
    }
  }

  private ProcessSpec spec(Program program, Path printed, JobContext context) {
    Map<String, String> environment = new HashMap<>(program.environment());
    environment.put(ProcessRunner.CLAIM_VARIABLE, context.claimId());
    // gfortran keeps output back when it goes to a file; unbuffered, its lines are seen live, and
    // not lost when it is killed
    environment.put("GFORTRAN_UNBUFFERED_PRECONNECTED", "1");
    return new ProcessSpec(
        program.command(),
        program.folder(),
        program.stdin(),
        printed,
        environment,
        program.timeout(),
        grace,
        program.limits());
  }

  /**
   * Waits for inputs that are late.
   *
   * @param name what they are for
   */
  void awaitFiles(String name, List<Path> files, JobContext context)
      throws JobFailed, InterruptedException {
    long deadline = System.nanoTime() + inputWait.toNanos();
    for (Path file : files) {
      while (!Files.exists(file)) {
        if (System.nanoTime() >= deadline) {
          throw new JobFailed(
              "FileNotFoundError",
              "%s: input %s was not there after %s s"
                  .formatted(name, file.normalize(), inputWait.toSeconds()));
        }
        context.pause(POLL_INPUTS);
      }
    }
  }

  /**
   * WEPPcloud's pause after an attempt that timed out: longer each time, and not the same for all.
   */
  static Duration backoff(int attempt) {
    double wait = Math.min(5, 0.5 * Math.pow(2, attempt - 1));
    return Duration.ofMillis((long) (1000 * (wait + ThreadLocalRandom.current().nextDouble(0.5))));
  }

  /** A number of seconds as WEPPcloud's logs have it. */
  static String seconds(Duration duration) {
    return String.format(Locale.ROOT, "%.1f", duration.toMillis() / 1000.0);
  }
}
