package cloud.wepp.worker;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.Inventory;
import cloud.wepp.rq.JobActions;
import cloud.wepp.rq.JobLog;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.LostJobs;
import cloud.wepp.rq.QueueUnavailable;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.StuckJobs;
import cloud.wepp.rq.pickle.PyRepr;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.InvalidConfig;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.ledger.History;
import cloud.wepp.worker.ledger.LedgerStore;
import cloud.wepp.worker.ledger.LedgerUnavailable;
import cloud.wepp.worker.ledger.OpenJobs;
import cloud.wepp.worker.observe.Logging;
import cloud.wepp.worker.observe.Probes;
import cloud.wepp.worker.python.PythonUnavailable;
import cloud.wepp.worker.wepp.Provenance;
import cloud.wepp.worker.wepp.WeppFunctions;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.math.BigInteger;
import java.net.HttpURLConnection;
import java.net.Proxy;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/**
 * The command line. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 75 Redis or
 * Postgres unreachable, or a queue served by another worker that has to be served by one.
 */
@Command(
    name = "rq-worker",
    mixinStandardHelpOptions = true,
    version = "rq-worker " + Worker.VERSION,
    description = "Runs WEPPcloud's rq jobs: WEPP natively, every state change kept in Postgres.",
    footer = "%nIn the source tree, `./rq-worker demo` shows all of it on servers of its own.",
    subcommands = {
      Main.Run.class,
      Main.Enqueue.class,
      Main.Requeue.class,
      Main.Cancel.class,
      Main.HistoryOf.class,
      Main.Compare.class,
      Main.ProvenanceOf.class,
      GeodataCommand.class,
      Main.Examine.class,
      Main.Logs.class,
      Main.Show.class,
      Main.Health.class,
      Main.Deferred.class,
      Main.Reconciled.class,
      Main.Drain.class,
      Main.Pause.class,
      Main.Resume.class,
      Main.Settings.class
    })
public final class Main {
  /** EX_TEMPFAIL of sysexits.h: try again later. */
  private static final int UNREACHABLE = 75;

  private Main() {}

  public static void main(String[] args) {
    // SLF4J first: a metrics library that is touched earlier keeps logging from starting.
    Logger log = LoggerFactory.getLogger(Main.class);
    System.exit(commandLine(log).execute(args));
  }

  private static CommandLine commandLine(Logger log) {
    return new CommandLine(new Main())
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setExecutionExceptionHandler((e, commandLine, parsed) -> {
          PrintWriter err = commandLine.getErr();
          return switch (e) {
            case InvalidConfig invalid -> {
              err.println(invalid.getMessage());
              yield CommandLine.ExitCode.USAGE;
            }
            case QueueUnavailable unavailable -> {
              err.println("rq-worker: " + unavailable.getMessage());
              yield UNREACHABLE;
            }
            case LedgerUnavailable unavailable -> {
              err.println("rq-worker: " + unavailable.getMessage());
              yield UNREACHABLE;
            }
            case Worker.NotAlone others -> {
              err.println("rq-worker: " + others.getMessage());
              yield UNREACHABLE;
            }
            case PythonUnavailable unavailable -> {
              err.println(
                  "rq-worker: %s%n  Mend python.command, python.preload and so on, or set python.enabled=false and routing.native-queues."
                      .formatted(unavailable.getMessage()));
              yield CommandLine.ExitCode.USAGE;
            }
            default -> {
              log.error("unexpected error", e);
              yield CommandLine.ExitCode.SOFTWARE;
            }
          };
        });
  }

  /** Where the configuration comes from. */
  static final class Configured {
    private static final Logger LOG = LoggerFactory.getLogger(Configured.class);

    @Option(
        names = "--config",
        paramLabel = "FILE",
        description = "a YAML file of settings; see `rq-worker settings`")
    private @Nullable Path file;

    @Option(
        names = "--set",
        paramLabel = "KEY=VALUE",
        description = "one setting, for example worker.slots=4; wins over file and environment")
    private List<String> sets = new ArrayList<>();

