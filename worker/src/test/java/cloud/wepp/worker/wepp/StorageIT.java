package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.worker.demo.SampleRuns;
import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.process.ProcessRunner;
import cloud.wepp.worker.testing.Preload;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Models that run in a local folder, and file systems that fail. */
@Timeout(120)
class StorageIT {
  private static final String OUTPUTS =
      """
      for kind in pass soil plot ebe element wat loss; do echo $kind >../output/H1.$kind.dat; done
      echo 'NO EVENT   2002   365' >>../output/H1.pass.dat
      echo ' 1 365 2002 0.0' >>../output/H1.wat.dat
      echo ' Average annual SSA enrichment ratio leaving profile = 0.00' >>../output/H1.loss.dat
      """;
  private static final String SUCCESS =
      """
      for year in 1 2 3; do echo " SIMULATION YEAR = $year"; done
      echo ' WEPP COMPLETED HILLSLOPE SIMULATION SUCCESSFULLY'
      """;
  private static final String GOOD = "#!/bin/sh\n" + OUTPUTS + SUCCESS;

  @TempDir static Path shared;
  private static Path faults;

  @TempDir Path folder;
  private Path runs;
  private Path output;

  @BeforeAll
  static void compile() throws IOException {
    faults = Preload.library(shared, "/storage/fault.c");
  }

  @BeforeEach
  void layOut() throws IOException {
    Path run = folder.resolve("run");
    SampleRuns.watershed7(run);
    runs = run.resolve("wepp/runs");
    output = run.resolve("wepp/output");
  }

  private Path executable() {
    return folder.resolve("wepp_test");
  }

  private void program(String script) throws IOException {
    Files.writeString(executable(), script);
    Files.setPosixFilePermissions(executable(), PosixFilePermissions.fromString("rwx------"));
  }

  /** Runs the first hillslope in a process of its own, of which a test may break the calls. */
  public static void main(String[] args) throws Exception {
    Path folder = Path.of(args[0]);
    Path runs = folder.resolve("run/wepp/runs");
    Path executable = folder.resolve("wepp_test");
    RecordingContext job = new RecordingContext();
    try (ProcessRunner processes = ProcessRunner.start()) {
      runner(processes, folder, args[1])
          .run(
              Model.hillslope(1, runs, executable, Duration.ofMinutes(1), 0, null),
              new CpuBudget(1),
              job);
      System.out.println("good " + job.doubts);
    } catch (JobFailed e) {
      System.out.println(e.traceback("call()"));
    }
    System.exit(0);
  }

  private static ModelRunner runner(ProcessRunner processes, Path folder, String staging) {
    return new ModelRunner(
        processes,
        new Executables(folder),
        new WeppFunctions.Models(
            Duration.ofMillis(100),
            Duration.ZERO,
            2,
            "warn",
            110,
            staging,
            true,
            folder.resolve("scratch"),
            "0",
            "off",
            Duration.ofSeconds(5),
            RecordingContext.UNWATCHED));
  }

