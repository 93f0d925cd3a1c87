package cloud.wepp.worker.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Where settings come from, what they may be, and what is said of those that may not. */
class ConfigReaderTest {
  @TempDir Path folder;

  private Path file(String text) throws IOException {
    return Files.writeString(folder.resolve("worker.yaml"), text);
  }

  private Path secretFile(String text) throws IOException {
    return Files.writeString(folder.resolve("secret"), text);
  }

  private static WorkerConfig read(Map<String, String> environment, String... sets)
      throws InvalidConfig {
    return ConfigReader.read(null, environment, List.of(sets)).config();
  }

  private static String refused(
      @Nullable Path file, Map<String, String> environment, String... sets) {
    InvalidConfig invalid =
        catchThrowableOfType(
            InvalidConfig.class, () -> ConfigReader.read(file, environment, List.of(sets)));
    assertThat(invalid).as("what is said").isNotNull();
    return String.valueOf(invalid.getMessage());
  }

  private static String refused(Map<String, String> environment, String... sets) {
    return refused(null, environment, sets);
  }

  @Nested
  class Sources {
    @Test
    void withoutAnySourceTheDefaultsHold() throws Exception {
      ConfigReader.Read read = ConfigReader.read(null, Map.of(), List.of());
      WorkerConfig config = read.config();
      assertThat(read.warnings()).isEmpty();
      assertThat(config.redis().url()).isEqualTo("redis://localhost:6379/0");
      assertThat(config.redis().password()).isEmpty();
      assertThat(config.redis().keyPrefix()).isEqualTo("rq");
      assertThat(config.worker().slots()).isEqualTo(4);
      assertThat(config.worker().queues()).containsExactly("default");
      assertThat(config.worker().cpu()).isEmpty();
      assertThat(config.timing().lease()).isEqualTo(Duration.ofSeconds(20));
      assertThat(config.timing().wip()).isEqualTo(Duration.ofSeconds(90));
      assertThat(config.timing().resultTtl()).isEqualTo(Duration.ofDays(7));
      assertThat(config.wepp().binDir()).isEqualTo(Path.of("/opt/wepp/bin"));
      assertThat(config.wepp().profileTmp()).isEmpty();
    }

    @Test
    void theFileWinsOverDefaults() throws Exception {
      Path file =
          file(
              """
              worker:
                slots: 7
                queues: [default, batch]
              timing:
                lease: 30s
              """);
      WorkerConfig config = ConfigReader.read(file, Map.of(), List.of()).config();
      assertThat(config.worker().slots()).isEqualTo(7);
      assertThat(config.worker().queues()).containsExactly("default", "batch");
      assertThat(config.timing().lease()).isEqualTo(Duration.ofSeconds(30));
      assertThat(config.timing().heartbeat()).isEqualTo(Duration.ofSeconds(5));
    }

    @Test
    void theEnvironmentWinsOverTheFileAndSetOverBoth() throws Exception {
      Path file = file("worker: {slots: 1, queues: a}\ntiming: {drain: 1s}");
      Map<String, String> environment =
          Map.of("RQ_WORKER_WORKER_SLOTS", "2", "RQ_WORKER_WORKER_QUEUES", "b");
      WorkerConfig config =
          ConfigReader.read(file, environment, List.of("worker.slots=3")).config();
      assertThat(config.worker().slots()).isEqualTo(3);
      assertThat(config.worker().queues()).containsExactly("b");
      assertThat(config.timing().drain()).isEqualTo(Duration.ofSeconds(1));
    }

    @Test
    void anEmptyFileAndAnEmptyVariableSetNothing() throws Exception {
      WorkerConfig config =
          ConfigReader.read(file(""), Map.of("RQ_WORKER_WORKER_SLOTS", ""), List.of()).config();
      assertThat(config.worker().slots()).isEqualTo(4);
    }

    @Test
    void theLastOfTwoSetsWins() throws Exception {
      assertThat(read(Map.of(), "worker.slots=1", "worker.slots = 2").worker().slots())
          .isEqualTo(2);
    }

