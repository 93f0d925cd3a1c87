package cloud.wepp.worker.cli;

import cloud.wepp.rq.Inventory;
import cloud.wepp.rq.Inventory.WorkerSeen;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.QueueLoad;
import cloud.wepp.rq.QueueUnavailable;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.RedisCheck;
import cloud.wepp.worker.Connections;
import cloud.wepp.worker.Doctor;
import cloud.wepp.worker.StorageChecks;
import cloud.wepp.worker.Worker;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.ledger.LedgerUnavailable;
import cloud.wepp.worker.ledger.RoleCheck;
import cloud.wepp.worker.observe.Mount;
import cloud.wepp.worker.observe.Probes;
import cloud.wepp.worker.process.ProcessRunner;
import cloud.wepp.worker.python.PythonHandler;
import cloud.wepp.worker.python.PythonUnavailable;
import cloud.wepp.worker.wepp.StartCheck;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import tools.jackson.databind.json.JsonMapper;

/**
 * What is checked of a host of WEPPcloud before its first job, on one page. Takes no job; what it
 * writes to try whether that is allowed, it takes away.
 */
final class WeppcloudDoctor {
  private static final Duration LONGEST = Duration.ofSeconds(60);
  private static final Duration LONGEST_IMPORT = Duration.ofMinutes(5);
  private static final Duration CLOCKS_AGREE = Duration.ofSeconds(1);
  private static final String WORKER_CLASS = "wepppy.rq.WepppyRqWorker";
  private static final String DATABASES = "queues 9, status 2, prep 0";
  private static final Pattern OF_THIS_KIND = Pattern.compile(".*-[0-9a-f]{8}\\.\\d+");

  private final WorkerConfig config;
  private final InstantSource clock;
  private final List<Finding> findings = new CopyOnWriteArrayList<>(); // a late one may come

  WeppcloudDoctor(WorkerConfig config, InstantSource clock) {
    this.config = config;
    this.clock = clock;
  }

  private enum State {
    OK,
    WARNING,
    PROBLEM
  }

  /** One line of the page; nothing is to do when all is well. */
  private record Finding(State state, String check, String found, String todo) {}

  private void ok(String check, String found) {
    findings.add(new Finding(State.OK, check, found, ""));
  }

  private void warning(String check, String found, String todo) {
    findings.add(new Finding(State.WARNING, check, found, todo));
  }

  private void problem(String check, String found, String todo) {
    findings.add(new Finding(State.PROBLEM, check, found, todo));
  }

  private void wellOr(State bad, boolean well, String check, String found, String todo) {
    findings.add(new Finding(well ? State.OK : bad, check, found, well ? "" : todo));
  }

  /** Whether there is no problem; warnings are none. */
  boolean examine(PrintStream out, boolean json) throws InterruptedException {
    within(LONGEST, "redis", "See that redis.url and the password are right.", this::redis);
    within(
        LONGEST,
        "postgres",
        "Run docs/weppcloud/role.sql, give the role's password; without Postgres:"
            + " ledger.mode=emit.",
        this::postgres);
    try (StorageChecks storage = new StorageChecks(config, clock)) {
      for (Probes.Check one : storage.looks()) {
        within(
            config.mounts().longest(),
            one.name(),
            "See whether it is mounted and its server answers.",
            () -> mount(one));
      }
    }
    within(LONGEST, "user", "", this::user);
    try (ProcessRunner processes = ProcessRunner.start()) {
      within(
          LONGEST_IMPORT,
          "wepp",
          "Set wepp.bin-dir to the folder of the executables.",
          () -> executables("wepp", config.wepp().binDir(), State.PROBLEM, processes));
      within(
          LONGEST_IMPORT,
          "cligen",
          "Needed for cloud.wepp.cligen.… only: set cligen.bin-dir.",
          () -> executables("cligen", config.cligen().binDir(), State.WARNING, processes));
      within(
          LONGEST_IMPORT,
          "python",
          "Set python.command to an interpreter that has rq and wepppy.",
          () -> python(processes));
    }
    if (json) {
      printJson(out);
    } else {
      print(out);
    }
    return findings.stream().noneMatch(one -> one.state() == State.PROBLEM);
  }

  private interface Look {
    void look() throws IOException, InterruptedException;
  }

