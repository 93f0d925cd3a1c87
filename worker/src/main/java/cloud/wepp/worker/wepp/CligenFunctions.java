package cloud.wepp.worker.wepp;

import cloud.wepp.rq.pickle.PyRepr;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.job.JobContext;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.process.ProcessRunner;
import cloud.wepp.worker.wepp.Cligen.Kind;
import cloud.wepp.worker.wepp.Cligen.Made;
import cloud.wepp.worker.wepp.Cligen.Run;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Job functions of this worker's own that run CLIGEN in the climate folder of a run, each as one
 * method of WEPPcloud's {@code wepppy.climates.cligen} does. WEPPcloud itself has no such job:
 * enqueue them by name.
 */
public final class CligenFunctions {
  private static final String PREFIX = "cloud.wepp.cligen.";
  private static final String MULTIPLE_YEAR = PREFIX + "multiple_year";
  private static final String OBSERVED = PREFIX + "observed";
  private static final String MODIFIED_PAR = PREFIX + "modified_par";
  private static final String SINGLE_STORM = PREFIX + "single_storm";

  /** The functions' dotted names. */
  public static final Set<String> NAMES =
      Set.of(MULTIPLE_YEAR, OBSERVED, MODIFIED_PAR, SINGLE_STORM);

  private static final String NEWEST = "5.3.2";
  private static final String WITHOUT_FLAGS = "4.3";
  private static final int SEED = 12345;
  private static final int MOST_YEARS = 9999;

  private final RunFolders folders;
  private final Executables executables;
  private final Cligen cligen;
  private final StationFile stations;
  private final Settings settings;

  /**
   * What the owner of the machine decides.
   *
   * @param executables the folder of the executables
   * @param geodata the folder of shared data, in which station files may be
   * @param multipleYearTimeout for the one attempt
   * @param observedTimeout for each attempt
   * @param observedRetries attempts after the first one timed out
   * @param modifiedParTimeout for the one attempt
   * @param singleStormTimeout for the one attempt
   * @param strict whether a climate fails that WEPPcloud accepts, but that is doubtful
   * @param models how each run of a model is done, as far as it concerns CLIGEN
   */
  public record Settings(
      Path executables,
      Path geodata,
      Duration multipleYearTimeout,
      Duration observedTimeout,
      int observedRetries,
      Duration modifiedParTimeout,
      Duration singleStormTimeout,
      boolean strict,
      WeppFunctions.Models models) {}

  private CligenFunctions(
      RunFolders folders, Settings settings, ProcessRunner processes, CpuBudget cpu) {
    this.folders = folders;
    this.settings = settings;
    executables = new Executables(settings.executables());
    WeppFunctions.Models models = settings.models();
    Programs programs =
        Programs.in(models.scratch(), processes, models.grace(), models.inputWait());
    cligen = new Cligen(programs, executables, cpu, settings.strict(), models);
    stations = new StationFile(settings.geodata(), programs);
  }

  /** The functions by their dotted names. */
  public static Map<String, JobHandler> of(
      RunFolders folders, Settings settings, ProcessRunner processes, CpuBudget cpu) {
    CligenFunctions own = new CligenFunctions(folders, settings, processes, cpu);
    return Map.of(
        MULTIPLE_YEAR,
        own.function(List.of("runid", "par", "years", "cli", "cliver"), 4, own::multipleYear),
        OBSERVED,
        own.function(
            List.of("runid", "par", "prn", "cli", "silently_pass_quality_guard", "cliver"),
            4,
            own::observed),
        MODIFIED_PAR,
        own.function(
            List.of("runid", "par", "years", "cli", "randseed", "cliver"), 4, own::modifiedPar),
        SINGLE_STORM,
        own.function(
            List.of(
                "runid",
                "par",
                "storm_date",
                "design_storm_amount_inches",
                "duration_of_storm_in_hours",
                "time_to_peak_intensity_pct",
                "max_intensity_inches_per_hour",
                "cli",
                "cliver"),
            8,
            own::singleStorm));
  }

  private JobHandler function(List<String> parameters, int required, RunFunction.Body body) {
    return new RunFunction(folders, "climate", parameters, required, body);
  }

  private PyValue multipleYear(RunFolder folder, Arguments arguments, JobContext context)
      throws JobFailed, InterruptedException {
    return years(Kind.MULTIPLE_YEAR, folder, arguments, settings.multipleYearTimeout(), context);
  }

  private PyValue modifiedPar(RunFolder folder, Arguments arguments, JobContext context)
      throws JobFailed, InterruptedException {
    return years(Kind.MODIFIED_PAR, folder, arguments, settings.modifiedParTimeout(), context);
  }

  /** A number of years from the year 1. */
  private PyValue years(
      Kind kind, RunFolder folder, Arguments arguments, Duration timeout, JobContext context)
      throws JobFailed, InterruptedException {
    int years = arguments.number("years");
    if (years > MOST_YEARS) {
      throw new JobFailed(
          "ValueError", "CLIGEN makes %d years at most, not %d".formatted(MOST_YEARS, years));
    }
    String cli = cli(arguments);
    boolean modified = kind == Kind.MODIFIED_PAR;
    String seed = modified ? "-r" + arguments.integer("randseed", SEED) : null;
    return dialogue(
        kind,
        folder,
        arguments,
        "5\n1\n%d\n%s\nn\n\n".formatted(years, cli),
        seed,
        new Span(LocalDate.of(1, 1, 1), LocalDate.of(years, 12, 31), timeout),
        context);
  }