    @Test
    void ownNamesWinOverWeppclouds() throws Exception {
      Map<String, String> environment =
          Map.of(
              "RQ_WORKER_REDIS_URL", "redis://own/1",
              "RQ_REDIS_URL", "redis://rq/2",
              "REDIS_URL", "redis://any/3");
      assertThat(read(environment).redis().url()).isEqualTo("redis://own/1");
    }

    @ParameterizedTest
    @CsvSource({
      "timing.result-ttl, RQ_WORKER_TIMING_RESULT_TTL, 3s",
      "wepp.multi-ofe-timeout, RQ_WORKER_WEPP_MULTI_OFE_TIMEOUT, 3s",
      "worker.job-cpu, RQ_WORKER_WORKER_JOB_CPU, 3",
      "ledger.max-events, RQ_WORKER_LEDGER_MAX_EVENTS, 3",
    })
    void namesAreMechanical(String key, String variable, String value) throws Exception {
      assertThat(ConfigReader.reference()).contains("| `" + key + "` | `" + variable + "`");
      String set = read(Map.of(), key + "=" + value).toString();
      assertThat(set).isNotEqualTo(read(Map.of()).toString());
      assertThat(read(Map.of(variable, value))).hasToString(set);
    }
  }

  @Nested
  class Values {
    @ParameterizedTest
    @CsvSource({
      "250ms, PT0.25S",
      "5s, PT5S",
      "5, PT5S",
      "2m, PT2M",
      "1h, PT1H",
      "7d, PT168H",
      "5 s, PT5S",
      "0.5, PT0.5S",
      "1.25s, PT1.25S"
    })
    void timesHaveAUnitOrAreSeconds(String text, Duration time) throws Exception {
      assertThat(read(Map.of(), "timing.grace=" + text).timing().grace()).isEqualTo(time);
    }

    @ParameterizedTest
    @ValueSource(strings = {"soon", "5 weeks", "-5s", "1h30m", "s", "5e3"})
    void otherTimesAreRefused(String text) {
      assertThat(refused(Map.of(), "timing.grace=" + text))
          .contains(
              "timing.grace is '%s' (--set): a time such as 250ms, 5s, 2m, 1h or 7d is needed."
                  .formatted(text));
    }

    @ParameterizedTest
    @CsvSource(
        delimiter = '|',
        textBlock =
            """
            worker.slots     | 0         | it must be 1 or more
            worker.slots     | many      | a whole number is needed
            worker.slots     | 1.5       | a whole number is needed
            worker.slots     | 99999999999 | a whole number is needed
            worker.slots     | ''        | a whole number is needed
            worker.cpu       | -1        | it must be 1 or more
            timing.lease     | 10ms      | it must be 1000 ms or more
            timing.heartbeat | 0         | it must be 100 ms or more
            wepp.runs        | wc1/runs  | an absolute path is needed
            redis.url        | http://x  | 'it must match rediss?://.+|rediss?-sentinel://.+(#|sentinelMasterId=).+'
            redis.url        | redis-sentinel://x | 'it must match rediss?://.+|rediss?-sentinel://.+(#|sentinelMasterId=).+'
            postgres.url     | mysql://x | it must match (jdbc:)?postgres(ql)?(\\+\\w+)?://.+
            worker.queues    | 'a,,b'    | it must match [^,\\s]+(\\s*,\\s*[^,\\s]+)*
            worker.name      | 'a b'     | it must match [A-Za-z0-9_.-]+
            """)
    void whatAValueMustBe(String key, String value, String rule) {
      assertThat(refused(Map.of(), key + "=" + value))
          .contains("%s is '%s' (--set): %s.".formatted(key, value, rule));
    }

    @Test
    void queuesAreSeparatedByCommasAndMayHaveBlanks() throws Exception {
      assertThat(read(Map.of(), "worker.queues=a, b ,c").worker().queues())
          .containsExactly("a", "b", "c");
    }

    @Test
    void pathsAreNormalized() throws Exception {
      assertThat(read(Map.of(), "wepp.runs=/wc1/../wc2/runs/").wepp().runs())
          .isEqualTo(Path.of("/wc2/runs"));
    }
  }