  /** Does not wait for what hangs: a file system that is gone must not keep the page back. */
  private void within(Duration longest, String check, String todo, Look look)
      throws InterruptedException {
    FutureTask<Boolean> task =
        new FutureTask<>(() -> {
          look.look();
          return true;
        });
    Thread.ofPlatform().daemon().name("doctor-" + check).start(task);
    try {
      task.get(longest.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      problem(check, "no answer for %d s".formatted(longest.toSeconds()), todo);
    } catch (ExecutionException e) {
      Throwable why = e.getCause();
      if (why instanceof QueueUnavailable
          || why instanceof LedgerUnavailable
          || why instanceof PythonUnavailable
          || why instanceof IOException) {
        problem(check, String.valueOf(why.getMessage()), todo);
      } else {
        throw new IllegalStateException("the check " + check, e);
      }
    }
  }

  private void redis() {
    try (RedisAccess redis = Connections.redis(config)) {
      look(redis);
      try (JobQueue jobs = Connections.queue(config, redis, clock)) {
        Doctor doctor = new Doctor(config, jobs);
        config.worker().queues().forEach(queue -> waiting(queue, doctor.look(queue)));
      }
      try (Inventory inventory = new Inventory(redis, config.redis().keyPrefix())) {
        others(inventory.read(config.worker().queues()).workers());
      }
    }
  }

  private void look(RedisAccess redis) {
    WorkerConfig.Redis to = config.redis();
    RedisCheck.Seen seen =
        RedisCheck.look(redis, to.keyPrefix(), to.statusDatabase(), to.prepDatabase());
    Map<String, String> told = seen.told();
    String databases =
        "queues %d, status %d, prep %d"
            .formatted(redis.database(), to.statusDatabase(), to.prepDatabase());
    wellOr(
        State.PROBLEM,
        databases.equals(DATABASES),
        "redis databases",
        databases,
        "WEPPcloud has %s: use --preset.".formatted(DATABASES));
    wellOr(
        State.PROBLEM,
        seen.refused().isEmpty(),
        "redis rights",
        seen.refused().isEmpty() ? "all that a worker does" : String.join("; ", seen.refused()),
        "k8s/platform/components/stores/rq-worker.acl has the rights that a worker needs.");
    memory(told);
    try (QueueLoad load = new QueueLoad(redis, to.keyPrefix())) {
      QueueLoad.Look look = load.look(List.of());
      ok(
          "redis",
          "%s, version %s, answers in %.1f ms"
              .formatted(
                  redis.address(),
                  told.getOrDefault("redis_version", "unknown"),
                  look.answered().toNanos() / 1e6));
      Duration apart = Duration.between(look.at(), clock.instant()).abs();
      wellOr(
          State.WARNING,
          apart.minus(look.answered()).compareTo(CLOCKS_AGREE) < 0,
          "clock",
          "%.3f s from that of Redis".formatted(apart.toMillis() / 1000.0),
          "Synchronize this host's clock (NTP).");
    }
  }

  private void memory(Map<String, String> told) {
    if (told.isEmpty()) {
      warning("redis memory", "it does not tell", "Look at maxmemory-policy and appendonly there.");
      return;
    }
    String policy = told.getOrDefault("maxmemory_policy", "unknown");
    boolean bounded = !told.getOrDefault("maxmemory", "0").equals("0");
    wellOr(
        bounded ? State.PROBLEM : State.WARNING,
        policy.equals("noeviction"),
        "redis memory",
        "maxmemory-policy %s%s".formatted(policy, bounded ? "" : ", without a maxmemory"),
        "CONFIG SET maxmemory-policy noeviction: another one throws jobs away.");
    boolean appends = told.getOrDefault("aof_enabled", "0").equals("1");
    boolean writes =
        told.getOrDefault("rdb_last_bgsave_status", "ok").equals("ok")
            && told.getOrDefault("aof_last_write_status", "ok").equals("ok");
    if (writes) {
      wellOr(
          State.WARNING,
          appends,
          "redis persistence",
          appends ? "appendonly yes" : "appendonly no",
          "CONFIG SET appendonly yes: without, a crash loses what came after the last snapshot.");
    } else {
      problem(
          "redis persistence",
          "its last write to disk has failed",
          "Look at Redis' log and the room on its disk.");
    }
  }

  private void waiting(String queue, Doctor.Waiting waiting) {
    String kinds =
        waiting.kinds().entrySet().stream()
            .map(kind -> kind.getValue() + " " + kind.getKey())
            .collect(Collectors.joining("; "));
    wellOr(
        State.WARNING,
        waiting.left() == 0,
        "queue " + queue,
        "%d waiting%s".formatted(waiting.count(), kinds.isEmpty() ? "" : ": " + kinds),
        "What stays needs another worker, or another routing.");
  }

  private void others(List<WorkerSeen> workers) {
    List<WorkerSeen> rqs =
        workers.stream().filter(one -> !OF_THIS_KIND.matcher(one.name()).matches()).toList();
    String found =
        "%d slots of this kind, %d workers of rq, %d of them idle"
            .formatted(
                workers.size() - rqs.size(),
                rqs.size(),
                rqs.stream().filter(one -> one.state().equals("idle")).count());
    if (config.worker().alone()) {
      wellOr(
          State.PROBLEM,
          workers.isEmpty(),
          "other workers",
          found,
          "This queue is served by one slot alone: stop the other worker first.");
    } else {
      wellOr(
          State.WARNING,
          rqs.isEmpty(),
          "other workers",
          found,
          "An idle worker of rq gets each job before this one: replace it, do not add to it.");
    }
  }

  private void postgres() {
    if (!config.ledger().writes()) {
      ok("postgres", "not used: ledger.mode is " + config.ledger().mode());
      return;
    }
    RoleCheck role = RoleCheck.look(Connections.postgres(config));
    String found =
        "%s, version %s, role %s"
            .formatted(Connections.postgres(config).address(), role.version(), role.role());
    if (!role.keepsHistory()) {
      problem(
          "postgres",
          found + ", which may not make the schema rq_worker",
          "Run docs/weppcloud/role.sql.");
    } else {
      wellOr(
          State.WARNING,
          !role.superuser() && role.otherTables() == 0,
          "postgres",
          role.superuser()
              ? found + ", a superuser"
              : "%s, which reaches %d tables of others".formatted(found, role.otherTables()),
          "Use the role of docs/weppcloud/role.sql.");
    }
  }

  private void mount(Probes.Check check) {
    Probes.Found found = check.look().get();
    wellOr(
        State.PROBLEM,
        found.well(),
        check.name(),
        found.text(),
        "See whether it is mounted, for whom, and how much room there is.");
  }

  private void user() throws IOException {
    String self = Mount.owner(Path.of("/proc/self"));
    Path runs = config.wepp().runs();
    if (!Files.isDirectory(runs)) {
      warning("user", "%s; %s is not there".formatted(self, runs), "Mount the runs' folder.");
      return;
    }
    String owner = Mount.owner(runs);
    wellOr(
        State.WARNING,
        self.equals(owner),
        "user",
        "%s; %s belongs to %s".formatted(self, runs, owner),
        "Run as the folder's owner (compose: user:), or WEPPcloud cannot change what is written.");
  }

  private void executables(String check, Path folder, State bad, ProcessRunner processes)
      throws InterruptedException {
    try {
      StartCheck seen = StartCheck.of(folder, config.wepp().scratch(), processes);
      String found = "%d executables in %s".formatted(seen.count(), folder);
      wellOr(
          bad,
          seen.count() > 0 && seen.broken().isEmpty(),
          check,
          seen.broken().isEmpty()
              ? found
              : found
                  + ", of which do not start: "
                  + seen.broken().entrySet().stream()
                      .map(one -> one.getKey() + " (" + one.getValue() + ")")
                      .collect(Collectors.joining(", ")),
          "Bring those of the wepppy image, as files and not as pointers, and libgfortran5.");
    } catch (IOException e) {
      wellOr(bad, false, check, "no folder " + folder, "Set %s.bin-dir.".formatted(check));
    }
  }

  private void python(ProcessRunner processes) {
    if (!config.python().enabled()) {
      warning("python", "python.enabled is false", "WEPPcloud's jobs need it, but for WEPP's own.");
      return;
    }
    try (PythonHandler python =
        Worker.python(config, config.servedQueues(), processes, Worker.cpu(config))) {
      String workerClass = config.python().workerClass();
      wellOr(
          State.WARNING,
          workerClass.equals(WORKER_CLASS),
          "python",
          "%s, %s".formatted(python.versions(), workerClass),
          "WEPPcloud's worker class is %s: use --preset.".formatted(WORKER_CLASS));
    }
  }

  private void print(PrintStream out) {
    for (Finding one : findings) {
      out.printf(
          "%-8s %-18s %s%s%n",
          word(one.state()),
          one.check(),
          one.found(),
          one.todo().isEmpty() ? "" : " → " + one.todo());
    }
    out.printf("%d problems, %d warnings.%n", count(State.PROBLEM), count(State.WARNING));
  }

  private void printJson(PrintStream out) {
    List<Map<String, String>> checks = new ArrayList<>();
    for (Finding one : findings) {
      Map<String, String> check = new LinkedHashMap<>();
      check.put("check", one.check());
      check.put("state", word(one.state()));
      check.put("found", one.found());
      check.put("do", one.todo());
      checks.add(check);
    }
    out.println(
        JsonMapper.builder()
            .build()
            .writeValueAsString(Map.of("problems", count(State.PROBLEM), "checks", checks)));
  }

  private long count(State state) {
    return findings.stream().filter(one -> one.state() == state).count();
  }

  private static String word(State state) {
    return state.name().toLowerCase(Locale.ROOT);
  }
}
