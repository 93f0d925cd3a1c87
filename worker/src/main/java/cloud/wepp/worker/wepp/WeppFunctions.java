package cloud.wepp.worker.wepp;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.QueueUnavailable;
import cloud.wepp.rq.pickle.PyRepr;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.job.JobContext;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobOutcome;
import cloud.wepp.worker.job.StopReason;
import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.process.ProcessRunner;
import cloud.wepp.worker.wepp.ModelRunner.Kind;
import cloud.wepp.worker.wepp.ModelRunner.Model;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * WEPPcloud's own job functions that run WEPP, by the names that it enqueues them with; their
 * messages, logs, return values and errors are those of its module {@code wepppy.rq.wepp_rq}.
 */
public final class WeppFunctions {
  private static final Logger LOG = LoggerFactory.getLogger(WeppFunctions.class);
  private static final String MODULE = "wepppy.rq.wepp_rq.";

  private final RunFolders folders;
  private final Executables executables;
  private final ModelRunner models;
  private final CpuBudget cpu;
  private final Settings settings;

  /**
   * What the owner of the machine decides.
   *
   * @param executables the folder of the executables
   * @param grace between TERM and KILL
   * @param inputWait how long inputs may be late
   * @param hillslopeTimeout for one attempt at a hillslope that is a job of its own
   * @param runTimeout for one attempt at a hillslope of a whole run
   * @param multiOfeTimeout the same where hillslopes have several overland flow elements
   * @param timeoutRetries attempts after the first one timed out
   * @param jobCpu the most processors for one job
   */
  public record Settings(
      Path executables,
      Duration grace,
      Duration inputWait,
      Duration hillslopeTimeout,
      Duration runTimeout,
      Duration multiOfeTimeout,
      int timeoutRetries,
      int jobCpu) {}

  private WeppFunctions(
      RunFolders folders, Settings settings, ProcessRunner processes, CpuBudget cpu) {
    this.folders = folders;
    this.settings = settings;
    this.cpu = cpu;
    executables = new Executables(settings.executables());
    models = new ModelRunner(processes, executables, cpu, settings.grace(), settings.inputWait());
  }

  private static final String HILLSLOPE = MODULE + "run_hillslope_rq";
  private static final String HILLSLOPES = MODULE + "_run_hillslopes_rq";
  private static final String WATERSHED = MODULE + "run_watershed_rq";

  /** The functions' dotted names. */
  public static final Set<String> NAMES = Set.of(HILLSLOPE, HILLSLOPES, WATERSHED);

  /** The functions by their dotted names. */
  public static Map<String, JobHandler> of(
      RunFolders folders, Settings settings, ProcessRunner processes, CpuBudget cpu) {
    WeppFunctions wepp = new WeppFunctions(folders, settings, processes, cpu);
    return Map.of(
        HILLSLOPE,
        wepp.function(List.of("runid", "wepp_id", "wepp_bin"), 2, wepp::hillslope),
        HILLSLOPES,
        wepp.function(List.of("runid"), 1, wepp::hillslopes),
        WATERSHED,
        wepp.function(List.of("runid", "wepp_bin"), 1, wepp::watershed));
  }

  /**
   * The logs of the models that a call runs; none of another function, or of a run that is not
   * here.
   */
  public static List<Path> logs(RunFolders folders, Call call) {
    try {
      return switch (call.function()) {
        case WATERSHED -> {
          Arguments arguments = Arguments.bind(call, List.of("runid", "wepp_bin"), 1);
          yield List.of(runs(folders, arguments).resolve("pw0.err"));
        }
        case HILLSLOPE -> {
          Arguments arguments = Arguments.bind(call, List.of("runid", "wepp_id", "wepp_bin"), 2);
          yield List.of(
              runs(folders, arguments).resolve("p" + arguments.number("wepp_id") + ".err"));
        }
        case HILLSLOPES -> {
          RunFolder folder =
              new RunFolder(folders.find(Arguments.bind(call, List.of("runid"), 1).text("runid")));
          yield folder.hillslopes().stream()
              .map(id -> folder.runs().resolve("p" + id + ".err"))
              .toList();
        }
        default -> List.of();
      };
    } catch (JobFailed e) {
      return List.of();
    }
  }

  private static Path runs(RunFolders folders, Arguments arguments) throws JobFailed {
    return new RunFolder(folders.find(arguments.text("runid"))).runs();
  }

  /** What a function does in its run folder. */
  @FunctionalInterface
  private interface Body {
    PyValue run(RunFolder folder, Arguments arguments, JobContext context)
        throws JobFailed, InterruptedException;
  }

  private PyValue hillslope(RunFolder folder, Arguments arguments, JobContext context)
      throws JobFailed, InterruptedException {
    long start = System.nanoTime();
    models.run(
        new Model(
            Kind.HILLSLOPE,
            arguments.number("wepp_id"),
            folder.runs(),
            executables.find(arguments.optionalText("wepp_bin"), true),
            settings.hillslopeTimeout(),
            settings.timeoutRetries(),
            channel(arguments)),
        context);
    return trueAndSeconds(start);
  }

  private PyValue watershed(RunFolder folder, Arguments arguments, JobContext context)
      throws JobFailed, InterruptedException {
    long start = System.nanoTime();
    models.run(
        new Model(
            Kind.WATERSHED,
            0,
            folder.runs(),
            executables.find(arguments.optionalText("wepp_bin"), false),
            null,
            0,
            channel(arguments)),
        context);
    return trueAndSeconds(start);
  }

