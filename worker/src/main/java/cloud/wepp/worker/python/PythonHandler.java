package cloud.wepp.worker.python;

import cloud.wepp.rq.Call;
import cloud.wepp.worker.job.JobContext;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobOutcome;
import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.process.ProcessRunner;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs Python functions as rq does. A fork server imports the configured modules once and forks one
 * supervisor per slot, an instance of the configured rq worker class, which forks a work horse for
 * each job. rq itself writes how the job ended; the rest is done here.
 */
public final class PythonHandler implements JobHandler, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(PythonHandler.class);
  private static final String SCRIPT = "fork_server.py";
  private static final Duration TRY_AGAIN = Duration.ofSeconds(5);
  private static final int BEGINNINGS = 3;

  private final Settings settings;
  private final ProcessRunner processes;
  private final CpuBudget cpu;
  private final ToIntFunction<String> processors;
  private final Path folder;
  private final Board board;
  private final ConcurrentMap<String, Supervisor> supervisors = new ConcurrentHashMap<>();
  private int generation; // guarded by this
  private ForkServer server; // guarded by this

  /**
   * What Python needs to know.
   *
   * @param command the interpreter: a path, or a name to be looked for on PATH
   * @param config what {@code fork_server.py} reads: {@code redis}, {@code worker_class} and so on
   * @param grace how long a job that was told to stop has until its processes are killed
   */
  public record Settings(
      String command,
      Path directory,
      Map<String, ?> config,
      int jobsPerSupervisor,
      int jobsPerServer,
      long serverMemoryBytes,
      boolean reload,
      Duration grace) {}

  /**
   * Starts the fork server and waits until it has imported the modules.
   *
   * @param processors how many a job of a function wants of {@code cpu}
   * @throws PythonUnavailable if it cannot
   */
  public PythonHandler(
      Settings settings, ProcessRunner processes, CpuBudget cpu, ToIntFunction<String> processors)
      throws InterruptedException {
    this.settings = settings;
    this.processes = processes;
    this.cpu = cpu;
    this.processors = processors;
    try {
      folder = Files.createTempDirectory("rq-worker");
      try (InputStream script = PythonHandler.class.getResourceAsStream(SCRIPT)) {
        if (script == null) {
          throw new IllegalStateException(SCRIPT + " is not on the class path");
        }
        Files.copy(script, folder.resolve(SCRIPT));
      }
      board = new Board(socket());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    server = start();
  }

  private Path socket() {
    return folder.resolve("socket");
  }

  private synchronized ForkServer start() throws InterruptedException {
    boolean path = settings.command().contains("/");
    List<String> arguments = List.of(folder.resolve(SCRIPT).toString(), socket().toString());
    List<String> command = new ArrayList<>();
    if (!path) {
      command.add("/usr/bin/env");
    }
    command.add(settings.command());
    command.addAll(arguments);
    return new ForkServer(
        new ForkServer.Start(
            command,
            settings.directory(),
            folder.resolve("server-" + ++generation + ".log"),
            settings.config()),
        processes,
        board);
  }

  /** Of the interpreter and of rq, in words. */
  public synchronized String versions() {
    return server.versions();
  }

  @Override
  public Duration overtime() {
    return PythonJob.OVERTIME;
  }

  @Override
  public JobOutcome handle(Call call, JobContext context) throws InterruptedException {
    Path file = folder.resolve(context.claimId() + ".out");
    try (JobOutput output = new JobOutput(file, context);
        CpuBudget.Share share = cpu.tryAcquire(processors.applyAsInt(call.function()))) {
      PythonJob job =
          new PythonJob(context, processes, output, settings.grace(), share.processors());
      for (int attempt = 1; attempt <= BEGINNINGS && !job.began(); attempt++) {
        Optional<JobOutcome> outcome = job.run(supervisor(context));
        if (outcome.isPresent()) {
          return outcome.get();
        }
        if (context.stopReason().isPresent() && !job.began()) {
          throw new InterruptedException();
        }
      }
      LOG.warn("Job {}: its supervisor died; another sees to what is due.", context.jobId());
      return job.mourn(supervisor(context)).orElseGet(job::dead);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The slot's supervisor, or a new one. Waits while Python does not run. */
  private Supervisor supervisor(JobContext context) throws InterruptedException {
    String slot = context.worker();
    boolean told = false;
    while (true) {
      try {
        ForkServer current = server();
        Supervisor supervisor = supervisors.get(slot);
        if (supervisor == null
            || supervisor.server() != current
            || !supervisor.fit(settings.jobsPerSupervisor())) {
          if (supervisor != null) {
            supervisor.dismiss();
          }
          supervisor = current.fork(slot);
          supervisors.put(slot, supervisor);
        }
        return supervisor;
      } catch (PythonUnavailable e) {
        if (!told) {
          LOG.error("Job {} waits: {}", context.jobId(), e.getMessage());
          told = true;
        }
        context.pause(TRY_AGAIN);
      }
    }
  }

  /** The fork server for the next job; a new one when the last is dead, spent, too big or stale. */
  private synchronized ForkServer server() throws InterruptedException {
    String why = unfit();
    if (why != null) {
      LOG.info("A new fork server is started: {}.", why);
      ForkServer last = server;
      server = start();
      last.retire();
    }
    server.countJob();
    return server;
  }

  private @Nullable String unfit() throws InterruptedException {
    if (!server.alive()) {
      return "the last one has died";
    }
    if (server.jobs() >= settings.jobsPerServer()) {
      return "the last one has served %d jobs".formatted(settings.jobsPerServer());
    }
    if (processes.peakRss(server.pid()) > settings.serverMemoryBytes()) {
      return "the last one has grown beyond %d MiB".formatted(settings.serverMemoryBytes() >> 20);
    }
    if (settings.reload()) {
      List<String> changed = server.changedSources();
      if (!changed.isEmpty()) {
        return changed.getFirst() + " has changed";
      }
    }
    return null;
  }

  /** Ends all Python processes. No job may be running. */
  @Override
  public void close() {
    ForkServer last;
    synchronized (this) {
      last = server;
    }
    last.kill();
    try {
      board.close();
      try (var files = Files.list(folder)) {
        for (Path file : files.toList()) {
          Files.delete(file);
        }
      }
      Files.delete(folder);
    } catch (IOException e) {
      LOG.debug("{} is left", folder, e);
    }
  }
}
