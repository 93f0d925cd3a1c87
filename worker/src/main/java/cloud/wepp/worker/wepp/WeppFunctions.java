package cloud.wepp.worker.wepp;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.QueueUnavailable;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.job.JobContext;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.process.ActivityWatch;
import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.process.ProcessRunner;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * WEPPcloud's own job functions that run WEPP, by the names that it enqueues them with; their
 * messages, logs, return values and errors are those of its module {@code wepppy.rq.wepp_rq}.
 */
public final class WeppFunctions {
  private static final Logger LOG = LoggerFactory.getLogger(WeppFunctions.class);
  private static final String PANEL = "wepp"; // of the run's page
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
   * @param hillslopeTimeout for one attempt at a hillslope that is a job of its own
   * @param runTimeout for one attempt at a hillslope of a whole run
   * @param multiOfeTimeout the same where hillslopes have several overland flow elements
   * @param timeoutRetries attempts after the first one timed out
   * @param jobCpu the most processors for one job
   * @param models how each run of WEPP is done
   */
  public record Settings(
      Path executables,
      Duration hillslopeTimeout,
      Duration runTimeout,
      Duration multiOfeTimeout,
      int timeoutRetries,
      int jobCpu,
      Models models) {}

  /**
   * How each run of a model is done.
   *
   * @param grace between TERM and KILL
   * @param inputWait how long inputs may be late, as they are on NFS
   * @param storageRetries attempts after the storage failed in the first one
   * @param verify what becomes of doubtful runs: fail, warn or off
   * @param longestName the most characters of a file's name that the executables read
   * @param staging whether models write to {@code scratch} first: auto, local or off
   * @param provenance whether each good run is recorded
   * @param scratch the folder for what is needed for a while
   * @param version of this worker
   * @param progress where it is told how far a job is: in its meta, also on the status channel, or
   *     nowhere: meta, channel or off
   * @param progressEvery the least time between two such words of a job
   * @param activity when a model that does nothing is told of
   */
  public record Models(
      Duration grace,
      Duration inputWait,
      int storageRetries,
      String verify,
      int longestName,
      String staging,
      boolean provenance,
      Path scratch,
      String version,
      String progress,
      Duration progressEvery,
      ActivityWatch.Rules activity) {
    Progress.Telling telling() {
      return new Progress.Telling(progress, progressEvery);
    }
  }

  private WeppFunctions(
      RunFolders folders, Settings settings, ProcessRunner processes, CpuBudget cpu) {
    this.folders = folders;
    this.settings = settings;
    this.cpu = cpu;
    executables = new Executables(settings.executables());
    models = new ModelRunner(processes, executables, settings.models());
  }

  private static final String HILLSLOPE = MODULE + "run_hillslope_rq";
  private static final String HILLSLOPES = MODULE + "_run_hillslopes_rq";
  private static final String WATERSHED = MODULE + "run_watershed_rq";
  private static final String STORM_HILLSLOPE = MODULE + "run_ss_batch_hillslope_rq";
  private static final String STORM_WATERSHED = MODULE + "run_ss_batch_watershed_rq";
  private static final String FLOWPATH = MODULE + "run_flowpath_rq";

  private static final Map<String, List<String>> PARAMETERS =
      Map.of(
          HILLSLOPE,
          List.of("runid", "wepp_id", "wepp_bin"),
          HILLSLOPES,
          List.of("runid"),
          WATERSHED,
          List.of("runid", "wepp_bin"),
          STORM_HILLSLOPE,
          List.of("runid", "wepp_id", "wepp_bin", "ss_batch_id"),
          STORM_WATERSHED,
          List.of("runid", "wepp_bin", "ss_batch_id"),
          FLOWPATH,
          List.of("runid", "flowpath", "wepp_bin"));

  /** The functions' dotted names. */
  public static final Set<String> NAMES = PARAMETERS.keySet();

  /** The functions by their dotted names. */
  public static Map<String, JobHandler> of(
      RunFolders folders, Settings settings, ProcessRunner processes, CpuBudget cpu) {
    WeppFunctions wepp = new WeppFunctions(folders, settings, processes, cpu);
    return Map.of(
        HILLSLOPE,
        wepp.function(HILLSLOPE, 2, wepp.one(wepp::hillslope)),
        HILLSLOPES,
        wepp.function(HILLSLOPES, 1, wepp::hillslopes),
        WATERSHED,
        wepp.function(WATERSHED, 1, wepp.one(wepp::watershed)),
        STORM_HILLSLOPE,
        wepp.function(STORM_HILLSLOPE, 2, wepp.one(wepp::stormHillslope)),
        STORM_WATERSHED,
        wepp.function(STORM_WATERSHED, 1, wepp.one(wepp::stormWatershed)),
        FLOWPATH,
        wepp.function(FLOWPATH, 2, wepp.one(wepp::flowpath)));
  }

