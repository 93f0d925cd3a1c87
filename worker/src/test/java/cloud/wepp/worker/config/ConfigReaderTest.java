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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where settings come from, and what is said of bad ones. */
class ConfigReaderTest {
  @TempDir Path folder;

  private static WorkerConfig read(Map<String, String> environment, String... sets)
      throws InvalidConfig {
    return ConfigReader.read(null, environment, List.of(sets)).config();
  }

  private static String problems(Map<String, String> environment, String... sets) {
    return String.valueOf(
        catchThrowableOfType(InvalidConfig.class, () -> read(environment, sets)).getMessage());
  }

  private Path file(String yaml) throws IOException {
    return Files.writeString(folder.resolve("worker.yaml"), yaml);
  }

  @Test
  void hasDefaults() throws Exception {
    WorkerConfig config = read(Map.of());
    assertThat(config.redis().url()).isEqualTo("redis://localhost:6379/0");
    assertThat(config.worker().queues()).containsExactly("default");
    assertThat(config.timing().heartbeat()).isEqualTo(Duration.ofSeconds(5));
    assertThat(config.timing().resultTtl()).isEqualTo(Duration.ofDays(7));
    assertThat(config.redis().password()).isEmpty();
  }

  @Test
  void theFileYieldsToTheEnvironmentAndThatToTheCommandLine() throws Exception {
    Path file =
        file(
            """
            worker:
              slots: 2
              queues: [default, batch]
            timing:
              grace: 7s
              result-ttl: 2h
            """);
    Map<String, String> environment =
        Map.of("RQ_WORKER_WORKER_SLOTS", "3", "RQ_WORKER_TIMING_RESULT_TTL", "1d");
    WorkerConfig config = ConfigReader.read(file, environment, List.of("worker.slots=4")).config();
    assertThat(config.worker().queues()).containsExactly("default", "batch");
    assertThat(config.timing().grace()).isEqualTo(Duration.ofSeconds(7));
    assertThat(config.timing().resultTtl()).isEqualTo(Duration.ofDays(1));
    assertThat(config.worker().slots()).isEqualTo(4);
  }

  @ParameterizedTest
  @CsvSource({"250ms,250", "5s,5000", "5,5000", "2m,120000", "1h,3600000", "1d,86400000"})
  void readsTimes(String text, long millis) throws Exception {
    assertThat(read(Map.of(), "timing.grace=" + text).timing().grace().toMillis())
        .isEqualTo(millis);
  }

  @Test
  void reportsAllProblemsAtOnceWithKeyValueSourceAndRule() {
    assertThat(
            problems(
                Map.of("RQ_WORKER_WORKER_SLOTS", "many"),
                "timing.grace=soon",
                "worker.queues=",
                "redis.url=http://redis",
                "wepp.runs=wc1/runs",
                "no-equals-sign"))
        .contains("worker.slots is 'many' (environment RQ_WORKER_WORKER_SLOTS): a whole number")
        .contains("timing.grace is 'soon' (--set): a time such as 250ms, 5s, 2m, 1h or 7d")
        .contains("worker.queues is '' (--set)")
        .contains("redis.url is 'http://redis' (--set): it must match rediss?://")
        .contains("wepp.runs is 'wc1/runs' (--set): an absolute path is needed")
        .contains("--set no-equals-sign: KEY=VALUE is needed");
  }

  @Test
  void reportsNumbersAndTimesThatAreTooSmall() {
    assertThat(problems(Map.of(), "worker.slots=0", "timing.lease=10ms"))
        .contains("worker.slots is '0' (--set): it must be 1 or more")
        .contains("timing.lease is '10ms' (--set): it must be 1000 ms or more");
  }

  @Test
  void reportsSettingsThatContradictEachOther() {
    assertThat(problems(Map.of(), "timing.lease=6s", "timing.heartbeat=5s"))
        .contains("a lease must last two heartbeats or more");
    assertThat(problems(Map.of(), "timing.lease=90s")).contains("rq must wait longer");
  }

  @Test
  void anUnknownKeyInTheFileOrOnTheCommandLineIsAProblem() throws Exception {
    assertThat(problems(Map.of(), "worker.slot=1"))
        .contains("--set: there is no setting worker.slot.");
    assertThat(problems(Map.of(), "slots=1")).contains("Is worker.slots meant?");
    Path file = file("worker:\n  threads: 3\n");
    assertThat(
            catchThrowableOfType(
                InvalidConfig.class, () -> ConfigReader.read(file, Map.of(), List.of())))
        .hasMessageContaining("file " + file + ": there is no setting worker.threads.");
  }

  @Test
  void aFileThatIsMissingOrNoYamlIsAProblem() throws Exception {
    Path missing = folder.resolve("none.yaml");
    assertThat(
            catchThrowableOfType(
                InvalidConfig.class, () -> ConfigReader.read(missing, Map.of(), List.of())))
        .hasMessageContaining("The file " + missing + " cannot be read");
    Path broken = file("worker: [");
    assertThat(
            catchThrowableOfType(
                InvalidConfig.class, () -> ConfigReader.read(broken, Map.of(), List.of())))
        .hasMessageContaining("is not YAML");
  }