    @Option(
        names = "--preset",
        paramLabel = "NAME",
        description =
            "settings in place of the defaults: weppcloud-default, weppcloud-batch or"
                + " weppcloud-fork-archive; also RQ_WORKER_PRESET in the environment")
    private @Nullable String preset;

    WorkerConfig read() throws InvalidConfig {
      return warned(readQuietly());
    }

    ConfigReader.Read readQuietly() throws InvalidConfig {
      Map<String, String> environment = new HashMap<>(System.getenv());
      if (preset != null) {
        environment.put(ConfigReader.PRESET, preset);
      }
      return ConfigReader.read(file, environment, sets);
    }

    static WorkerConfig warned(ConfigReader.Read read) {
      read.warnings().forEach(LOG::warn);
      return read.config();
    }
  }

  @Command(
      name = "run",
      mixinStandardHelpOptions = true,
      description = "Takes jobs and runs them until it is told to stop (TERM or rq's shutdown).")
  static final class Run implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();

    @Option(names = "--burst", description = "leave when nothing is left to run")
    private boolean burst;

    @Option(names = "--max-jobs", paramLabel = "N", description = "leave after so many jobs")
    private long maxJobs = Long.MAX_VALUE;

    @Override
    public Integer call() throws Exception {
      ConfigReader.Read read = configured.readQuietly();
      WorkerConfig config = read.config();
      try (Logging _ = new Logging(config.log(), config.loki(), Worker.name(config))) {
        return run(Configured.warned(read));
      }
    }