  /**
   * The logs of the models that a call runs; none of another function, or of a run that is not
   * here.
   */
  public static List<Path> logs(RunFolders folders, Call call) {
    if (!NAMES.contains(call.function())) {
      return List.of();
    }
    try {
      Arguments arguments = Arguments.bind(call, parameters(call.function()), 1);
      RunFolder folder = new RunFolder(folders.find(arguments.text("runid")));
      List<String> stems =
          switch (call.function()) {
            case HILLSLOPES -> folder.hillslopes().stream().map(id -> "p" + id).toList();
            case HILLSLOPE -> List.of("p" + arguments.number("wepp_id"));
            case STORM_HILLSLOPE ->
                List.of("p" + arguments.number("wepp_id") + "." + arguments.number("ss_batch_id"));
            case STORM_WATERSHED -> List.of("pw0." + arguments.number("ss_batch_id"));
            case FLOWPATH -> List.of(arguments.name("flowpath"));
            default -> List.of("pw0");
          };
      return stems.stream().map(stem -> folder.runs().resolve(stem + ".err")).toList();
    } catch (JobFailed e) {
      return List.of();
    }
  }

  /** The one model that a function runs. */
  @FunctionalInterface
  private interface Only {
    Model of(RunFolder folder, Arguments arguments) throws JobFailed;
  }

  private RunFunction.Body one(Only only) {
    return (folder, arguments, context) -> {
      long start = System.nanoTime();
      models.run(only.of(folder, arguments), cpu, context);
      return PyValue.tuple(PyValue.of(true), PyValue.of((System.nanoTime() - start) / 1e9));
    };
  }

  private Path executable(Arguments arguments, boolean hillslope) throws JobFailed {
    return executables.find(arguments.optionalText("wepp_bin"), hillslope);
  }

  private Model hillslope(RunFolder folder, Arguments arguments) throws JobFailed {
    return Model.hillslope(
        arguments.number("wepp_id"),
        folder.runs(),
        executable(arguments, true),
        settings.hillslopeTimeout(),
        settings.timeoutRetries(),
        channel(arguments));
  }

  private Model stormHillslope(RunFolder folder, Arguments arguments) throws JobFailed {
    return Model.stormHillslope(
        arguments.number("wepp_id"),
        arguments.number("ss_batch_id"),
        folder.runs(),
        executable(arguments, true),
        channel(arguments));
  }

  private Model flowpath(RunFolder folder, Arguments arguments) throws JobFailed {
    return Model.flowpath(
        arguments.name("flowpath"), folder.runs(), executable(arguments, true), channel(arguments));
  }

  private Model watershed(RunFolder folder, Arguments arguments) throws JobFailed {
    return Model.watershed(folder.runs(), executable(arguments, false), channel(arguments));
  }

  private Model stormWatershed(RunFolder folder, Arguments arguments) throws JobFailed {
    return Model.stormWatershed(
        arguments.number("ss_batch_id"),
        folder.runs(),
        executable(arguments, false),
        channel(arguments));
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
    CpuBudget share = cpu.atMost(settings.jobCpu());
    String channel = channel(arguments);
    try (Progress progress =
        new Progress("hillslopes", settings.models().telling(), channel, context)) {
      // more threads than processors: one may publish its outputs while the next one computes
      new Hillslopes(ids, Math.min(ids.size(), share.processors() * 2))
          .run((id, done) -> {
            long start = System.nanoTime();
            Model model =
                Model.hillslope(
                    id, folder.runs(), executable, timeout, settings.timeoutRetries(), null);
            if (!models.isDone(model, context)) {
              models.run(model, share, context);
            }
            int count = done.getAsInt();
            context.publish(
                channel,
                String.format(
                    Locale.ROOT,
                    "  (%d/%d)  wepp hillslope %d completed in %.1fs with status=True",
                    count,
                    ids.size(),
                    id,
                    (System.nanoTime() - start) / 1e9));
            progress.at(count, ids.size());
          });
    }
    try {
      folder.dumpPrep(context.timestamp(folder.prepKey(), "run_wepp_hillslopes"));
    } catch (QueueUnavailable e) {
      LOG.warn(
          "Job {}: {}; the run goes on without its time stamp.", context.jobId(), e.getMessage());
    }
    return PyValue.None.NONE;
  }

  private static List<String> parameters(String function) {
    return PARAMETERS.getOrDefault(function, List.of());
  }

  private static String channel(Arguments arguments) {
    return RunFunction.channel(arguments, PANEL);
  }

  private JobHandler function(String name, int required, RunFunction.Body body) {
    return new RunFunction(folders, PANEL, parameters(name), required, body);
  }
}
