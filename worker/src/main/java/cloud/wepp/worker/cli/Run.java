package cloud.wepp.worker.cli;

import cloud.wepp.worker.Connections;
import cloud.wepp.worker.Worker;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.observe.Logging;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "run",
    mixinStandardHelpOptions = true,
    description = "Takes jobs and runs them until it is told to stop (TERM or rq's shutdown).")
final class Run implements Callable<Integer> {
  @Mixin private final Configured configured = new Configured();

  @Option(names = "--burst", description = "leave when nothing is left to run")
  private boolean burst;

  @Option(names = "--max-jobs", paramLabel = "N", description = "leave after so many jobs")
  private long maxJobs = Long.MAX_VALUE;

  @Override
  public Integer call() throws Exception {
    ConfigReader.Read read = configured.readQuietly();
    WorkerConfig config = read.config();
    try (Logging _ = new Logging(config.log(), config.loki(), Connections.name(config))) {
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
    try (Worker worker = Worker.of(config, burst, maxJobs)) {
      asked.set(worker);
      worker.start();
      worker.awaitDrain();
    }
    return 0;
  }
}