  private PyValue singleStorm(RunFolder folder, Arguments arguments, JobContext context)
      throws JobFailed, InterruptedException {
    LocalDate date = stormDate(arguments.text("storm_date"));
    double percent = arguments.positive("time_to_peak_intensity_pct");
    if (percent >= 100) {
      throw new JobFailed("ValueError", "time_to_peak_intensity_pct must be between 0 and 100");
    }
    String answers =
        "4\n%d %d %d\n%s\n%s\n%s\n%s\n%s\nn\n\n"
            .formatted(
                date.getMonthValue(),
                date.getDayOfMonth(),
                date.getYear(),
                python(arguments.positive("design_storm_amount_inches")),
                python(arguments.positive("duration_of_storm_in_hours")),
                python(percent * 0.01),
                python(arguments.positive("max_intensity_inches_per_hour")),
                cli(arguments));
    return dialogue(
        Kind.SINGLE_STORM,
        folder,
        arguments,
        answers,
        null,
        new Span(date, date, settings.singleStormTimeout()),
        context);
  }

  /** The days asked for, and how long one attempt at them may take. */
  private record Span(LocalDate first, LocalDate last, Duration timeout) {}

  /** A run that is told on standard input what to do. */
  private PyValue dialogue(
      Kind kind,
      RunFolder folder,
      Arguments arguments,
      String answers,
      @Nullable String seed,
      Span span,
      JobContext context)
      throws JobFailed, InterruptedException {
    String version = version(arguments);
    // WEPPcloud runs 5.3.2 here for what it calls 5.3
    boolean newest = kind != Kind.MULTIPLE_YEAR && version.equals("5.3");
    Path executable = executables.cligen(newest ? NEWEST : version);
    String par = stations.stage(arguments.text("par"), folder, context);
    boolean old = version.equals(WITHOUT_FLAGS);
    List<String> flags = new ArrayList<>();
    if (!old) {
      flags.add("-i" + par);
    }
    if (seed != null) {
      flags.add(seed);
    }
    Run run =
        new Run(
            kind,
            folder.climate(),
            executable,
            List.copyOf(flags),
            List.of(par),
            old ? "\n" + par + "\nn\n" + answers : answers,
            cli(arguments),
            "",
            span.timeout(),
            0,
            span.first(),
            span.last(),
            false);
    return made(run, cligen.run(run, List.of(), context));
  }

  private PyValue observed(RunFolder folder, Arguments arguments, JobContext context)
      throws JobFailed, InterruptedException {
    String version = version(arguments);
    if (version.equals(WITHOUT_FLAGS)) {
      throw new JobFailed("NotImplementedError", "Cligen version must be greater than 5");
    }
    Path executable = executables.cligen(version);
    String prn = named(arguments, "prn", ".prn");
    String cli = cli(arguments);
    String par = stations.stage(arguments.text("par"), folder, context);
    Observations observations = observations(folder.climate(), prn, context);
    Run run =
        new Run(
            Kind.OBSERVED,
            folder.climate(),
            executable,
            List.of("-i" + par, "-O" + prn, "-o" + cli, "-t6", "-I2"),
            List.of(par, prn),
            null,
            cli,
            "; prn_fn=" + prn,
            settings.observedTimeout(),
            settings.observedRetries(),
            observations.first(),
            observations.last(),
            !arguments.flag("silently_pass_quality_guard"));
    return made(run, cligen.run(run, observations.doubts(), context));
  }

  private Observations observations(Path climate, String name, JobContext context)
      throws JobFailed, InterruptedException {
    Path prn = climate.resolve(name);
    cligen.programs().awaitFiles("cligen", List.of(prn), context);
    return StorageFault.retrying(
        "Reading " + prn,
        context,
        () -> {
          Path real = prn.toRealPath();
          if (!real.startsWith(climate.toRealPath()) || !Files.isRegularFile(real)) {
            throw new JobFailed("ValueError", prn + " is no file of the run; nothing was run");
          }
          return Observations.read(real);
        });
  }

  private static PyValue made(Run run, Made made) {
    return new PyValue.Dict(
        List.of(
            entry("cli", PyValue.of(run.cli())),
            entry("days", PyValue.of(made.days())),
            entry("quality_guard_bypassed", PyValue.of(made.bypassed())),
            entry("doubts", new PyValue.ListOf(made.doubts().stream().map(PyValue::of).toList()))));
  }

  private static PyValue.Entry entry(String key, PyValue value) {
    return new PyValue.Entry(PyValue.of(key), value);
  }

  private static String version(Arguments arguments) throws JobFailed {
    String version = arguments.optionalText("cliver");
    return version == null ? NEWEST : version;
  }

  private static String cli(Arguments arguments) throws JobFailed {
    return named(arguments, "cli", ".cli");
  }

  private static String named(Arguments arguments, String parameter, String suffix)
      throws JobFailed {
    String name = arguments.name(parameter);
    if (!name.endsWith(suffix)) {
      throw new JobFailed(
          "ValueError", "%s must end with %s, not '%s'".formatted(parameter, suffix, name));
    }
    return name;
  }

  /** Month, day and year, with anything of {@code -/.} or blanks between them. */
  private static LocalDate stormDate(String text) throws JobFailed {
    String[] parts = text.strip().split("[-/.\\s]+", -1);
    LocalDate date = parts.length == 3 ? Climate.date(parts[2], parts[0], parts[1]) : null;
    if (date == null || date.getYear() < 1 || date.getYear() > MOST_YEARS) {
      throw new JobFailed(
          "ValueError",
          "storm_date must be month, day and year, not '%s'"
              .formatted(text.replaceAll("\\p{Cntrl}", "?")));
    }
    return date;
  }

  private static String python(double number) {
    return PyRepr.of(PyValue.of(number));
  }
}
