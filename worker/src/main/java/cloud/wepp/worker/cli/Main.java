package cloud.wepp.worker.cli;

import cloud.wepp.rq.QueueUnavailable;
import cloud.wepp.worker.Worker;
import cloud.wepp.worker.config.InvalidConfig;
import cloud.wepp.worker.ledger.LedgerUnavailable;
import cloud.wepp.worker.python.PythonUnavailable;
import java.io.PrintWriter;
import java.util.HashMap;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;

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
      Run.class,
      Enqueue.class,
      JobCommands.Requeue.class,
      JobCommands.Cancel.class,
      HistoryCommands.HistoryOf.class,
      HistoryCommands.Compare.class,
      HistoryCommands.ProvenanceOf.class,
      GeodataCommand.class,
      WorkerCommands.Examine.class,
      JobCommands.Logs.class,
      WorkerCommands.Show.class,
      WorkerCommands.Health.class,
      JobCommands.Deferred.class,
      JobCommands.Reconciled.class,
      WorkerCommands.Drain.class,
      WorkerCommands.Pause.class,
      WorkerCommands.Resume.class,
      WorkerCommands.Settings.class
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

  /** A copy, which may be changed. */
  static Map<String, String> environment() {
    return new HashMap<>(System.getenv());
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
}
