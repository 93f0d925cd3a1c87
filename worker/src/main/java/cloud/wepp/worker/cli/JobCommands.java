package cloud.wepp.worker.cli;

import cloud.wepp.rq.JobActions;
import cloud.wepp.rq.JobLog;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.LostJobs;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.StuckJobs;
import cloud.wepp.worker.Connections;
import cloud.wepp.worker.Worker;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.ledger.LedgerStore;
import cloud.wepp.worker.ledger.OpenJobs;
import cloud.wepp.worker.wepp.WeppFunctions;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** About jobs: chosen ones, all that are stuck or lost, or what one prints. */
final class JobCommands {
  private JobCommands() {}

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
      try (RedisAccess redis = Connections.redis(config);
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
      try (RedisAccess redis = Connections.redis(config);
          JobQueue jobs = Connections.queue(config, redis, InstantSource.system());
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
      try (RedisAccess redis = Connections.redis(config);
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
      try (RedisAccess redis = Connections.redis(config);
          JobActions actions = new JobActions(redis, prefix, InstantSource.system());
          LostJobs lost = new LostJobs(redis, prefix, InstantSource.system());
          LedgerStore store = Connections.history(config)) {
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
}