    private int run(WorkerConfig config) throws InterruptedException {
      AtomicReference<@Nullable Worker> asked = new AtomicReference<>();
      Signals.handle(
          List.of("TERM", "INT"),
          () -> {
            Worker worker = asked.get();
            if (worker == null) {
              Runtime.getRuntime().halt(0); // nothing has begun
            } else {
              worker.leave();
            }
          });
      try (Worker worker =
          new Worker(
              config,
              new Intake.Stop(burst, maxJobs),
              Map.of(),
              List.of(),
              InstantSource.system())) {
        asked.set(worker);
        worker.start();
        worker.awaitDrain();
      }
      return 0;
    }
  }

  @Command(
      name = "enqueue",
      mixinStandardHelpOptions = true,
      description = "Adds a job as rq's Queue.enqueue does, and prints its id.")
  static final class Enqueue implements Callable<Integer> {
    /** Characters that rq shows of one value. */
    private static final int SHOWN = 75;

    @Mixin private final Configured configured = new Configured();

    @Option(names = "--queue", defaultValue = "default", description = "default: ${DEFAULT-VALUE}")
    private String queue = "";

    @Option(
        names = "--timeout",
        defaultValue = "180",
        description =
            "seconds until the job is ended by force, -1 for never; default: ${DEFAULT-VALUE}")
    private long timeout;

    @Parameters(index = "0", paramLabel = "FUNC", description = "the function's dotted name")
    private String function = "";

    @Parameters(
        index = "1..*",
        paramLabel = "ARGS",
        description =
            "whole numbers, fractions, True, False and None are read as such; NAME=VALUE is a"
                + " keyword argument; the rest is text")
    private List<String> arguments = new ArrayList<>();

    @Override
    public Integer call() throws Exception {
      WorkerConfig config = configured.read();
      List<PyValue> args = new ArrayList<>();
      Map<String, PyValue> kwargs = new LinkedHashMap<>();
      for (String argument : arguments) {
        int equals = argument.indexOf('=');
        if (equals > 0 && argument.substring(0, equals).matches("[A-Za-z_]\\w*")) {
          kwargs.put(argument.substring(0, equals), value(argument.substring(equals + 1)));
        } else {
          args.add(value(argument));
        }
      }
      Call call = new Call(function, args, kwargs);
      try (RedisAccess redis = Worker.redis(config);
          JobQueue jobs = Worker.queue(config, redis, InstantSource.system())) {
        System.out.println(
            jobs.enqueue(queue, call.write(), describe(call), Duration.ofSeconds(timeout)));
      }
      return 0;
    }

    private static PyValue value(String text) {
      return switch (text) {
        case "None" -> PyValue.None.NONE;
        case "True" -> PyValue.of(true);
        case "False" -> PyValue.of(false);
        default -> {
          if (text.matches("-?\\d{1,30}")) {
            yield new PyValue.Int(new BigInteger(text));
          }
          yield text.matches("-?\\d+\\.\\d+")
              ? PyValue.of(Double.parseDouble(text))
              : PyValue.of(text);
        }
      };
    }

    /** rq's default description: the call as Python would write it, long values cut off. */
    private static String describe(Call call) {
      List<String> shown = new ArrayList<>();
      call.args().forEach(arg -> shown.add(shown(arg)));
      call.kwargs().entrySet().stream()
          .map(entry -> entry.getKey() + "=" + shown(entry.getValue()))
          .sorted()
          .forEach(shown::add);
      return call.function() + "(" + String.join(", ", shown) + ")";
    }

    private static String shown(PyValue value) {
      String shown = PyRepr.of(value);
      return shown.length() > SHOWN ? shown.substring(0, SHOWN) + "..." : shown;
    }
  }

  /** Which jobs are meant, and whether something is done to them. */
  private static final class Chosen {
    @Spec(Spec.Target.MIXEE)
    private @Nullable CommandSpec command;

    @Option(names = "--queue", paramLabel = "QUEUE", description = "only jobs of this queue")
    private @Nullable String queue;

    @Option(
        names = "--function",
        paramLabel = "PATTERN",
        description = "only jobs of this function; * stands for any characters")
    private @Nullable String function;

    @Option(names = "--run", paramLabel = "RUNID", description = "only jobs of this WEPPcloud run")
    private @Nullable String run;

    @Option(names = "--job", paramLabel = "ID", description = "only this job; may be repeated")
    private List<String> jobs = new ArrayList<>();

    @Option(names = "--dry-run", description = "change nothing, and print what would be done")
    private boolean dry;

    JobCriteria criteria(@Nullable String cause) {
      JobCriteria criteria = new JobCriteria(queue, function, run, cause, jobs);
      if (criteria.isEmpty() || criteria.hasBlank()) {
        throw new ParameterException(
            Objects.requireNonNull(command).commandLine(),
            criteria.isEmpty()
                ? "Say which jobs are meant: at least one criterion is needed."
                : "A criterion is empty.");
      }
      return criteria;
    }

    void with(WorkerConfig config, Consumer<BulkJobs> action) {
      try (RedisAccess redis = Worker.redis(config);
          JobActions actions =
              new JobActions(redis, config.redis().keyPrefix(), InstantSource.system())) {
        action.accept(new BulkJobs(actions, System.out, dry));
      }
    }
  }

  @Command(
      name = "requeue",
      mixinStandardHelpOptions = true,
      description =
          "Puts failed and stopped jobs that match all that is given back into their queues, as"
              + " rq's requeue does.")
  static final class Requeue implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();
    @Mixin private final Chosen chosen = new Chosen();

    @Option(
        names = "--cause",
        paramLabel = "TEXT",
        description = "only jobs whose last error contains this text")
    private @Nullable String cause;

    @Override
    public Integer call() throws Exception {
      JobCriteria wanted = chosen.criteria(cause);
      chosen.with(configured.read(), jobs -> jobs.requeue(wanted));
      return 0;
    }
  }

  @Command(
      name = "cancel",
      mixinStandardHelpOptions = true,
      description =
          "Cancels waiting jobs that match all that is given, and has those stopped that run."
              + " --run and --job stand for all jobs below them, too.")
  static final class Cancel implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();
    @Mixin private final Chosen chosen = new Chosen();

    @Override
    public Integer call() throws Exception {
      JobCriteria wanted = chosen.criteria(null);
      chosen.with(configured.read(), jobs -> jobs.cancel(wanted));
      return 0;
    }
  }

  @Command(
      name = "history",
      mixinStandardHelpOptions = true,
      description = "Prints what Postgres knows of jobs that have run.")
  static final class HistoryOf implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();

    @Option(names = "--run", paramLabel = "RUNID", description = "only jobs of this WEPPcloud run")
    private @Nullable String run;

    @Option(names = "--job", paramLabel = "ID", description = "only this job, with its events")
    private @Nullable String job;

    @Option(names = "--limit", defaultValue = "50", description = "default: ${DEFAULT-VALUE}")
    private int limit;

    @Override
    public Integer call() throws Exception {
      try (LedgerStore store = Worker.history(configured.read())) {
        new History(store).print(System.out, run, job, limit);
      }
      return 0;
    }
  }

  @Command(
      name = "compare",
      mixinStandardHelpOptions = true,
      description =
          "Prints how many jobs each host has begun since a time, how they ended and how long they"
              + " took, by function.",
      footer =
          "%nFrom the history, which has what this kind of worker ran: nothing of what rq's own"
              + " workers did. `rq-worker info` counts theirs.")
  static final class Compare implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();

    @Option(
        names = "--since",
        required = true,
        paramLabel = "TIME",
        description = "in UTC, as 2026-11-25T08:00:00Z")
    private Instant since = Instant.EPOCH;

    @Override
    public Integer call() throws Exception {
      try (LedgerStore store = Worker.history(configured.read())) {
        new History(store).compare(System.out, since);
      }
      return 0;
    }
  }

  @Command(
      name = "provenance",
      mixinStandardHelpOptions = true,
      description = "Prints which executable made the outputs of a WEPPcloud run, of which inputs.")
  static final class ProvenanceOf implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();

    @Parameters(paramLabel = "RUNID", description = "the run")
    private String run = "";

    @Option(names = "--json", description = "with the checksums of all files")
    private boolean json;

    @Option(
        names = "--check",
        description = "also tell which files have changed since; exit 1 then")
    private boolean check;

    @Override
    public Integer call() throws Exception {
      try {
        return Provenance.print(
                Worker.runFolders(configured.read().wepp()), run, json, check, System.out)
            ? 0
            : 1;
      } catch (IOException e) {
        System.err.println("rq-worker: " + e.getMessage());
        return 1;
      }
    }
  }

  @Command(
      name = "doctor",
      mixinStandardHelpOptions = true,
      description = "Tells what becomes of the waiting jobs under this configuration, and why.")
  static final class Examine implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();

    @Option(
        names = "--weppcloud",
        description =
            "instead, checks all that a host of WEPPcloud needs before its first job; exit 1 if"
                + " there is a problem")
    private boolean weppcloud;

    @Option(
        names = "--json",
        description =
            "of --weppcloud, for programs: `problems`, and `checks` with `check`, `state` (ok,"
                + " warning, problem), `found` and `do`")
    private boolean json;

    @Override
    public Integer call() throws Exception {
      WorkerConfig config = configured.read();
      if (weppcloud) {
        return new WeppcloudDoctor(config, InstantSource.system()).examine(System.out, json)
            ? 0
            : 1;
      }
      try (RedisAccess redis = Worker.redis(config);
          JobQueue jobs = Worker.queue(config, redis, InstantSource.system())) {
        new Doctor(config, jobs).print(System.out);
      }
      return 0;
    }
  }

  @Command(
      name = "info",
      mixinStandardHelpOptions = true,
      description =
          "Shows queues and workers as `rq info` does, and what this worker keeps beside them."
              + " Unlike `rq info` it changes nothing.",
      footer = "%n" + Info.JSON_KEYS)
  static final class Show implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();

    @Option(
        names = "--queue",
        paramLabel = "Q",
        description = "only this queue and its workers; may be repeated; default: all")
    private List<String> queues = new ArrayList<>();

    @Option(names = "--json", description = "for programs: one JSON object, described below")
    private boolean json;

    @Override
    public Integer call() throws Exception {
      WorkerConfig config = configured.read();
      try (RedisAccess redis = Worker.redis(config);
          Inventory inventory = new Inventory(redis, config.redis().keyPrefix())) {
        Info info = new Info(inventory.read(queues), redis.address(), config.ledger());
        if (json) {
          info.printJson(System.out);
        } else {
          info.print(System.out);
        }
      }
      return 0;
    }
  }

  @Command(
      name = "health",
      mixinStandardHelpOptions = true,
      description =
          "Asks this host's worker whether it is well, prints what it checks, and exits with 0 or"
              + " 1; for HEALTHCHECK.")
  static final class Health implements Callable<Integer> {
    private static final int LONGEST_MS = 5000;

    @Mixin private final Configured configured = new Configured();

    @Parameters(
        arity = "0..1",
        paramLabel = "PROBE",
        defaultValue = "ready",
        description = "started, ready or live; default: ${DEFAULT-VALUE}")
    private Probes.Kind kind = Probes.Kind.READY;

    @Override
    public Integer call() throws Exception {
      int port = configured.read().observe().openPort().orElse(0);
      if (port == 0) {
        System.err.println("rq-worker: observe.port names no port to ask.");
        return 1;
      }
      String page = "http://127.0.0.1:%d/%s".formatted(port, kind.name().toLowerCase(Locale.ROOT));
      // The client of java.net.http takes longer to load than all the rest.
      if (!(URI.create(page).toURL().openConnection(Proxy.NO_PROXY)
          instanceof HttpURLConnection asked)) {
        throw new IllegalStateException("no HTTP");
      }
      asked.setConnectTimeout(LONGEST_MS);
      asked.setReadTimeout(LONGEST_MS);
      try {
        boolean well = asked.getResponseCode() == 200;
        try (InputStream said = well ? asked.getInputStream() : asked.getErrorStream()) {
          said.transferTo(System.out);
        }
        return well ? 0 : 1;
      } catch (IOException e) {
        System.err.println("rq-worker: %s cannot be asked: %s".formatted(page, e.getMessage()));
        return 1;
      }
    }
  }

  @Command(
      name = "logs",
      mixinStandardHelpOptions = true,
      description =
          "Prints what the processes of a job print: of a running one from its worker, wherever"
              + " that is; of a WEPP job that has ended from the .err files, where the run is"
              + " mounted.")
  static final class Logs implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();

    @Option(
        names = {"-f", "--follow"},
        description = "wait for its start, and go on until it ends")
    private boolean follow;

    @Parameters(paramLabel = "JOB", description = "the job's id")
    private String job = "";

    @Override
    public Integer call() throws Exception {
      WorkerConfig config = configured.read();
      try (RedisAccess redis = Worker.redis(config);
          JobQueue jobs = Worker.queue(config, redis, InstantSource.system());
          JobLog log = new JobLog(redis, config.redis().keyPrefix())) {
        LogReader output =
            new LogReader(
                log,
                jobs,
                call -> WeppFunctions.logs(Worker.runFolders(config.wepp()), call),
                System.out);
        return output.print(job, follow) ? 0 : 1;
      }
    }
  }

  @Command(
      name = "deferred",
      mixinStandardHelpOptions = true,
      description =
          "Lists jobs that wait for others which can no longer release them. Changes nothing.")
  static final class Deferred implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();

    @Override
    public Integer call() throws Exception {
      WorkerConfig config = configured.read();
      int count = 0;
      try (RedisAccess redis = Worker.redis(config);
          StuckJobs jobs = new StuckJobs(redis, config.redis().keyPrefix())) {
        for (String queue : config.worker().queues()) {
          for (StuckJobs.Stuck stuck : jobs.in(queue)) {
            count++;
            System.out.printf(
                "%s  queue %s  %s: %s%n",
                stuck.job(), stuck.queue(), stuck.description(), stuck.why());
          }
        }
      }
      System.out.printf("%d deferred jobs are stuck.%n", count);
      return 0;
    }
  }

  @Command(
      name = "reconcile",
      mixinStandardHelpOptions = true,
      description =
          "Lists jobs that had not ended and that Redis has lost, and jobs of Redis that the"
              + " history does not know. Changes nothing unless it is told to.",
      footer =
          "%nWait until the workers are calm after an outage (timing.lease). A job that rq's own"
              + " workers ended, or somebody deleted, is no loss, but the history may call it"
              + " queued: look at the list before you requeue.")
  static final class Reconciled implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();

    @Option(names = "--requeue", description = "puts the lost jobs back into their queues")
    private boolean requeue;

    @Option(names = "--fill", description = "tells the history of the jobs that it does not know")
    private boolean fill;

    @Option(names = "--dry-run", description = "change nothing; so it is without the options above")
    private boolean dry;

    @Option(
        names = "--queue",
        paramLabel = "Q",
        description = "only this queue; may be repeated; default: all")
    private List<String> queues = new ArrayList<>();

    @Option(
        names = "--days",
        defaultValue = "30",
        description = "only lost jobs that started in so many last days; default: ${DEFAULT-VALUE}")
    private int days;

    @Override
    public Integer call() throws Exception {
      WorkerConfig config = configured.read();
      String prefix = config.redis().keyPrefix();
      boolean both = requeue == fill;
      try (RedisAccess redis = Worker.redis(config);
          JobActions actions = new JobActions(redis, prefix, InstantSource.system());
          LostJobs lost = new LostJobs(redis, prefix, InstantSource.system());
          LedgerStore store = Worker.history(config)) {
        OpenJobs history = new OpenJobs(store, config.timing().lease());
        Reconcile all = new Reconcile(actions, lost, history, System.out, dry || !requeue && !fill);
        if (requeue || both) {
          all.requeue(queues, days);
        }
        if (fill || both) {
          all.fill(queues);
        }
      }
      return 0;
    }
  }

  /** What is paused or goes on. */
  private static final class Pausable {
    private enum Kind {
      queue,
      function,
      worker
    }

    @Parameters(index = "0", paramLabel = "KIND", description = "${COMPLETION-CANDIDATES}")
    private Kind kind = Kind.queue;

    @Parameters(
        index = "1",
        paramLabel = "NAME",
        description =
            "a queue; a function, * stands for any characters; a worker or one of its slots")
    private String name = "";

    Integer set(Configured configured, boolean pause) throws InvalidConfig {
      WorkerConfig config = configured.read();
      try (RedisAccess redis = Worker.redis(config);
          JobQueue jobs = Worker.queue(config, redis, InstantSource.system())) {
        boolean changed = jobs.pause(kind + " " + name, pause);
        System.out.printf(
            "%s %s is %s%s. Workers hear of it with their next heartbeat.%n",
            kind, name, pause ? "paused" : "not paused", changed ? "" : ", as it was");
      }
      return 0;
    }
  }

  @Command(
      name = "pause",
      mixinStandardHelpOptions = true,
      description = "Lets no more jobs of a queue, of a function, or on a worker start.")
  static final class Pause implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();
    @Mixin private final Pausable what = new Pausable();

    @Override
    public Integer call() throws Exception {
      return what.set(configured, true);
    }
  }

  @Command(
      name = "drain",
      mixinStandardHelpOptions = true,
      description =
          "Tells a worker to leave, as TERM does: it takes no more jobs, and ends when those that"
              + " run have ended or their time is over. Works for rq's own workers too.")
  static final class Drain implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();

    @Parameters(
        arity = "0..1",
        paramLabel = "NAME",
        description =
            "a worker as rq info names it, or what is before its last -; default: this host's")
    private @Nullable String name;

    @Override
    public Integer call() throws Exception {
      WorkerConfig config = configured.read();
      String leaving = name == null ? Worker.name(config) : name;
      try (RedisAccess redis = Worker.redis(config);
          JobQueue jobs = Worker.queue(config, redis, InstantSource.system())) {
        List<String> told = jobs.shutdown(leaving);
        told.forEach(System.out::println);
        if (told.isEmpty()) {
          System.err.println("rq-worker: no worker is named " + leaving + " or begins with it.");
        }
        return told.isEmpty() ? 1 : 0;
      }
    }
  }

  @Command(name = "resume", mixinStandardHelpOptions = true, description = "Ends a pause.")
  static final class Resume implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();
    @Mixin private final Pausable what = new Pausable();

    @Override
    public Integer call() throws Exception {
      return what.set(configured, false);
    }
  }

  @Command(
      name = "settings",
      mixinStandardHelpOptions = true,
      description = "Prints all settings with their names, defaults and meaning, as Markdown.")
  static final class Settings implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();

    @Option(
        names = "--explain",
        description = "instead, what each setting is here, and where that comes from")
    private boolean explain;

    @Override
    public Integer call() throws Exception {
      System.out.print(explain ? configured.readQuietly().origins() : ConfigReader.reference());
      return 0;
    }
  }
}