  @Test
  void anUnknownEnvironmentNameOnlyWarns() throws Exception {
    assertThat(
            ConfigReader.read(null, Map.of("RQ_WORKER_STARTUP_DELAY_SECONDS", "5"), List.of())
                .warnings())
        .containsExactly(
            "The environment has RQ_WORKER_STARTUP_DELAY_SECONDS, which is no setting of this"
                + " worker.");
  }

  @Test
  void readsSecretsFromFilesAndNeverShowsThem() throws Exception {
    Path secret = Files.writeString(folder.resolve("secret"), "hush\n");
    WorkerConfig config = read(Map.of("REDIS_PASSWORD_FILE", secret.toString()));
    assertThat(config.redis().password().orElseThrow().reveal()).isEqualTo("hush");
    assertThat(config.toString()).doesNotContain("hush");
  }

  @Test
  void aSecretFileThatCannotBeReadIsAProblem() {
    assertThat(problems(Map.of("RQ_WORKER_POSTGRES_PASSWORD_FILE", "/no/such/file")))
        .contains("environment RQ_WORKER_POSTGRES_PASSWORD_FILE names /no/such/file");
  }

  @Test
  void aSecretMayNotStandOnTheCommandLine() {
    assertThat(problems(Map.of(), "redis.password=hush"))
        .contains("use the environment's RQ_WORKER_REDIS_PASSWORD_FILE")
        .doesNotContain("hush");
  }

  @Test
  void aPasswordInABadUrlIsNotShown() {
    assertThat(problems(Map.of("RQ_REDIS_URL", "ftp://:hush@redis:6379/9")))
        .contains("redis.url is 'ftp://***@redis:6379/9' (environment RQ_REDIS_URL)")
        .doesNotContain("hush");
  }

  @Test
  void aPasswordInAUrlOrInABrokenFileIsNotShown() throws Exception {
    WorkerConfig config =
        read(
            Map.of(
                "RQ_REDIS_URL", "redis://:hush@redis:6379/9",
                "DATABASE_URL", "postgresql://wepppy:hush@postgres/wepppy"));
    assertThat(config.toString())
        .contains("redis:6379/9", "postgres/wepppy")
        .doesNotContain("hush");
    Path broken = file("redis:\n  password: [hush\n");
    assertThat(
            catchThrowableOfType(
                    InvalidConfig.class, () -> ConfigReader.read(broken, Map.of(), List.of()))
                .getMessage())
        .contains("is not YAML: see line")
        .doesNotContain("hush");
  }

  /** The names of WEPPcloud's compose files for its own workers. */
  @Test
  void understandsTheEnvironmentOfWeppcloud() throws Exception {
    Path secret = Files.writeString(folder.resolve("secret"), "hush");
    WorkerConfig config =
        read(
            Map.of(
                "RQ_REDIS_URL", "redis://redis:6379/9",
                "REDIS_URL", "redis://other:6379/9",
                "REDIS_PASSWORD_FILE", secret.toString(),
                "RQ_REDIS_WAIT_TIMEOUT_SECONDS", "300",
                "WEPPPY_NCPU", "6",
                "POSTGRES_HOST", "postgres",
                "POSTGRES_DB", "wepppy",
                "POSTGRES_USER", "wepppy",
                "POSTGRES_PASSWORD_FILE", secret.toString()));
    assertThat(config.redis().url()).isEqualTo("redis://redis:6379/9");
    assertThat(config.redis().startWait()).isEqualTo(Duration.ofMinutes(5));
    assertThat(config.worker().jobCpu()).contains(6);
    assertThat(config.postgres().url()).isEqualTo("postgresql://postgres:5432/wepppy");
    assertThat(config.postgres().user()).contains("wepppy");
  }

  @Test
  void makesUrlsOfHostAndPort() throws Exception {
    assertThat(read(Map.of("REDIS_HOST", "r", "REDIS_PORT", "6380")).redis().url())
        .isEqualTo("redis://r:6380/9");
    assertThat(read(Map.of("REDIS_HOST", "r", "REDIS_URL", "redis://u/9")).redis().url())
        .isEqualTo("redis://u/9");
  }

  /** What Kubernetes puts into a pod for Services named rq-worker, redis and postgres. */
  @Test
  void ignoresServiceLinks() throws Exception {
    Map<String, String> environment = new HashMap<>();
    for (String service : List.of("RQ_WORKER", "REDIS", "POSTGRES")) {
      environment.put(service + "_SERVICE_HOST", "10.0.0.1");
      environment.put(service + "_SERVICE_PORT", "9090");
      environment.put(service + "_SERVICE_PORT_METRICS", "9090");
      environment.put(service + "_PORT", "tcp://10.0.0.1:9090");
      environment.put(service + "_PORT_9090_TCP", "tcp://10.0.0.1:9090");
      environment.put(service + "_PORT_9090_TCP_ADDR", "10.0.0.1");
    }
    environment.put("REDIS_HOST", "redis");
    ConfigReader.Read read = ConfigReader.read(null, environment, List.of());
    assertThat(read.warnings()).isEmpty();
    assertThat(read.config().redis().url()).isEqualTo("redis://redis:6379/9");
  }

  /** {@code docs/configuration.md} is made by {@code ./rq-worker settings}. */
  @Test
  void theReferencePageIsWhatTheCodeSays() throws Exception {
    String page = Files.readString(Path.of("../docs/configuration.md"));
    assertThat(page)
        .as("docs/configuration.md must end with the output of ./rq-worker settings")
        .endsWith(ConfigReader.reference());
  }
}