  @Nested
  class Problems {
    @Test
    void allAreReportedTogetherWithKeyValueSourceAndRule() throws Exception {
      Path file = file("worker: {slots: none}\nwebb: {runs: /x}");
      String said =
          refused(file, Map.of("RQ_WORKER_TIMING_GRACE", "soon"), "wepp.runs=here", "nonsense");
      assertThat(said.lines())
          .containsExactlyInAnyOrder(
              "The configuration cannot be used:",
              "  worker.slots is 'none' (file " + file + "): a whole number is needed.",
              "  timing.grace is 'soon' (environment RQ_WORKER_TIMING_GRACE): a time such as 250ms,"
                  + " 5s, 2m, 1h or 7d is needed.",
              "  wepp.runs is 'here' (--set): an absolute path is needed.",
              "  file " + file + ": there is no setting webb.runs. Is wepp.runs meant?",
              "  --set nonsense: KEY=VALUE is needed.");
    }

    @ParameterizedTest
    @CsvSource({
      "slots, Is worker.slots meant?",
      "worker.slot, ",
      "timing.resultTtl, Is timing.result-ttl meant?",
      "timing.result_ttl, Is timing.result-ttl meant?",
      "queue.url, Is redis.url meant?",
    })
    void anUnknownKeyInSetFailsTheStart(String key, @Nullable String hint) {
      String end = hint == null ? "." : ". " + hint;
      assertThat(refused(Map.of(), key + "=5")).endsWith("--set: there is no setting " + key + end);
    }

    @ParameterizedTest
    @ValueSource(
        strings = {
          "redis: redis://localhost",
          "worker: [a, b]",
          "just words",
          "worker:\n  x: {y: 1}"
        })
    void aFileOfAnotherShapeFailsTheStart(String text) throws Exception {
      assertThat(refused(file(text), Map.of())).contains("there is no setting");
    }

    @Test
    void aFileThatIsNotThereFailsTheStart() {
      Path file = folder.resolve("absent.yaml");
      assertThat(refused(file, Map.of())).contains("The file " + file + " cannot be read: ");
    }

    @Test
    void aFileThatIsNoYamlFailsTheStart() throws Exception {
      Path file = file("worker: {slots: 4\ntiming");
      assertThat(refused(file, Map.of())).contains("The file " + file + " is not YAML");
    }

    @Test
    void anUnknownNameInTheEnvironmentOnlyWarns() throws Exception {
      ConfigReader.Read read =
          ConfigReader.read(null, Map.of("RQ_WORKER_SLOTS", "9", "PATH", "/bin"), List.of());
      assertThat(read.config().worker().slots()).isEqualTo(4);
      assertThat(read.warnings())
          .containsExactly(
              "The environment has RQ_WORKER_SLOTS, which is no setting of this worker.");
    }

    @Test
    void aLeaseMustLastTwoHeartbeats() {
      assertThat(refused(Map.of(), "timing.lease=9s", "timing.heartbeat=5s"))
          .contains(
              "timing.lease is PT9S and timing.heartbeat PT5S:"
                  + " a lease must last two heartbeats or more.");
    }

    @Test
    void rqMustWaitLongerThanTheLease() {
      assertThat(refused(Map.of(), "timing.lease=90s", "timing.wip=90s"))
          .contains(
              "timing.wip is PT1M30S and timing.lease PT1M30S:"
                  + " rq must wait longer than this worker's own lease.");
    }

    @Test
    void allContradictionsAreReportedTogether() {
      assertThat(refused(Map.of(), "timing.heartbeat=1m", "timing.lease=110s").lines()).hasSize(3);
    }
  }

  @Nested
  class Secrets {
    @Test
    void anOwnNameReadsAFileAndTheFileWins() throws Exception {
      Map<String, String> environment =
          Map.of(
              "RQ_WORKER_REDIS_PASSWORD_FILE",
              secretFile("s3cret\n").toString(),
              "RQ_WORKER_REDIS_PASSWORD",
              "other");
      assertThat(password(read(environment))).contains("s3cret");
    }

