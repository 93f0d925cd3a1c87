package cloud.wepp.worker.cli;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.demo.StandIn;
import cloud.wepp.worker.testing.PythonWithRq;
import cloud.wepp.worker.testing.Site;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What the doctor finds on a host that is well, and on one that is not. */
class WeppcloudDoctorIT {
  @TempDir Path folder;

  private final List<String> settings = new ArrayList<>();
  private Site site;

  @BeforeEach
  void aHostThatIsWell() throws Exception {
    site = Site.start();
    site.redis.ask("CONFIG", "SET", "appendonly", "yes");
    Path bin = StandIn.install(folder.resolve("bin"));
    Path runs = Files.createDirectories(folder.resolve("runs"));
    settings.addAll(
        List.of(
            "redis.url=" + site.redis.url(),
            "postgres.url=" + site.postgres.url(),
            "python.command=" + PythonWithRq.interpreter("1.16.2"),
            "python.worker-class=rq.worker.Worker",
            "wepp.bin-dir=" + bin,
            "cligen.bin-dir=" + bin,
            "wepp.runs=" + runs,
            "mounts.folders=" + runs + ":rw"));
  }

  @AfterEach
  void close() {
    site.close();
  }

  private record Page(boolean well, JsonNode checks) {
    String of(String check) {
      JsonNode line =
          checks
              .valueStream()
              .filter(one -> one.path("check").asString().equals(check))
              .findFirst()
              .orElseThrow(() -> new AssertionError(check + " is not in " + checks));
      return "%s: %s / %s"
          .formatted(
              line.path("state").asString(),
              line.path("found").asString(),
              line.path("do").asString());
    }
  }

  private Page examine(String preset, String... more) throws Exception {
    settings.addAll(List.of(more));
    var config = ConfigReader.read(null, Map.of("RQ_WORKER_PRESET", preset), settings).config();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    boolean well =
        new WeppcloudDoctor(config, InstantSource.system())
            .examine(new PrintStream(out, true, StandardCharsets.UTF_8), true);
    return new Page(well, JsonMapper.builder().build().readTree(out.toByteArray()).path("checks"));
  }

  @Test
  void allIsWell() throws Exception {
    String role = Files.readString(Path.of("../docs/weppcloud/role.sql"));
    site.postgres.execute(role);
    Page page = examine("weppcloud-default", "postgres.user=rq_worker");
    assertThat(page.checks())
        .as("%s", page)
        .noneMatch(c -> c.path("state").asString().equals("problem"));
    assertThat(page.well()).isTrue();
    assertThat(page.of("redis")).startsWith("ok: 127.0.0.1:").contains("/9, version ");
    assertThat(page.of("redis databases")).isEqualTo("ok: queues 9, status 2, prep 0 / ");
    assertThat(page.of("redis rights")).startsWith("ok");
    assertThat(page.of("redis memory")).startsWith("ok: maxmemory-policy noeviction");
    assertThat(page.of("redis persistence")).isEqualTo("ok: appendonly yes / ");
    assertThat(page.of("clock")).startsWith("ok");
    assertThat(page.of("queue default")).isEqualTo("ok: 0 waiting / ");
    assertThat(page.of("postgres")).startsWith("ok").contains("role rq_worker, which reaches 0");
    assertThat(page.of(folder.resolve("runs").toString())).startsWith("ok: answers in");
    assertThat(page.of("user")).startsWith("ok");
    assertThat(page.of("wepp")).startsWith("ok: 4 executables in");
    assertThat(page.of("python")).startsWith("warning: Python 3").contains("with rq 1.16.2");
  }

  @Test
  void whatIsWrongIsToldWithWhatToDo() throws Exception {
    Path bin = folder.resolve("bin");
    Files.writeString(bin.resolve("wepp_260803"), "version https://git-lfs.github.com/spec/v1");
    Files.writeString(bin.resolve("wepp_261007"), "no program");
    assertThat(bin.resolve("wepp_261007").toFile().setExecutable(true)).isTrue();
    site.redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    site.redis.ask("CONFIG", "SET", "maxmemory", "1gb");
    site.redis.ask("CONFIG", "SET", "appendonly", "no");
    site.client.register(
        List.of("of-rq"),
        List.of("default"),
        new JobQueue.WorkerInfo(1, "h", "10.0.0.3", "1.16.2"));
    byte[] call = new Call("os.getpid", List.of(), Map.of()).write();
    site.client.enqueue("default", call, "os.getpid", Duration.ofMinutes(3));
    Page page =
        examine(
            "",
            "python.command=/no/python",
            "routing.refuse=os.*",
            "mounts.folders=/no/folder",
            "worker.alone=true",
            "worker.slots=1");
    assertThat(page.well()).isFalse();
    assertThat(page.of("redis databases"))
        .startsWith("problem: queues 0")
        .endsWith("use --preset.");
    assertThat(page.of("redis memory")).startsWith("problem: maxmemory-policy allkeys-lru");
    assertThat(page.of("redis persistence")).startsWith("warning: appendonly no");
    assertThat(page.of("queue default"))
        .startsWith("warning: 1 waiting: 1 os.getpid: stays: routing.refuse names it");
    assertThat(page.of("other workers"))
        .startsWith("problem: 0 slots of this kind, 1 workers of rq, 1 of them idle");
    assertThat(page.of("postgres")).startsWith("warning").contains("a superuser");
    assertThat(page.of("/no/folder")).startsWith("problem: /no/folder is no folder");
    assertThat(page.of("wepp"))
        .startsWith("problem: 6 executables in")
        .contains("wepp_260803 (it is not executable)", "wepp_261007 (");
    assertThat(page.of("python")).startsWith("problem").contains("/no/python");
  }

  @Test
  void serversThatAreNotThereDoNotKeepThePageBack() throws Exception {
    site.redis.ask("ACL", "SETUSER", "some", "on", ">pw", "~rq:*", "+@read", "+@connection");
    Page page =
        examine(
            "weppcloud-default",
            "redis.url=" + site.redis.url().replace("//", "//some:pw@"),
            "postgres.url=postgresql://127.0.0.1:1/wepppy");
    assertThat(page.of("redis rights"))
        .startsWith("problem: information (INFO): NOPERM")
        .contains("writing a key: NOPERM", "publishing in database 2: NOPERM");
    assertThat(page.of("redis memory")).startsWith("warning: it does not tell");
    assertThat(page.of("postgres")).startsWith("problem: Postgres at 127.0.0.1:1/wepppy: ");
    assertThat(examine("weppcloud-default", "redis.url=redis://127.0.0.1:1").of("redis"))
        .startsWith("problem: Redis at 127.0.0.1:1/9: Connection refused");
  }
}
