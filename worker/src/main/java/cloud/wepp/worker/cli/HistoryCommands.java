package cloud.wepp.worker.cli;

import cloud.wepp.worker.Connections;
import cloud.wepp.worker.Worker;
import cloud.wepp.worker.ledger.History;
import cloud.wepp.worker.ledger.LedgerStore;
import cloud.wepp.worker.wepp.Provenance;
import java.io.IOException;
import java.time.Instant;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** About what has run: Postgres and the records beside the outputs. */
final class HistoryCommands {
  private HistoryCommands() {}

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
      try (LedgerStore store = Connections.history(configured.read())) {
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
      try (LedgerStore store = Connections.history(configured.read())) {
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
}