  private String run(String staging, String fault) throws Exception {
    Path said = folder.resolve("said");
    ProcessBuilder process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin/java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                StorageIT.class.getName(),
                folder.toString(),
                staging)
            .redirectErrorStream(true)
            .redirectOutput(said.toFile());
    if (!fault.isEmpty()) {
      process.environment().put("LD_PRELOAD", faults.toString());
      process.environment().put("STORAGE_FAULT", fault);
      process.environment().put("STORAGE_FAULT_COUNT", folder.resolve("count").toString());
    }
    assertThat(process.start().waitFor()).as("exit").isZero();
    return Files.readString(said);
  }

  private long failures() throws IOException {
    return Files.size(folder.resolve("count"));
  }

  private List<Path> scratch() throws IOException {
    try (Stream<Path> files = Files.walk(folder.resolve("scratch"))) {
      return files.filter(file -> file.getFileName().toString().startsWith("model-")).toList();
    }
  }

  // staging

  @Test
  void othersSeeAnOutputWholeOrNotAtAll() throws Exception {
    assertThat(new ProcessBuilder("mkfifo", folder.resolve("gate").toString()).start().waitFor())
        .isZero();
    program("#!/bin/sh\n" + OUTPUTS + "read _ <" + folder.resolve("gate") + "\n" + SUCCESS);
    CompletableFuture<String> end =
        CompletableFuture.supplyAsync(() -> {
          try {
            return run("local", "");
          } catch (Exception e) {
            throw new AssertionError(e);
          }
        });
    // opens when the model is there to read, after it has written its outputs
    try (var gate = Files.newBufferedWriter(folder.resolve("gate"))) {
      assertThat(output).isEmptyDirectory();
      gate.write("open\n");
    }
    assertThat(end.get(60, TimeUnit.SECONDS)).contains("good []");
    assertThat(output.resolve("H1.pass.dat")).hasContent("pass\nNO EVENT   2002   365\n");
    assertThat(output.toFile().list()).as("and nothing half-written").hasSize(7);
    assertThat(scratch()).isEmpty();
  }

  @Test
  void aFailedRunPublishesNothing() throws Exception {
    Files.writeString(output.resolve("H1.loss.dat"), "of an earlier run");
    program("#!/bin/sh\n" + OUTPUTS + "echo no\n");
    assertThat(run("local", "")).contains("staged for: " + runs, "Error running WEPP hillslope");
    assertThat(output).isEmptyDirectory();
    assertThat(scratch()).isEmpty();
  }

  @Test
  void aStagedModelFindsItsInputsAndWhatLiesBesideThem() throws Exception {
    Path other = Files.createDirectories(folder.resolve("other/wepp/runs"));
    Files.move(runs.resolve("p1.cli"), other.resolve("p1.cli"));
    String far = "../../../other/wepp/runs/p1.cli";
    Path answers = runs.resolve("p1.run");
    Files.writeString(answers, Files.readString(answers).replace("p1.cli", far));
    program(
        "#!/bin/sh\ncat %s p1.sol snow.txt >both && echo seen >runout\n".formatted(far)
            + OUTPUTS
            + SUCCESS);
    assertThat(run("local", "")).contains("good []");
    assertThat(runs.resolve("runout"))
        .as("a file that the model makes by itself")
        .hasContent("seen");
    assertThat(Files.size(runs.resolve("both")))
        .isEqualTo(
            Files.size(other.resolve("p1.cli"))
                + Files.size(runs.resolve("p1.sol"))
                + Files.size(runs.resolve("snow.txt")));
  }

  @Test
  void whatADeadProcessLeftIsRemovedByTheNext() throws Exception {
    Path left = Files.createDirectories(folder.resolve("scratch/rq-worker-dead"));
    Files.createFile(left.resolve("lock"));
    Files.writeString(left.resolve("model-1"), "left");
    Path alive = Scratch.in(folder.resolve("scratch"));
    program(GOOD);
    assertThat(run("local", "")).contains("good []");
    assertThat(left).doesNotExist();
    assertThat(alive).exists();
  }

  // faults

  @ParameterizedTest
  @CsvSource({
    "open, 116, p1.run",
    "read, 5, p1.run",
    "read, 5, H1.wat.dat",
    "open, 110, H1.wat.dat.part",
    "write, 122, H1.pass.dat.part",
    "fsync, 5, H1.loss.dat.part",
    "rename, 116, H1.ebe.dat"
  })
  void aFaultThatPassesIsWaitedOut(String call, int errno, String path) throws Exception {
    program(GOOD);
    assertThat(run("local", "%s:%d:2:%s".formatted(call, errno, path))).contains("good []");
    assertThat(failures()).isEqualTo(2);
    assertThat(output.resolve("H1.pass.dat")).hasContent("pass\nNO EVENT   2002   365\n");
    assertThat(output.toFile().list()).hasSize(7);
  }

  @ParameterizedTest
  @CsvSource({
    "open, 116, p1.run, Stale file handle", "write, 28, .part, No space left on device",
    "rename, 5, H1.ebe.dat, Input/output error", "fsync, 122, .part, Disk quota exceeded"
  })
  void aFaultThatStaysIsNotCalledTheModels(String call, int errno, String path, String words)
      throws Exception {
    program(GOOD);
    assertThat(run("local", "%s:%d:-1:%s".formatted(call, errno, path)))
        .containsPattern("OSError: the storage failed, not the model: .* failed 5 times")
        .contains(words)
        .doesNotContain("Error running WEPP");
    assertThat(output.resolve("H1.wat.dat.part")).doesNotExist();
  }

  @ParameterizedTest
  @ValueSource(strings = {"off", "local"})
  void aModelThatMeetsAFaultIsRunAgain(String staging) throws Exception {
    program("#!/bin/sh\ncp p1.sol ../output/H1.soil.dat || exit 1\n" + OUTPUTS + SUCCESS);
    assertThat(run(staging, "write:28:1:H1.soil.dat")).contains("good []");
    assertThat(runs.resolve("p1.err"))
        .content()
        .containsPattern("storage fault, trying again: .*No space left on device");
  }

  @Test
  void aModelThatMeetsAFaultEachTimeIsNotCalledBad() throws Exception {
    program("#!/bin/sh\ncp p1.sol ../output/H1.soil.dat || exit 1\n" + OUTPUTS + SUCCESS);
    assertThat(run("off", "write:28:-1:H1.soil.dat"))
        .contains("OSError: the storage failed, not the model: wepp hillslope 1 said '")
        .contains("No space left on device', in 3 attempts");
  }

  @ParameterizedTest
  @CsvSource({"open, 5", "write, 28", "close, 116"})
  void aLogThatCannotBeKeptFailsNoSimulation(String call, int errno) throws Exception {
    program(GOOD);
    assertThat(run("off", "%s:%d:-1:p1.err".formatted(call, errno)))
        .contains("good []", "The log " + runs.resolve("p1.err") + " cannot be written");
  }
}
