package cloud.wepp.worker;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.ResultCodec;
import cloud.wepp.rq.Settlement;
import cloud.wepp.rq.pickle.MalformedPickle;
import cloud.wepp.rq.pickle.PickleReader;
import cloud.wepp.rq.pickle.PyRepr;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.InvalidConfig;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.demo.SampleRuns;
import cloud.wepp.worker.demo.StandIn;
import cloud.wepp.worker.ledger.History;
import cloud.wepp.worker.ledger.LedgerStore;
import cloud.wepp.worker.ledger.PostgresAccess;
import cloud.wepp.worker.testing.PostgresServer;
import cloud.wepp.worker.testing.RecordingListener;
import cloud.wepp.worker.testing.Site;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Real inputs of a WEPPcloud run through Redis to Postgres. With {@code WEPP_BIN_DIR} the real
 * executable runs and its sums are checked; else the stand-in replays what the real one wrote.
 */
class WeppIT {
  private static final Optional<Path> REAL =
      Optional.ofNullable(System.getenv("WEPP_BIN_DIR")).map(Path::of);

  @TempDir Path folder;
  private RedisServer redis;
  private PostgresServer postgres;
  private Site site;
  private JobQueue client;
  private @Nullable Worker worker;
  private final RecordingListener listener = new RecordingListener();

  @BeforeEach
  void startServers() {
    site = Site.start();
    redis = site.redis;
    postgres = site.postgres;
    client = site.client;
  }

  private void work(Path executables) throws InvalidConfig {
    WorkerConfig config =
        ConfigReader.read(
                null,
                Map.of(),
                List.of(
                    "redis.url=" + redis.url(),
                    "postgres.url=" + postgres.url(),
                    "python.enabled=false",
                    "routing.native-queues=default",
                    "wepp.bin-dir=" + REAL.orElse(executables),
                    "wepp.runs=" + folder.resolve("runs"),
                    "wepp.progress-every=100ms"))
            .config();
    worker = Worker.start(config, Map.of(), List.of(listener), InstantSource.system());
  }

  @AfterEach
  void stop() {
    if (worker != null) {
      worker.close();
    }
    site.close();
  }

  /** A {@code wepp} that is the stand-in with the recorded output of watershed-7 at hand. */
  private Path replaying() throws IOException {
    Path standIn = StandIn.install(folder.resolve("stand-in"));
    Path recorded = folder.resolve("recorded");
    SampleRuns.watershed7Recorded(recorded);
    Path bin = Files.createDirectories(folder.resolve("bin"));
    Path wepp =
        Files.writeString(
            bin.resolve("wepp"),
            "#!/bin/sh\n# a stand-in for WEPP\nSTANDIN_REPLAY='%s' exec '%s'\n"
                .formatted(recorded, standIn.resolve("wepp")));
    Files.setPosixFilePermissions(wepp, PosixFilePermissions.fromString("rwxr-xr-x"));
    return bin;
  }

  private String enqueue(String function, String run) {
    Call call = new Call("wepppy.rq.wepp_rq." + function, List.of(PyValue.of(run)), Map.of());
    return client.enqueue("default", call.write(), function, Duration.ofMinutes(10));
  }

  private Settlement run(String function, String run) throws InterruptedException {
    return end(enqueue(function, run));
  }

  private Settlement end(String job) throws InterruptedException {
    Settlement end = listener.awaitEnd(job);
    listener.awaitRecorded(job, "finished");
    return end;
  }

  private String progress(String job) throws MalformedPickle {
    PyValue.Dict meta = (PyValue.Dict) PickleReader.read(client.meta(job));
    return PyRepr.of(meta.get("progress").orElseThrow());
  }

