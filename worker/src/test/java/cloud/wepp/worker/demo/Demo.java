package cloud.wepp.worker.demo;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.Claim;
import cloud.wepp.rq.Event;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.JobQueue.Settled;
import cloud.wepp.rq.MalformedJob;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.ResultCodec;
import cloud.wepp.rq.Settlement;
import cloud.wepp.rq.pickle.PyRepr;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.Worker;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.job.JobListener;
import cloud.wepp.worker.ledger.History;
import cloud.wepp.worker.ledger.LedgerStore;
import cloud.wepp.worker.ledger.PostgresAccess;
import cloud.wepp.worker.testing.PostgresServer;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Does the worker's main job in front of the user: real servers of its own, a small watershed, rq
 * jobs from enqueue to history.
 */
@Command(
    name = "rq-worker demo",
    mixinStandardHelpOptions = true,
    description =
        "Starts a Redis and a Postgres of its own, runs WEPP on a small made-up watershed through"
            + " rq jobs, and prints what happened.")
public final class Demo implements Callable<Integer> {
  private static final String RUN = "sample";
  private static final Duration LONGEST = Duration.ofMinutes(10);

  @Option(
      names = "--wepp-bin",
      paramLabel = "FOLDER",
      defaultValue = "${env:WEPP_BIN_DIR}",
      description = "a folder with the real WEPP executable, named wepp; default: WEPP_BIN_DIR")
  private @Nullable Path weppBin;

  @Option(
      names = "--data",
      paramLabel = "FOLDER",
      defaultValue = ".rq-worker/demo",
      description = "where the servers and the run keep their files; default: ${DEFAULT-VALUE}")
  private Path data = Path.of("");

  private final Map<String, Watched> watched = new ConcurrentHashMap<>();

  private Demo() {}

  /** One job of the demo, and its end as the history has it. */
  private static final class Watched {
    final CountDownLatch recorded = new CountDownLatch(1);
    volatile @Nullable Event end;
  }

  public static void main(String[] args) {
    System.exit(new CommandLine(new Demo()).execute(args));
  }

  @Override
  public Integer call() throws Exception {
    Path folder = Files.createDirectories(data).toRealPath();
    Path bin = executables(folder);
    Path run = folder.resolve("runs/sa").resolve(RUN);
    SampleWatershed.layOut(run);
    try (RedisServer redis = RedisServer.start(folder.resolve("redis"));
        PostgresServer postgres = PostgresServer.start(folder.resolve("postgres"))) {
      WorkerConfig config =
          ConfigReader.read(
                  null,
                  Map.of(),
                  List.of(
                      "redis.url=" + redis.url(),
                      "postgres.url=" + postgres.url(),
                      "worker.name=demo",
                      "python.enabled=false",
                      "observe.port=off",
                      "routing.native-queues=default",
                      "worker.slots=2",
                      "wepp.bin-dir=" + bin,
                      "cligen.bin-dir=" + bin,
                      "wepp.runs=" + folder.resolve("runs")))
              .config();
      say("Redis " + redis.url() + ", Postgres " + postgres.url().replaceAll("\\?.*", ""));
      say("Run folder " + run);
      InstantSource clock = InstantSource.system();
      try (RedisAccess access = new RedisAccess(redis.url(), null, RedisAccess.USUAL_TIMEOUT);
          JobQueue jobs = queue(config, access, clock);
          Worker _ = Worker.start(config, Map.of(), List.of(new Progress()), clock)) {
        List<String> ids = run(jobs);
        table(ids);
      }
      say("The history in Postgres:");
      try (LedgerStore store = new LedgerStore(new PostgresAccess(postgres.url(), null, null))) {
        new History(store).print(System.out, RUN, null, 10);
      }
    }
    boolean good = watched.values().stream().allMatch(job -> event(job).equals("finished"));
    say(
        good
            ? "All jobs finished. The model's output is in " + run.resolve("wepp/output")
            : "A job did not finish; see above, and the .err files in " + run.resolve("wepp/runs"));
    return good ? 0 : 1;
  }

