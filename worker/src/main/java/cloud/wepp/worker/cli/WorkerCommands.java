package cloud.wepp.worker.cli;

import cloud.wepp.rq.Inventory;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.worker.Connections;
import cloud.wepp.worker.Doctor;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.InvalidConfig;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.observe.Probes;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.Proxy;
import java.net.URI;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** About workers and queues: how they are, and whether they go on. */
final class WorkerCommands {
  private WorkerCommands() {}

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
      try (RedisAccess redis = Connections.redis(config);
          JobQueue jobs = Connections.queue(config, redis, InstantSource.system())) {
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
      try (RedisAccess redis = Connections.redis(config);
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
      String leaving = name == null ? Connections.name(config) : name;
      try (RedisAccess redis = Connections.redis(config);
          JobQueue jobs = Connections.queue(config, redis, InstantSource.system())) {
        List<String> told = jobs.shutdown(leaving);
        told.forEach(System.out::println);
        if (told.isEmpty()) {
          System.err.println("rq-worker: no worker is named " + leaving + " or begins with it.");
        }
        return told.isEmpty() ? 1 : 0;
      }
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
      try (RedisAccess redis = Connections.redis(config);
          JobQueue jobs = Connections.queue(config, redis, InstantSource.system())) {
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