    @Test
    void weppcloudsNamesReadFilesToo() throws Exception {
      String file = secretFile("s3cret\n").toString();
      WorkerConfig config =
          read(Map.of("REDIS_PASSWORD_FILE", file, "POSTGRES_PASSWORD_FILE", file));
      assertThat(password(config)).contains("s3cret");
      assertThat(config.postgres().password().map(Secret::reveal)).contains("s3cret");
    }

    @Test
    void everySettingCanBeReadFromAFile() throws Exception {
      String file = secretFile("redis://:s3cret@redis:6379/9\n").toString();
      assertThat(read(Map.of("RQ_REDIS_URL_FILE", file)).redis().url())
          .isEqualTo("redis://:s3cret@redis:6379/9");
    }

    @ParameterizedTest
    @ValueSource(strings = {"RQ_WORKER_REDIS_PASSWORD", "REDIS_PASSWORD", "POSTGRES_PASSWORD"})
    void aSecretFileThatCannotBeReadFailsTheStartAlsoBesideThePlainName(String name) {
      String said = refused(Map.of(name + "_FILE", "/run/secrets/absent", name, "s3cret"));
      assertThat(said)
          .contains(
              "environment " + name + "_FILE names /run/secrets/absent, which cannot be read: ")
          .doesNotContain("s3cret");
    }

    @Test
    void anEmptySecretFileIsNoSecret() throws Exception {
      assertThat(password(read(Map.of("REDIS_PASSWORD_FILE", secretFile("\n").toString()))))
          .isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"redis.password=s3cret", "postgres.password=s3cret"})
    void areRefusedOnTheCommandLine(String set) {
      String key = set.substring(0, set.indexOf('='));
      assertThat(refused(Map.of(), set))
          .contains("--set " + key + ": a secret must not stand on a command line; use the")
          .contains("_FILE")
          .doesNotContain("s3cret");
    }

    @Test
    void areNotShownWhenTheCommandLineIsMalformed() {
      assertThat(refused(Map.of(), "redis.password:s3cret", "redis.password s3cret"))
          .contains("--set redis.password: KEY=VALUE is needed.")
          .doesNotContain("s3cret");
    }

    @Test
    void areNotShownWhenTheyAreRefused() throws Exception {
      Map<String, String> environment =
          Map.of("REDIS_PASSWORD_FILE", secretFile("two\ns3cret lines").toString());
      assertThat(refused(environment))
          .contains("redis.password is *** (environment REDIS_PASSWORD_FILE): ")
          .doesNotContain("s3cret");
    }

    @ParameterizedTest
    @ValueSource(
        strings = {
          "http://user:s3cret@host/0",
          "http://:s3cret/s3cret@s3cret@host/0",
          "user:s3cret@host",
          "//:s3cret@host",
          "mysql://host/db?user=me&password=s3cret&ssl=true",
        })
    void areNotShownWhenTheUrlAroundThemIsRefused(String url) {
      String said = refused(Map.of("REDIS_URL", url, "DATABASE_URL", url));
      assertThat(said)
          .contains("(environment REDIS_URL): it must match")
          .contains("(environment DATABASE_URL): it must match")
          .contains("***")
          .contains("host")
          .doesNotContain("s3cret");
    }

    @ParameterizedTest
    @ValueSource(
        strings = {
          "redis: {password: s3cret",
          "redis:\n  password: 's3cret\n  url: x",
          "redis:\n  password: \"s3cret\\q\"",
          "redis:\n\tpassword: s3cret",
        })
    void areNotShownWhenTheFileAroundThemIsNoYaml(String text) throws Exception {
      assertThat(refused(file(text), Map.of())).contains("is not YAML").doesNotContain("s3cret");
    }

    @Test
    void areNotShownByTheConfiguration() throws Exception {
      WorkerConfig config =
          read(
              Map.of(
                  "REDIS_PASSWORD", "s3cret",
                  "POSTGRES_PASSWORD", "s3cret",
                  "REDIS_URL", "redis://me:s3cret@redis:6379/9",
                  "DATABASE_URL", "postgresql://wepppy:s3cret@postgres/wepppy?password=s3cret"));
      assertThat(config.toString())
          .contains("redis:6379/9", "postgres/wepppy")
          .doesNotContain("s3cret");
      assertThat(config.redis().url()).as("itself").contains("s3cret");
    }

