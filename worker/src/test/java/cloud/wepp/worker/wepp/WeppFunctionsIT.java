package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobOutcome;
import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.testing.Processes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What WEPPcloud's functions say and leave, beside what the model does. */
class WeppFunctionsIT {
  @RegisterExtension static final Processes PROCESSES = new Processes();

  @TempDir Path folder;
  private final RecordingContext context = new RecordingContext();
  private Map<String, JobHandler> functions;
  private Path run;

  @BeforeEach
  void makeRun() throws IOException {
    run = Files.createDirectories(folder.resolve("a-/a-run"));
    Files.createDirectories(run.resolve("wepp/runs"));
    Files.createDirectories(run.resolve("wepp/output"));
    Files.writeString(run.resolve("wepp.nodb"), "{}");
    Files.writeString(
        run.resolve("wepp/runs/p1.run"), "m\nYes\n1\n1\nYes\n../output/H1.loss.dat\n");
    Files.writeString(run.resolve("wepp/runs/pw0.run"), "M\nYes\n1\n2\nYes\n../output/x.txt\n");
    Path wepp = Files.writeString(folder.resolve("wepp"), "#!/bin/sh\necho no\n");
    Files.setPosixFilePermissions(wepp, PosixFilePermissions.fromString("rwx------"));
    functions =
        WeppFunctions.of(
            new RunFolders(
                folder,
                folder,
                folder,
                folder,
                Optional.empty(),
                Optional.empty(),
                Optional.empty()),
            new WeppFunctions.Settings(
                folder,
                Duration.ofSeconds(60),
                Duration.ofSeconds(60),
                Duration.ofSeconds(60),
                0,
                2,
                RecordingContext.models(folder)),
            PROCESSES.runner(),
            new CpuBudget(2));
  }

  private JobOutcome call(String function, PyValue... args) throws InterruptedException {
    String name = "wepppy.rq.wepp_rq." + function;
    return Objects.requireNonNull(functions.get(name))
        .handle(new Call(name, List.of(args), Map.of()), context);
  }

  @ParameterizedTest
  @CsvSource({"run_hillslope_rq, 1", "_run_hillslopes_rq, 0", "run_watershed_rq, 0"})
  void aStopBeforeTheModelStartsIsNoFailure(String function, int hillslope) {
    PyValue[] args =
        hillslope == 0
            ? new PyValue[] {PyValue.of("a-run")}
            : new PyValue[] {PyValue.of("a-run"), PyValue.of(hillslope)};
    Thread.currentThread().interrupt();
    try {
      assertThatThrownBy(() -> call(function, args)).isInstanceOf(InterruptedException.class);
    } finally {
      boolean _ = Thread.interrupted();
    }
    assertThat(context.used).as("processes").isEmpty();
    assertThat(context.said)
        .as("a stop kills rq's function, which then says nothing")
        .singleElement()
        .satisfies(said -> assertThat(said.text()).contains(" STARTED " + function));
    assertThat(run.resolve("exceptions.log")).doesNotExist();
  }

  @Test
  void aFailureIsToldAndLogged() throws Exception {
    JobOutcome outcome = call("run_hillslope_rq", PyValue.of("a-run"), PyValue.of(1));
    assertThat(outcome).isInstanceOf(JobOutcome.Failed.class);
    String call = " run_hillslope_rq(a-run, wepp_id=1, wepp_bin=None)";
    assertThat(context.said)
        .containsExactly(
            new RecordingContext.Said("a-run:wepp", "rq:" + context.jobId() + " STARTED" + call),
            new RecordingContext.Said("a-run:wepp", "rq:" + context.jobId() + " EXCEPTION" + call));
    assertThat(run.resolve("exceptions.log"))
        .content()
        .startsWith("[1970-01-01T00:00:00Z] run_hillslope_rq failed\n")
        .contains("Exception: Error running WEPP hillslope for wepp_id=1; ");
    assertThat(run.resolve("rq.log")).content().contains("Job " + context.jobId() + " failed");
  }

  @Test
  void aCallThatDoesNotFitTellsNobodyAndFails() throws Exception {
    assertThat(call("_run_hillslopes_rq", PyValue.of("a-run"), PyValue.of(1)))
        .isEqualTo(
            new JobOutcome.Failed(
                """
                rq-worker: _run_hillslopes_rq failed
                TypeError: _run_hillslopes_rq() takes 1 positional argument but 2 were given
                """));
    assertThat(context.said).isEmpty();
  }
}