  private PyValue hillslopes(RunFolder folder, Arguments arguments, JobContext context)
      throws JobFailed, InterruptedException {
    RunFolder.Choices choices = folder.choices();
    Path executable = executables.find(choices.weppBin().orElse(null), true);
    Duration timeout = choices.multiOfe() ? settings.multiOfeTimeout() : settings.runTimeout();
    List<Integer> ids = folder.hillslopes();
    if (ids.isEmpty()) {
      throw new JobFailed(
          "FileNotFoundError", "%s has no p<number>.run to run".formatted(folder.runs()));
    }
    int atOnce = Math.min(ids.size(), Math.min(cpu.processors(), settings.jobCpu()));
    new Hillslopes(ids, atOnce)
        .run((id, done) -> {
          long start = System.nanoTime();
          models.run(
              new Model(
                  Kind.HILLSLOPE,
                  id,
                  folder.runs(),
                  executable,
                  timeout,
                  settings.timeoutRetries(),
                  null),
              context);
          context.publish(
              channel(arguments),
              String.format(
                  Locale.ROOT,
                  "  (%d/%d)  wepp hillslope %d completed in %.1fs with status=True",
                  done.getAsInt(),
                  ids.size(),
                  id,
                  (System.nanoTime() - start) / 1e9));
        });
    try {
      folder.dumpPrep(context.timestamp(folder.prepKey(), "run_wepp_hillslopes"));
    } catch (QueueUnavailable e) {
      LOG.warn(
          "Job {}: {}; the run goes on without its time stamp.", context.jobId(), e.getMessage());
    }
    return PyValue.None.NONE;
  }

  private static String channel(Arguments arguments) {
    return arguments.shown("runid") + ":wepp";
  }

  private static PyValue trueAndSeconds(long start) {
    return PyValue.tuple(PyValue.of(true), PyValue.of((System.nanoTime() - start) / 1e9));
  }

  /** What WEPPcloud does around each of its functions. */
  private JobHandler function(List<String> parameters, int required, Body body) {
    return (call, context) -> {
      String name = call.function().substring(MODULE.length());
      try {
        Arguments arguments = Arguments.bind(call, parameters, required);
        RunFolder folder = new RunFolder(folders.find(arguments.text("runid")));
        return new Shown(name, shown(name, arguments), folder, channel(arguments), context)
            .run(() -> body.run(folder, arguments, context));
      } catch (JobFailed e) {
        return failed(e.traceback(name), context);
      }
    };
  }

  /** As WEPPcloud writes a call: the run id bare, the other arguments by name. */
  private static String shown(String name, Arguments arguments) {
    StringBuilder shown = new StringBuilder(name).append('(');
    String separator = "";
    for (String parameter : arguments.values().keySet()) {
      shown.append(separator);
      if (!parameter.equals("runid")) {
        shown.append(parameter).append('=');
      }
      shown.append(arguments.shown(parameter));
      separator = ", ";
    }
    return shown.append(')').toString();
  }

  private static JobOutcome failed(String traceback, JobContext context) {
    context.putMeta(Map.of("exc_string", PyValue.of(traceback)));
    return new JobOutcome.Failed(traceback);
  }

  /** One call with what its user sees of it: status lines, logs and meta. */
  private record Shown(
      String name, String call, RunFolder folder, String channel, JobContext context) {

    @FunctionalInterface
    interface Work {
      PyValue run() throws JobFailed, InterruptedException;
    }

    JobOutcome run(Work work) throws InterruptedException {
      context.putMeta(
          Map.of(
              "pid", PyValue.of(ProcessHandle.current().pid()),
              "runid", PyValue.of(channel.substring(0, channel.lastIndexOf(':')))));
      log("%s: %s (%s)".formatted(context.queue(), context.description(), context.jobId()));
      tell("STARTED " + call);
      boolean toldEnd = false;
      try {
        PyValue result = work.run();
        String shown = result instanceof PyValue.None ? "" : " -> " + PyRepr.of(result);
        tell("COMPLETED " + call + shown);
        toldEnd = true;
        log("%s: Job OK (%s)".formatted(context.queue(), context.jobId()));
        return new JobOutcome.Succeeded(result);
      } catch (JobFailed e) {
        toldEnd = true;
        return fail(e.traceback(call));
      } catch (InterruptedException e) {
        // rq's alarm raises inside the function; a stop kills it, and then it says nothing.
        if (context.stopReason().equals(Optional.of(StopReason.TIMEOUT))) {
          JobOutcome _ = fail(StopReason.TIMEOUT.text(context.timeoutSeconds()));
        }
        toldEnd = true;
        throw e;
      } finally {
        if (!toldEnd) {
          tell("EXCEPTION " + call);
        }
      }
    }

    private JobOutcome fail(String traceback) {
      tell("EXCEPTION " + call);
      folder.logException(context.clock().instant(), name, traceback);
      log("%s: Job %s failed".formatted(context.queue(), context.jobId()));
      return failed(traceback, context);
    }

    private void tell(String text) {
      context.publish(channel, "rq:" + context.jobId() + " " + text);
    }

    private void log(String text) {
      folder.log(context.clock().instant(), text);
    }
  }
}