  @Test
  void watershed7() throws Exception {
    Path run = folder.resolve("runs/wa/watershed-7");
    SampleRuns.watershed7(run);
    work(replaying());
    assertThat(run("_run_hillslopes_rq", "watershed-7"))
        .isEqualTo(new Settlement.Finish("", Duration.ofDays(7)));
    Settlement.Finish end = (Settlement.Finish) run("run_watershed_rq", "watershed-7");
    assertThat(PyRepr.of(ResultCodec.returnValue(end.returnValue(), false)))
        .matches("\\(True, \\d+\\.\\d+(e-\\d+)?\\)");

    checkOutputs(run.resolve("wepp/output"));
    assertThat(run.resolve("wepp/runs/p1.err"))
        .content()
        .contains("[run_hillslope] wepp_id=1 ", "binary_sha256=", "attempt 1/4 start")
        .endsWith("WEPP COMPLETED HILLSLOPE SIMULATION SUCCESSFULLY\n");
    assertThat(run.resolve("wepp/runs/pw0.err"))
        .content()
        .endsWith("WEPP COMPLETED WATERSHED SIMULATION SUCCESSFULLY\n");
    assertThat(run.resolve("redisprep.dump")).content().contains("timestamps:run_wepp_hillslopes");
    assertThat(redis.ask("HEXISTS", "watershed-7", "timestamps:run_wepp_hillslopes"))
        .isEqualTo("1");
    assertThat(run.resolve("rq.log")).content().contains("Job OK");
    assertThat(history("watershed-7"))
        .containsPattern("_run_hillslopes_rq +watershed-7 +finished")
        .containsPattern("run_watershed_rq +watershed-7 +finished");
  }

  /** The real executable's files, byte for byte: all of them, or those that were recorded. */
  private void checkOutputs(Path output) throws Exception {
    Path recorded = folder.resolve("expected");
    SampleRuns.watershed7Recorded(recorded);
    for (String line : Files.readAllLines(recorded.resolve("SHA256SUMS"))) {
      String name = line.substring(66);
      if (REAL.isPresent() || Files.exists(recorded.resolve(name))) {
        byte[] sum =
            MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(output.resolve(name)));
        assertThat(HexFormat.of().formatHex(sum)).as(name).isEqualTo(line.substring(0, 64));
      }
    }
  }

  @Test
  void weppcloud32() throws Exception {
    Path run = folder.resolve("runs/we/weppcloud-32");
    SampleRuns.weppcloud32(run);
    work(StandIn.install(folder.resolve("stand-in")));
    String hillslopes = enqueue("_run_hillslopes_rq", "weppcloud-32");
    end(hillslopes);
    assertThat(progress(hillslopes))
        .startsWith("{'completed': 32, 'total': 32, 'unit': 'hillslopes', 'percent': 100.0,");
    run("run_watershed_rq", "weppcloud-32");
    for (int id = 1; id <= 32; id++) {
      assertThat(run.resolve("wepp/output/H" + id + ".pass.dat")).isNotEmptyFile();
      assertThat(run.resolve("wepp/output/H" + id + ".loss.dat")).isNotEmptyFile();
    }
    assertThat(run.resolve("wepp/output/loss_pw0.txt")).content().contains("333.74");
    assertThat(history("weppcloud-32")).containsPattern("run_watershed_rq +weppcloud-32 +finished");
  }

  private String history(String run) {
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    try (LedgerStore store = new LedgerStore(new PostgresAccess(postgres.url(), null, null))) {
      new History(store).print(new PrintStream(text, true, StandardCharsets.UTF_8), run, null, 10);
    }
    return text.toString(StandardCharsets.UTF_8);
  }

  @Test
  void aMissingRunFolderFailsWithItsName() throws Exception {
    work(StandIn.install(folder.resolve("stand-in")));
    String job = enqueue("run_watershed_rq", "no-such-run");
    Settlement.Fail end = (Settlement.Fail) listener.awaitEnd(job);
    assertThat(ResultCodec.traceback(end.excString()))
        .contains(
            "FileNotFoundError: run no-such-run: its folder %s does not exist"
                .formatted(folder.resolve("runs/no/no-such-run")));
    listener.awaitRecorded(job, "failed");
  }
}