  private Path executables(Path folder) throws IOException {
    if (weppBin != null && !weppBin.toString().isEmpty()) {
      Path real = weppBin.toAbsolutePath().normalize();
      if (!Files.isExecutable(real.resolve("wepp"))) {
        throw new CommandLine.ParameterException(
            new CommandLine(this), "there is no executable " + real.resolve("wepp"));
      }
      say("WEPP executables: " + real);
      return real;
    }
    say("No WEPP executable was named: a stand-in model runs instead, which computes no erosion.");
    say(
        "For the real one: ./rq-worker demo --wepp-bin FOLDER, a folder with an executable"
            + " `wepp`.");
    return StandIn.install(folder.resolve("stand-in"));
  }

  private static JobQueue queue(WorkerConfig config, RedisAccess access, InstantSource clock) {
    return new JobQueue(
        access,
        config.redis().keyPrefix(),
        new JobQueue.QueueTiming(config.timing().lease(), config.timing().wip(), Long.MAX_VALUE),
        clock);
  }

  /** Hillslopes one by one, then all of the run at once, then what drains from them. */
  private List<String> run(JobQueue jobs) throws InterruptedException {
    List<String> ids = new ArrayList<>();
    for (int id = 1; id <= SampleWatershed.HILLSLOPES; id++) {
      ids.add(enqueue(jobs, "run_hillslope_rq", PyValue.of(RUN), PyValue.of(id)));
    }
    await(ids);
    ids.add(enqueue(jobs, "_run_hillslopes_rq", PyValue.of(RUN)));
    await(ids);
    ids.add(enqueue(jobs, "run_watershed_rq", PyValue.of(RUN)));
    await(ids);
    return ids;
  }

  private String enqueue(JobQueue jobs, String function, PyValue... args) {
    Call call = new Call("wepppy.rq.wepp_rq." + function, List.of(args), Map.of());
    String shown =
        function
            + List.of(args).stream().map(PyRepr::of).collect(Collectors.joining(", ", "(", ")"));
    String id = jobs.enqueue("default", call.write(), shown, Duration.ofMinutes(5));
    watch(id);
    return id;
  }

  private Watched watch(String id) {
    return watched.computeIfAbsent(id, _ -> new Watched());
  }

  private void await(List<String> ids) throws InterruptedException {
    for (String id : ids) {
      if (!watch(id).recorded.await(LONGEST.toSeconds(), TimeUnit.SECONDS)) {
        throw new IllegalStateException("job " + id + " did not end in " + LONGEST);
      }
    }
  }

  /** Tells the user, and remembers the ends that have reached Postgres. */
  private final class Progress implements JobListener {
    @Override
    public void started(Claim claim) {
      Duration up =
          Duration.ofMillis(
              claim.startedAt().toEpochMilli()
                  - ManagementFactory.getRuntimeMXBean().getStartTime());
      say(
          "started   %s  (%.1f s after the start)"
              .formatted(claim.job().text("description"), up.toMillis() / 1000.0));
    }

    @Override
    public void settled(Claim claim, Settlement settlement, Settled settled) {
      String how = settlement instanceof Settlement.Finish ? "finished  " : "failed    ";
      say(how + claim.job().text("description"));
      if (settlement instanceof Settlement.Fail fail) {
        try {
          say(ResultCodec.traceback(fail.excString()));
        } catch (MalformedJob e) {
          throw new IllegalStateException(e);
        }
      }
    }

    @Override
    public void recorded(List<Event> events) {
      for (Event event : events) {
        if (!event.text("event").equals("started")) {
          Watched job = watch(event.text("job"));
          job.end = event;
          job.recorded.countDown();
        }
      }
    }
  }

  private void table(List<String> ids) {
    say("");
    String row = "%-36s  %-18s  %-8s  %7s  %8s  %6s";
    say(row.formatted("job", "function", "status", "seconds", "peak RSS", "CPU"));
    for (String id : ids) {
      Event end = watch(id).end;
      if (end != null) {
        JsonNode detail = JsonMapper.builder().build().readTree(end.text("detail"));
        say(
            String.format(
                Locale.ROOT,
                row,
                id,
                end.text("function").replaceAll(".*\\.", ""),
                end.text("event"),
                "%.2f".formatted(detail.path("wall_s").asDouble()),
                "%.1f MB".formatted(detail.path("peak_rss").asDouble() / 1e6),
                "%.2f s"
                    .formatted(
                        detail.path("user_s").asDouble() + detail.path("system_s").asDouble())));
      }
    }
    say("");
  }

  private static String event(Watched job) {
    Event end = job.end;
    return end == null ? "" : end.text("event");
  }

  private static void say(String text) {
    System.out.println(text);
  }
}
