package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.worker.demo.SampleRuns;
import cloud.wepp.worker.demo.StandIn;
import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.testing.Processes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** What is known of a good run, and whether it need not be run again. */
class ProvenanceIT {
  @RegisterExtension static final Processes PROCESSES = new Processes();

  @TempDir Path folder;
  private Path runs;
  private final RecordingContext job = new RecordingContext();
  private Model model;
  private ModelRunner runner;

  @BeforeEach
  void run() throws Exception {
    Path bin = StandIn.install(folder.resolve("bin"));
    SampleRuns.watershed7(folder.resolve("run"));
    runs = folder.resolve("run/wepp/runs");
    Executables executables = new Executables(bin);
    runner = new ModelRunner(PROCESSES.runner(), executables, RecordingContext.models(folder));
    model =
        Model.hillslope(
            1, runs, executables.find(null, true), Duration.ofMinutes(1), 0, "run:wepp");
    runner.run(model, new CpuBudget(1), job);
  }

  private void append(Path file) throws IOException {
    Files.writeString(file, Files.readString(file) + "\n");
  }

  @Test
  void aGoodRunTellsWhatItWasMadeOf() throws Exception {
    Provenance record = Provenance.of(model.runs(), model.stem()).orElseThrow();
    assertThat(Provenance.all(runs)).containsExactly(record);
    assertThat(record.job()).isEqualTo(job.jobId());
    assertThat(record.model()).isEqualTo("wepp hillslope 1");
    assertThat(record.doubts()).isEmpty();
    assertThat(record.executable().sha256())
        .isEqualTo(FileScan.of(model.executable()).sha256())
        .hasSize(64);
    assertThat(record.inputs())
        .extracting(Provenance.Item::name)
        .containsExactly(
            "p1.run",
            "p1.man",
            "p1.slp",
            "p1.cli",
            "p1.sol",
            "chan.inp",
            "pmetpara.txt",
            "snow.txt");
    assertThat(record.outputs())
        .contains(
            Provenance.Item.of(
                "../output/H1.pass.dat", FileScan.of(runs.resolve("../output/H1.pass.dat"))))
        .hasSize(7);
  }

  @Test
  void theSameJobNeedNotRunItAgain() throws Exception {
    assertThat(runner.isDone(model, job)).isTrue();
    assertThat(runner.isDone(model, new RecordingContext())).as("of another job").isFalse();
  }

  @Test
  void whatHasChangedSinceIsRunAgain() throws Exception {
    Path soil = runs.resolve("p1.sol");
    byte[] was = Files.readAllBytes(soil);
    append(soil);
    assertThat(runner.isDone(model, job)).as("an input is another").isFalse();
    Files.write(soil, was);
    assertThat(runner.isDone(model, job)).isTrue();
    Files.writeString(runs.resolve("frost.txt"), "a new file beside the inputs");
    assertThat(runner.isDone(model, job)).as("an input is new").isFalse();
    Files.delete(runs.resolve("frost.txt"));
    Path loss = runs.resolve("../output/H1.loss.dat");
    append(loss);
    assertThat(runner.isDone(model, job)).as("an output is another").isFalse();
    Files.delete(loss);
    assertThat(runner.isDone(model, job)).as("an output is gone").isFalse();
  }

  @Test
  void theInputsAreThoseFromBeforeTheRun() throws Exception {
    Path soil = runs.resolve("p1.sol");
    Provenance.Item before = Provenance.Item.of("p1.sol", FileScan.of(soil));
    Path changing =
        Files.writeString(
            folder.resolve("bin/changing"),
            "#!/bin/sh\n'%s' && echo >>p1.sol\n".formatted(model.executable()));
    Files.setPosixFilePermissions(changing, PosixFilePermissions.fromString("rwx------"));
    Model changed = Model.hillslope(1, runs, changing, Duration.ofMinutes(1), 0, null);
    runner.run(changed, new CpuBudget(1), job);
    assertThat(Provenance.of(runs, "p1").orElseThrow().inputs()).contains(before);
    assertThat(Provenance.Item.of("p1.sol", FileScan.of(soil))).isNotEqualTo(before);
    assertThat(runner.isDone(changed, job)).isFalse();
  }

  @Test
  void aRunThatFailsIsNotKnownAsGood() throws Exception {
    Files.writeString(runs.resolve("p1.man"), "words\n");
    try {
      runner.run(model, new CpuBudget(1), job);
    } catch (JobFailed e) {
      assertThat(Provenance.of(model.runs(), model.stem())).isEmpty();
      assertThat(Provenance.all(runs)).isEqualTo(List.of());
      return;
    }
    throw new AssertionError("the run must fail");
  }
}
