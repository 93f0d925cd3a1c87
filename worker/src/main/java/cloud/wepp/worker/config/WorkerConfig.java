package cloud.wepp.worker.config;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * All settings, read once at start. A setting's name is mechanical: {@code timing.resultTtl} is
 * {@code timing.result-ttl} in the file and {@code RQ_WORKER_TIMING_RESULT_TTL} in the environment.
 */
public record WorkerConfig(
    Redis redis,
    Postgres postgres,
    Slots worker,
    Routing routing,
    Python python,
    Limits limits,
    Timing timing,
    Recovery recovery,
    Ledger ledger,
    Wepp wepp,
    Cligen cligen,
    Mounts mounts,
    Geodata geodata,
    Observe observe,
    Log log,
    Loki loki,
    Kubernetes kubernetes) {

  public record Redis(
      @Setting(
              value = "redis://localhost:6379/0",
              is =
                  "where rq's queues are: redis://HOST:PORT/DATABASE, or"
                      + " redis-sentinel://HOST:PORT,HOST:PORT/DATABASE#MASTER; with rediss for"
                      + " TLS",
              aliases = {"RQ_REDIS_URL", "REDIS_URL"},
              matches = "rediss?://.+|rediss?-sentinel://.+(#|sentinelMasterId=).+")
          String url,
      @Setting(is = "the database of rq's queues, in place of the one in the URL", min = 0)
          Optional<Integer> database,
      @Setting(is = "its password, in place of one in the URL", aliases = "REDIS_PASSWORD")
          Optional<Secret> password,
      @Setting(
              is = "the sentinels' own password, if they ask for one",
              aliases = "REDIS_SENTINEL_PASSWORD")
          Optional<Secret> sentinelPassword,
      @Setting(
              is =
                  "for TLS: a PEM file of the authorities to trust; those of Java and of Python if"
                      + " not set")
          Optional<Path> authorities,
      @Setting(is = "for TLS: a PEM file of this worker's own certificate, if Redis asks for one")
          Optional<Path> certificate,
      @Setting(is = "the PEM file of its key, which is not encrypted") Optional<Path> key,
      @Setting(
              value = "rq",
              is = "the beginning of every key, as in rq 3.0",
              aliases = "RQ_KEY_PREFIX",
              matches = "[A-Za-z0-9_.:{}-]+")
          String keyPrefix,
      @Setting(value = "2", is = "the database of WEPPcloud's status channels", min = 0)
          int statusDatabase,
      @Setting(value = "0", is = "the database of WEPPcloud's RedisPrep hashes", min = 0)
          int prepDatabase,
      @Setting(
              value = "0s",
              is = "how long to wait at start for a Redis that does not answer",
              aliases = "RQ_REDIS_WAIT_TIMEOUT_SECONDS",
              min = 0)
          Duration startWait,
      @Setting(
              value = "5s",
              is = "how long an answer may take until the connection is given up and opened anew",
              min = 100)
          Duration timeout) {

    private List<String> contradictions() {
      List<String> found = new ArrayList<>();
      if (certificate.isPresent() != key.isPresent()) {
        found.add("redis.certificate and redis.key: each needs the other.");
      }
      boolean tls = url.startsWith("rediss");
      Map<String, Optional<Path>> files =
          Map.of("authorities", authorities, "certificate", certificate, "key", key);
      new TreeMap<>(files)
          .forEach((name, file) ->
              file.map(path -> tls ? unreadable(path) : "which is for rediss:// only")
                  .ifPresent(problem ->
                      found.add("redis.%s is %s, %s.".formatted(name, file.get(), problem))));
      return found;
    }

    private static @Nullable String unreadable(Path file) {
      return Files.isReadable(file) && !Files.isDirectory(file) ? null : "which cannot be read";
    }

    /** Without the password that the URL may hold. */
    @Override
    public String toString() {
      return "Redis[url=%s, database=%s, password=%s, sentinelPassword=%s, authorities=%s, certificate=%s, key=%s, keyPrefix=%s, statusDatabase=%d, prepDatabase=%d, startWait=%s, timeout=%s]"
          .formatted(
              Secret.hiddenIn(url),
              database,
              password,
              sentinelPassword,
              authorities,
              certificate,
              key,
              keyPrefix,
              statusDatabase,
              prepDatabase,
              startWait,
              timeout);
    }
  }

  public record Postgres(
      @Setting(
              value = "postgresql://localhost:5432/wepppy",
              is = "where the history goes",
              aliases = {"SQLALCHEMY_DATABASE_URI", "DATABASE_URL"},
              matches = "(jdbc:)?postgres(ql)?(\\+\\w+)?://.+")
          String url,
      @Setting(is = "its user, in place of one in the URL", aliases = "POSTGRES_USER")
          Optional<String> user,
      @Setting(is = "its password, in place of one in the URL", aliases = "POSTGRES_PASSWORD")
          Optional<Secret> password,
      @Setting(
              value = "0s",
              is = "how long to wait at start for a Postgres that does not answer",
              min = 0)
          Duration startWait) {

    /** Without the password that the URL may hold. */
    @Override
    public String toString() {
      return "Postgres[url=%s, user=%s, password=%s, startWait=%s]"
          .formatted(Secret.hiddenIn(url), user, password, startWait);
    }
  }

  public record Slots(
      @Setting(value = "4", is = "jobs run at once; each slot is one rq worker", min = 1) int slots,
      @Setting(
              value = "default",
              is = "the queues to serve, best first, with commas between them",
              matches = "[^,\\s]+(\\s*,\\s*[^,\\s]+)*")
          List<String> queues,
      @Setting(
              is = "how the rq workers' names begin; the host's name if not set",
              aliases = "HOSTNAME",
              matches = "[A-Za-z0-9_.-]+")
          Optional<String> name,
      @Setting(
              is = "processors that all jobs share; those of the machine or cgroup if not set",
              min = 1)
          Optional<Integer> cpu,
      @Setting(
              is = "the most of them that one job may use; all if not set",
              aliases = "WEPPPY_NCPU",
              min = 1)
          Optional<Integer> jobCpu,
      @Setting(
              value = "false",
              is =
                  "whether one job at a time is run of these queues: the start is refused with more"
                      + " slots than one, or while another worker, of rq or of this kind, serves"
                      + " one of them")
          boolean alone) {}

  /** In a pattern of functions, {@code *} stands for any characters. */
  public record Routing(
      @Setting(
              is =
                  "queues from which only jobs are taken that this worker runs without Python; the"
                      + " rest stay in place")
          List<String> nativeQueues,
      @Setting(is = "patterns of functions that Python runs although this worker could")
          List<String> toPython,
      @Setting(is = "patterns of functions that this worker leaves in their queue")
          List<String> refuse,
      @Setting(
              value = "ordered",
              is =
                  "which queue is looked at first: always the first one named, each in turn"
                      + " (round_robin), or by chance (random)",
              matches = "ordered|round_robin|random")
          String strategy,
      @Setting(
              is = "the most slots for a queue, as `batch:2`; several with commas between them",
              matches = "([^,]+:\\d{1,4}(,|$))*")
          List<String> queueSlots,
      @Setting(
              is =
                  "the most slots for the functions of a pattern, as `*.run_watershed_rq:2`, so"
                      + " that long jobs leave some to short ones",
              matches = "([^,]+:\\d{1,4}(,|$))*")
          List<String> functionSlots) {}

  public record Python(
      @Setting(
              value = "true",
              is =
                  "whether Python functions are run; without, only `routing.native-queues` are"
                      + " served")
          boolean enabled,
      @Setting(
              value = "python3",
              is = "the interpreter, which has rq and the functions; a path, or a name on PATH")
          String command,
      @Setting(
              is =
                  "the working directory, in which functions are looked for first; the worker's own"
                      + " if not set")
          Optional<Path> directory,
      @Setting(is = "modules to import once, before jobs are forked") List<String> preload,
      @Setting(value = "rq.worker.Worker", is = "rq's worker class") String workerClass,
      @Setting(is = "rq's job class; rq's own if not set") Optional<String> jobClass,
      @Setting(is = "rq's queue class; rq's own if not set") Optional<String> queueClass,
      @Setting(is = "rq's serializer; pickle if not set") Optional<String> serializer,
      @Setting(
              value = "1000",
              is = "jobs after which the process that runs a slot's jobs is replaced",
              min = 1)
          int jobsPerSupervisor,
      @Setting(
              value = "100000",
              is = "jobs after which the process that holds the imported modules is replaced",
              min = 1)
          int jobsPerServer,
      @Setting(value = "4096", is = "its memory in MiB beyond which it is replaced sooner", min = 1)
          int serverMemory,
      @Setting(
              value = "false",
              is =
                  "for development: whether it is replaced when a module's source has changed; each"
                      + " job then has a process of its own to run it")
          boolean reload) {}

  /**
   * What jobs may use. Of the patterns of functions the first that matches counts; in a job's
   * {@code meta} {@code rq_worker_memory_mb}, {@code rq_worker_cpu_seconds}, {@code
   * rq_worker_open_files} and {@code rq_worker_file_mb} ask for other bounds.
   */
  public record Limits(
      @Setting(
              is =
                  "the most memory in MiB for each model of a function, and for a Python job, as"
                      + " `*.run_watershed_rq:4096`, or `…:4096-8192` if a job's meta, or another"
                      + " try, may raise it so far; several with commas between them",
              matches = BOUNDS)
          List<String> memory,
      @Setting(is = "the same of processor time in seconds", matches = BOUNDS) List<String> cpuTime,
      @Setting(is = "the same of open files", matches = BOUNDS) List<String> openFiles,
      @Setting(is = "the same of the size of one file in MiB", matches = BOUNDS)
          List<String> fileSize,
      @Setting(
              value = "0",
              is =
                  "how often a model that was ended because of its memory is tried again with more",
              min = 0)
          int memoryRetries,
      @Setting(
              value = "1.5",
              is = "by how much its limit grows then",
              matches = "[1-9]\\d?(\\.\\d{1,2})?")
          String memoryFactor,
      @Setting(
              is =
                  "memory in MiB that a job of a function takes, as `*.run_watershed_rq:3000`,"
                      + " where the history does not tell. A job waits in its queue while there is"
                      + " not so much",
              matches = NUMBERS)
          List<String> functionMemory,
      @Setting(
              is = "memory in MiB for all jobs and the worker; that of the cgroup if not set",
              min = 1)
          Optional<Integer> podMemory,
      @Setting(
              value = "512",
              is = "of it in MiB not for jobs: the worker's own, and what Python has imported",
              min = 0)
          int keepFree,
      @Setting(
              is =
                  "the processors that a Python job of a function takes while it runs, as"
                      + " `*.big:4`; otherwise 1. One is always left to models",
              matches = NUMBERS)
          List<String> pythonCpu,
      @Setting(
              is = "the most models that write below a folder at once, as `/wc1:8`",
              matches = "(/[^,]*:\\d{1,9}(,|$))*")
          List<String> mount) {

    static final String NUMBERS = "([^,]+:\\d{1,9}(,|$))*";
    static final String BOUNDS = "([^,]+:\\d{1,9}(-\\d{1,9})?(,|$))*";
  }

  public record Timing(
      @Setting(value = "5s", is = "between two heartbeats", min = 100) Duration heartbeat,
      @Setting(
              value = "20s",
              is = "how long a claim holds without a heartbeat before others may take the job over",
              min = 1000)
          Duration lease,
      @Setting(
              value = "90s",
              is = "how long before rq itself calls a job without heartbeat abandoned",
              min = 1000)
          Duration wip,
      @Setting(value = "5s", is = "between TERM and KILL to a job's processes", min = 0)
          Duration grace,
      @Setting(
              value = "30s",
              is = "how long running jobs may go on after the worker was told to stop",
              min = 0)
          Duration drain,
      @Setting(
              value = "7d",
              is = "how long the result of a job that names no result_ttl is kept",
              min = 0)
          Duration resultTtl,
      @Setting(
              value = "365d",
              is = "how long a failed job that names no failure_ttl is kept",
              min = 0)
          Duration failureTtl,
      @Setting(value = "1s", is = "between two looks for scheduled jobs that are due", min = 100)
          Duration scheduler,
      @Setting(
              value = "10s",
              is = "between two clearings of what dead workers and expired jobs left",
              min = 100)
          Duration maintenance,
      @Setting(
              value = "60s",
              is =
                  "how long what another worker may have lost is left alone: an id that was taken"
                      + " and not started, and every job after a start or an outage of Redis",
              min = 0)
          Duration patience,
      @Setting(value = "2s", is = "between two looks for jobs of workers that are gone", min = 50)
          Duration reclaim,
      @Setting(
              value = "30s",
              is =
                  "how long after its start, or an outage of Redis, a worker leaves the jobs of"
                      + " others alone: they must have had time to be heard of again",
              min = 0)
          Duration calm,
      @Setting(
              is =
                  "how long the platform waits between TERM and KILL (in Kubernetes"
                      + " terminationGracePeriodSeconds); if set, the start fails unless a drain"
                      + " fits in",
              min = 0)
          Optional<Duration> terminationGrace) {

    /** For the last words to Redis and Postgres. */
    static final Duration RESERVE = Duration.ofSeconds(10);

    /** The most that a worker takes to leave, if no function of {@code recovery.finish} runs. */
    public Duration leaving() {
      return drain.plus(grace).plus(RESERVE);
    }
  }

  /**
   * What becomes of a job whose worker dies, or has to leave before the job has ended. Patterns of
   * functions; {@code *} stands for any characters.
   */
  public record Recovery(
      @Setting(
              is =
                  "Python functions that may be begun again: such a job goes back to the front of"
                      + " its queue. Others fail, or use up a retry, once they had begun")
          List<String> again,
      @Setting(is = "functions that are never begun again, though this worker runs them itself")
          List<String> once,
      @Setting(is = "functions that a leaving worker lets end, however long they take")
          List<String> finish,
      @Setting(
              value = "3",
              is = "deaths of workers that ran a job after which it fails and is not run again",
              min = 1)
          int crashes) {}

  public record Ledger(
      @Setting(
              value = "write",
              is =
                  "whether this worker carries events to Postgres (write), leaves that to others"
                      + " and does without Postgres (emit), or nobody wants them (off)",
              matches = "write|emit|off")
          String mode,
      @Setting(
              value = "1000000",
              is = "events that may wait in Redis for Postgres; a warning comes at 80 %",
              min = 1)
          int maxEvents,
      @Setting(
              value = "stop",
              is =
                  "what happens when so many wait: no new job is taken (stop), or the oldest events"
                      + " are dropped and counted (drop)",
              matches = "stop|drop")
          String full,
      @Setting(
              value = "60s",
              is =
                  "how long events that a worker has read may lie before another one, which takes"
                      + " it for dead, writes them",
              min = 100)
          Duration takeover,
      @Setting(
              value = "730d",
              is = "how long Postgres keeps jobs and their executions, the latter by whole months",
              min = 86_400_000)
          Duration retention,
      @Setting(
              value = "90d",
              is =
                  "how long it keeps the single events, by whole months, and with them what"
                      + " `rq-worker reconcile` makes a lost job from",
              min = 86_400_000)
          Duration eventRetention) {

    /** Whether this worker carries events to Postgres. */
    public boolean writes() {
      return mode.equals("write");
    }

    /** How many events may wait before no new job is taken. */
    public long stopAt() {
      return full.equals("stop") && !mode.equals("off") ? maxEvents : Long.MAX_VALUE;
    }
  }

  public record Wepp(
      @Setting(
              value = "/opt/wepp/bin",
              is = "the folder of the WEPP executables",
              aliases = "WEPP_BIN_DIR")
          Path binDir,
      @Setting(value = "/wc1/runs", is = "the folder of WEPPcloud's runs") Path runs,
      @Setting(value = "/geodata/weppcloud_runs", is = "the folder of older runs") Path legacyRuns,
      @Setting(value = "/wc1/batch", is = "the folder of batch runs", aliases = "BATCH_RUNNER_ROOT")
          Path batch,
      @Setting(
              value = "/wc1/culverts",
              is = "the folder of culvert runs",
              aliases = "CULVERTS_ROOT")
          Path culverts,
      @Setting(
              is = "the folder of profile;;tmp runs; refused if not set",
              aliases = "PROFILE_PLAYBACK_RUN_ROOT")
          Optional<Path> profileTmp,
      @Setting(
              is = "the folder of profile;;fork runs; refused if not set",
              aliases = "PROFILE_PLAYBACK_FORK_ROOT")
          Optional<Path> profileFork,
      @Setting(
              is = "the folder of profile;;archive runs; refused if not set",
              aliases = "PROFILE_PLAYBACK_ARCHIVE_ROOT")
          Optional<Path> profileArchive,
      @Setting(
              value = "60s",
              is = "for one attempt at a hillslope that is a job of its own",
              min = 1)
          Duration hillslopeTimeout,
      @Setting(value = "120s", is = "for one attempt at a hillslope of a whole run", min = 1)
          Duration runTimeout,
      @Setting(
              value = "300s",
              is = "the same where hillslopes have several overland flow elements",
              min = 1)
          Duration multiOfeTimeout,
      @Setting(value = "3", is = "attempts after a hillslope's first one timed out", min = 0)
          int timeoutRetries,
      @Setting(
              value = "30s",
              is = "how long to wait for input files that are late on NFS",
              aliases = "WEPP_RUNNER_HILLSLOPE_INPUT_WAIT_S",
              min = 0)
          Duration inputWait,
      @Setting(
              value = "warn",
              is =
                  "what becomes of a run that WEPPcloud accepts but that is doubtful (NaN, a"
                      + " climate or a management that is too short, fewer years than asked): fail,"
                      + " or warn; off looks at WEPP's last line alone",
              matches = "fail|warn|off")
          String verify,
      @Setting(
              value = "110",
              is =
                  "the most characters of a file name that the executables read; 50 for those of"
                      + " gfortran",
              min = 1)
          int longestName,
      @Setting(
              value = "auto",
              is =
                  "whether a model writes to scratch first, and its outputs are moved when they are"
                      + " good: local, off (it writes into the run folder), or auto (local on NFS)",
              matches = "auto|local|off")
          String staging,
      @Setting(value = "/tmp", is = "the folder on this host for staged and temporary files")
          Path scratch,
      @Setting(
              value = "3",
              is = "attempts at a model after the storage failed in its first one",
              min = 0)
          int storageRetries,
      @Setting(
              value = "true",
              is =
                  "keep the checksums of executable, inputs and outputs of each good run beside it;"
                      + " a run that was cut off skips what is done already")
          boolean provenance,
      @Setting(
              value = "meta",
              is =
                  "where it is told how far a job is: in the job's meta (meta), also as a line on"
                      + " the run's status channel (channel), or nowhere (off)",
              matches = "meta|channel|off")
          String progress,
      @Setting(value = "5s", is = "the least time between two such words of a job", min = 100)
          Duration progressEvery,
      @Setting(
              value = "10m",
              is =
                  "how long a model may use no processor time, read, write and print nothing until"
                      + " it is called stalled; 0s for ever",
              min = 0)
          Duration stallAfter,
      @Setting(
              value = "tell",
              is = "what becomes of it then: it is told (tell), or also ended (kill)",
              matches = "tell|kill")
          String stall,
      @Setting(
              value = "180s",
              is =
                  "how long a model may wait for the kernel (state D) until its log says so, three"
                      + " times at most",
              aliases = "WEPP_RUNNER_DSTATE_WATCHDOG_THRESHOLD_S",
              min = 1000)
          Duration dstateAfter) {}

  public record Cligen(
      @Setting(
              value = "/opt/cligen/bin",
              is = "the folder of the CLIGEN executables, `cligen532` and others",
              aliases = "CLIGEN_BIN_DIR")
          Path binDir,
      @Setting(
              value = "/geodata",
              is = "the folder of shared data: a job's station file is below it, or in the run")
          Path geodata,
      @Setting(value = "5s", is = "for a climate of several years", min = 1)
          Duration multipleYearTimeout,
      @Setting(value = "20s", is = "for one attempt at an observed climate", min = 1)
          Duration observedTimeout,
      @Setting(value = "3", is = "attempts after its first one timed out", min = 0)
          int observedRetries,
      @Setting(value = "50s", is = "for a climate of a modified station", min = 1)
          Duration modifiedParTimeout,
      @Setting(value = "3s", is = "for a single storm", min = 1) Duration singleStormTimeout,
      @Setting(
              value = "warn",
              is =
                  "what becomes of a climate that WEPPcloud accepts but that is doubtful (days"
                      + " missing in what was observed, CLIGEN's own complaints): fail, or warn",
              matches = "fail|warn")
          String verify) {}

  /** Folders that are looked at while the worker runs: it is ready while they are well. */
  public record Mounts(
      @Setting(
              is =
                  "the folders, with `:rw` where jobs write, as `/wc1:rw,/geodata:ro`; or off. If"
                      + " not set, these two, where they are there",
              matches = "off|/[^,:]*(:r[ow])?(\\s*,\\s*/[^,:]*(:r[ow])?)*")
          Optional<List<String>> folders,
      @Setting(value = "30s", is = "between two looks", min = 100) Duration every,
      @Setting(
              value = "15s",
              is = "how long a look may take until the worker is not ready",
              min = 100)
          Duration longest,
      @Setting(
              is =
                  "`uid:gid` of what is written there, as `1002:130`; the worker is not ready if it"
                      + " is another's",
              matches = "\\d+:\\d+")
          Optional<String> owner,
      @Setting(value = "100", is = "MiB that must be left where jobs write", min = 0)
          int minFree) {}

  public record Geodata(
      @Setting(
              is =
                  "a manifest of files that jobs need, made by `rq-worker geodata manifest`; the"
                      + " worker is not ready until they are there, with the right sizes")
          Optional<Path> manifest) {}

  public record Observe(
      @Setting(
              value = "9090",
              is =
                  "the port of `/metrics`, `/started`, `/ready` and `/live`; 0 for any that is"
                      + " free, or off",
              matches = "off|\\d{1,5}")
          String port,
      @Setting(value = "10s", is = "between two looks at the queues for the metrics", min = 100)
          Duration every) {

    /** Empty when there is to be none. */
    public OptionalInt openPort() {
      return port.equals("off") ? OptionalInt.empty() : OptionalInt.of(Integer.parseInt(port));
    }
  }

  public record Log(
      @Setting(
              value = "text",
              is =
                  "how `rq-worker run` logs: lines for people on standard error (text), or one JSON"
                      + " object a line on standard output (json)",
              matches = "text|json")
          String format,
      @Setting(
              value = "info",
              is =
                  "from which weight on a line is logged; `info` has one for each job's end,"
                      + " `debug` also one for its start",
              matches = "debug|info|warn|error")
          String level) {}

  public record Loki(
      @Setting(
              is =
                  "Grafana Loki, to which log lines are sent as well, for example http://loki:3100",
              matches = "https?://.+")
          Optional<String> url,
      @Setting(is = "its user") Optional<String> user,
      @Setting(is = "its password") Optional<Secret> password,
      @Setting(is = "its tenant") Optional<String> tenant,
      @Setting(
              value = "2s",
              is = "how long a leaving worker waits for the last lines to be sent",
              min = 0)
          Duration drain) {

    /** Without the password that the URL may hold. */
    @Override
    public String toString() {
      return "Loki[url=%s, user=%s, password=%s, tenant=%s, drain=%s]"
          .formatted(url.map(Secret::hiddenIn), user, password, tenant, drain);
    }
  }

  public record Kubernetes(
      @Setting(
              value = "true",
              is =
                  "whether a pod that runs long jobs raises its deletion cost, so that fewer pods"
                      + " are made by ending idle ones; only where the account below is")
          boolean deletionCost,
      @Setting(
              value = "30s",
              is =
                  "how often it may change, which Kubernetes asks to be seldom; younger jobs cost"
                      + " nothing",
              min = 1)
          Duration deletionCostEvery,
      @Setting(value = "https://kubernetes.default.svc", is = "its API", matches = "https?://.+")
          String api,
      @Setting(
              value = "/var/run/secrets/kubernetes.io/serviceaccount",
              is = "the folder of the service account: `token`, `namespace` and `ca.crt`")
          Path account,
      @Setting(is = "this pod's name; the host's name if not set", aliases = "POD_NAME")
          Optional<String> pod) {}

  /** What no single setting can tell. */
  List<String> contradictions() {
    List<String> found = redis.contradictions();
    if (timing.lease().compareTo(timing.heartbeat().multipliedBy(2)) < 0) {
      found.add(
          "timing.lease is %s and timing.heartbeat %s: a lease must last two heartbeats or more."
              .formatted(timing.lease(), timing.heartbeat()));
    }
    if (timing.wip().compareTo(timing.lease()) <= 0) {
      found.add(
          "timing.wip is %s and timing.lease %s: rq must wait longer than this worker's own lease."
              .formatted(timing.wip(), timing.lease()));
    }
    timing
        .terminationGrace()
        .filter(grace -> grace.compareTo(timing.leaving()) < 0)
        .ifPresent(grace ->
            found.add(
                "timing.termination-grace is %s, and leaving takes up to %s (timing.drain, timing.grace and %s to say so to Redis): the worker would be killed before it has given its jobs back."
                    .formatted(grace, timing.leaving(), Timing.RESERVE)));
    if (worker.alone() && worker.slots() != 1) {
      found.add(
          "worker.alone is true and worker.slots %d: one job at a time is run in one slot."
              .formatted(worker.slots()));
    }
    if (observe.openPort().orElse(0) > 65_535) {
      found.add("observe.port is %s: a port is 65535 at most.".formatted(observe.port()));
    }
    if (!python.enabled() && servedQueues().isEmpty()) {
      found.add(
          "python.enabled is false and routing.native-queues names none of worker.queues (%s): there"
                  .formatted(String.join(", ", worker.queues()))
              + " is nothing to serve.");
    }
    return found;
  }

  /** The queues that are read: without Python only those from which only native jobs are taken. */
  public List<String> servedQueues() {
    return worker.queues().stream()
        .filter(queue -> python.enabled() || routing.nativeQueues().contains(queue))
        .toList();
  }
}