    private static Optional<String> password(WorkerConfig config) {
      return config.redis().password().map(Secret::reveal);
    }
  }

  /** The variables of WEPPcloud's compose files, as they are. */
  @Nested
  class Presets {
    private static WorkerConfig preset(String name, String... sets) throws InvalidConfig {
      return read(Map.of("RQ_WORKER_PRESET", name), sets);
    }

    @ParameterizedTest
    @CsvSource({
      "weppcloud-default, 6, default",
      "weppcloud-batch, 4, batch",
      "weppcloud-fork-archive, 1, fork-archive",
    })
    void eachStandsForOneOfRqsPools(String name, int slots, String queue) throws Exception {
      WorkerConfig config = preset(name);
      assertThat(config.worker().slots()).isEqualTo(slots);
      assertThat(config.worker().queues()).containsExactly(queue);
      assertThat(config.redis().database()).contains(9);
      assertThat(config.redis().statusDatabase()).isEqualTo(2);
      assertThat(config.redis().prepDatabase()).isZero();
      assertThat(config.python().workerClass()).isEqualTo("wepppy.rq.WepppyRqWorker");
      assertThat(config.timing().resultTtl()).isEqualTo(Duration.ofDays(7));
    }

    @Test
    void forkArchiveIsServedByOneSlotThatWaitsForItsJob() throws Exception {
      WorkerConfig config = preset("weppcloud-fork-archive");
      assertThat(config.worker().alone()).isTrue();
      assertThat(config.recovery().finish()).containsExactly("*");
      assertThat(config.recovery().once()).containsExactly("*");
      assertThat(config.timing().terminationGrace()).contains(Duration.ofHours(60));
      Map<String, String> environment = Map.of("RQ_WORKER_PRESET", "weppcloud-fork-archive");
      assertThat(refused(environment, "worker.slots=2"))
          .contains("worker.alone is true and worker.slots 2");
    }

    @Test
    void everyOtherSourceWins() throws Exception {
      Map<String, String> environment =
          Map.of("RQ_WORKER_PRESET", "weppcloud-batch", "RQ_WORKER_WORKER_SLOTS", "2");
      WorkerConfig config =
          ConfigReader.read(file("redis: {database: 3}"), environment, List.of("timing.drain=1s"))
              .config();
      assertThat(config.worker().slots()).isEqualTo(2);
      assertThat(config.redis().database()).contains(3);
      assertThat(config.timing().drain()).isEqualTo(Duration.ofSeconds(1));
      assertThat(config.worker().queues()).containsExactly("batch");
    }

    @Test
    void oneThatIsNotThereFailsTheStart() {
      assertThat(refused(Map.of("RQ_WORKER_PRESET", "weppcloud")))
          .contains("There is no preset weppcloud; there are weppcloud-default,");
    }

    @Test
    void theOriginOfEachSettingIsTold() throws Exception {
      Map<String, String> environment =
          Map.of(
              "RQ_WORKER_PRESET", "weppcloud-batch",
              "REDIS_PASSWORD_FILE", secretFile("s3cret").toString(),
              "DATABASE_URL", "postgresql://wepppy:s3cret@postgres/wepppy");
      String origins =
          ConfigReader.read(file("python: {preload: [a, b]}"), environment, List.of("worker.cpu=8"))
              .origins();
      assertThat(origins.lines().map(line -> line.replaceAll(" +", " ")))
          .hasSize((int) ConfigReader.reference().lines().filter(l -> l.startsWith("| `")).count())
          .contains(
              "worker.slots 4 (preset weppcloud-batch)",
              "worker.cpu 8 (--set)",
              "redis.password *** (environment REDIS_PASSWORD_FILE)",
              "postgres.url postgresql://***@postgres/wepppy (environment DATABASE_URL)",
              "python.preload a,b (file " + folder.resolve("worker.yaml") + ")",
              "timing.heartbeat 5s (default)");
    }
  }

  @Nested
  class Weppcloud {
    private Map<String, String> production() throws IOException {
      Map<String, String> environment = new HashMap<>();
      environment.put("REDIS_URL", "redis://redis:6379/9");
      environment.put("RQ_REDIS_URL", "redis://redis:6379/9");
      environment.put("SESSION_REDIS_URL", "redis://redis:6379/11");
      environment.put("REDIS_HOST", "redis");
      environment.put("REDIS_PORT", "6379");
      environment.put("REDIS_PASSWORD_FILE", secretFile("s3cret\n").toString());
      environment.put("RQ_REDIS_WAIT_TIMEOUT_SECONDS", "300");
      environment.put("RQ_REDIS_WAIT_INTERVAL_SECONDS", "1");
      environment.put("RQ_REDIS_PROBE_TIMEOUT_SECONDS", "5");
      environment.put("RQ_WORKER_STARTUP_DELAY_SECONDS", "5");
      environment.put("RQ_ENGINE_RQ_TIMEOUT", "216000");
      environment.put("POSTGRES_HOST", "postgres");
      environment.put("POSTGRES_PORT", "5432");
      environment.put("POSTGRES_DB", "wepppy");
      environment.put("POSTGRES_USER", "wepppy");
      environment.put("POSTGRES_PASSWORD_FILE", secretFile("s3cret\n").toString());
      environment.put("POSTGRES_IDLE_IN_TX_TIMEOUT", "60000");
      environment.put("WEPPPY_NCPU", "6");
      environment.put("WEPPPY_LOCK_TTL_SECONDS", "21600");
      environment.put("WEPP_RUNNER_HILLSLOPE_INPUT_WAIT_S", "30.0");
      environment.put("WEPP_RUNNER_HILLSLOPE_INPUT_POLL_S", "0.25");
      environment.put("WBT_MAX_PROCS", "12");
      environment.put("PERIDOT_CPU", "12");
      environment.put("LOGLEVEL", "INFO");
      environment.put("BATCH_RUNNER_ROOT", "/wc1/batch");
      environment.put("CULVERTS_ROOT", "/wc1/culverts");
      environment.put("HOSTNAME", "3f2c9a7be1d0");
      return environment;
    }

    @Test
    void areUnderstood() throws Exception {
      WorkerConfig config = ConfigReader.read(null, production(), List.of()).config();
      assertThat(config.redis().url()).isEqualTo("redis://redis:6379/9");
      assertThat(config.redis().password().map(Secret::reveal)).contains("s3cret");
      assertThat(config.redis().startWait()).isEqualTo(Duration.ofMinutes(5));
      assertThat(config.postgres().url()).isEqualTo("postgresql://postgres:5432/wepppy");
      assertThat(config.postgres().user()).contains("wepppy");
      assertThat(config.postgres().password().map(Secret::reveal)).contains("s3cret");
      assertThat(config.worker().jobCpu()).contains(6);
      assertThat(config.worker().name()).contains("3f2c9a7be1d0");
      assertThat(config.wepp().inputWait()).isEqualTo(Duration.ofSeconds(30));
      assertThat(config.wepp().batch()).isEqualTo(Path.of("/wc1/batch"));
    }

    /** The JVM needs no start delay; WEPPcloud gave the name before this worker existed. */
    @Test
    void onlyTheStartDelayIsMentioned() throws Exception {
      assertThat(ConfigReader.read(null, production(), List.of()).warnings())
          .containsExactly(
              "The environment has RQ_WORKER_STARTUP_DELAY_SECONDS, which is no setting of this"
                  + " worker.");
    }

    @Test
    void theRedisOfQueuesIsPreferred() throws Exception {
      Map<String, String> environment =
          Map.of("REDIS_URL", "redis://cache:6379/0", "RQ_REDIS_URL", "redis://redis:6379/9");
      assertThat(read(environment).redis().url()).isEqualTo("redis://redis:6379/9");
    }

    @Test
    void hostAndPortMakeAUrlOnlyWhereThereIsNone() throws Exception {
      assertThat(read(Map.of("REDIS_HOST", "redis")).redis().url())
          .isEqualTo("redis://redis:6379/9");
      assertThat(read(Map.of("REDIS_HOST", "redis", "REDIS_PORT", "6380")).redis().url())
          .isEqualTo("redis://redis:6380/9");
      assertThat(read(Map.of("REDIS_HOST", "x", "REDIS_URL", "redis://y/1")).redis().url())
          .isEqualTo("redis://y/1");
    }

    @ParameterizedTest
    @CsvSource({
      "SQLALCHEMY_DATABASE_URI, postgresql+psycopg2://wepppy:pw@postgres:5432/wepppy",
      "SQLALCHEMY_DATABASE_URI, postgresql://wepppy@postgres/wepppy",
      "DATABASE_URL, postgres://wepppy:pw@postgres/wepppy",
    })
    void everyFormOfDatabaseUrlIsTaken(String name, String url) throws Exception {
      assertThat(read(Map.of(name, url, "POSTGRES_HOST", "other")).postgres().url()).isEqualTo(url);
    }

    @Test
    void sqlalchemysUrlIsPreferred() throws Exception {
      Map<String, String> environment =
          Map.of("DATABASE_URL", "postgres://b/b", "SQLALCHEMY_DATABASE_URI", "postgres://a/a");
      assertThat(read(environment).postgres().url()).isEqualTo("postgres://a/a");
    }

    @Test
    void anEmptyDatabaseNameIsNone() throws Exception {
      assertThat(read(Map.of("POSTGRES_HOST", "db", "POSTGRES_DB", "")).postgres().url())
          .isEqualTo("postgresql://db:5432/wepppy");
    }
  }

  /** What the kubelet adds for every Service of the namespace. */
  @Nested
  class ServiceLinks {
    private static void addService(Map<String, String> environment, String name, int port) {
      String tcp = name + "_PORT_" + port + "_TCP";
      environment.put(name + "_SERVICE_HOST", "10.0.0.1");
      environment.put(name + "_SERVICE_PORT", String.valueOf(port));
      environment.put(name + "_SERVICE_PORT_HTTP", String.valueOf(port));
      environment.put(name + "_PORT", "tcp://10.0.0.1:" + port);
      environment.put(tcp, "tcp://10.0.0.1:" + port);
      environment.put(tcp + "_PROTO", "tcp");
      environment.put(tcp + "_PORT", String.valueOf(port));
      environment.put(tcp + "_ADDR", "10.0.0.1");
    }

    @Test
    void changeNothingAndAreNotMentioned() throws Exception {
      Map<String, String> environment = new HashMap<>();
      addService(environment, "RQ_WORKER", 9090);
      addService(environment, "RQ_WORKER_REDIS", 6379);
      addService(environment, "RQ_WORKER_METRICS", 9090);
      addService(environment, "REDIS", 6379);
      addService(environment, "POSTGRES", 5432);
      ConfigReader.Read read = ConfigReader.read(null, environment, List.of());
      assertThat(read.warnings()).isEmpty();
      assertThat(read.config()).hasToString(read(Map.of()).toString());
    }

    @Test
    void doNotPassForAPortOfHostAndPort() throws Exception {
      Map<String, String> environment = new HashMap<>();
      addService(environment, "REDIS", 6379);
      addService(environment, "POSTGRES", 5432);
      environment.put("REDIS_HOST", "redis");
      environment.put("POSTGRES_HOST", "postgres");
      WorkerConfig config = read(environment);
      assertThat(config.redis().url()).isEqualTo("redis://redis:6379/9");
      assertThat(config.postgres().url()).isEqualTo("postgresql://postgres:5432/wepppy");
    }

    @Test
    void doNotHideARealNameThatIsUnknown() throws Exception {
      assertThat(
              ConfigReader.read(null, Map.of("RQ_WORKER_WORKER_PORTS", "1"), List.of()).warnings())
          .hasSize(1);
    }
  }
}
