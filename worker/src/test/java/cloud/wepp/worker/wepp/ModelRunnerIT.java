package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.process.ProcessRunner;
import cloud.wepp.worker.wepp.ModelRunner.Kind;
import cloud.wepp.worker.wepp.ModelRunner.Model;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Small hostile programs as models: what counts as a good run, and what is said of a bad one. */
class ModelRunnerIT {
  private static final String GOOD = "echo ' WEPP COMPLETED HILLSLOPE SIMULATION SUCCESSFULLY'\n";
  private static final String OUTPUTS =
      "echo pass >../output/H1.pass.dat; echo loss >../output/H1.loss.dat\n";

  private static ProcessRunner processes;
  private final RecordingContext context = new RecordingContext();
  @TempDir Path folder;
  private Path runs;

  @BeforeAll
  static void start() {
    processes = ProcessRunner.start();
  }

  @AfterAll
  static void stop() {
    processes.close();
  }

  @BeforeEach
  void layOut() throws IOException {
    runs = Files.createDirectories(folder.resolve("wepp/runs"));
    Files.createDirectories(folder.resolve("wepp/output"));
    Files.writeString(
        runs.resolve("p1.run"),
        "m\nYes\n1\n1\nYes\n../output/H1.pass.dat\n1\nNo\n../output/H1.loss.dat\np1.man\n");
    Files.writeString(runs.resolve("p1.man"), "98.4\n");
  }

  private Path program(String script) throws IOException {
    Path program = Files.writeString(folder.resolve("wepp.sh"), "#!/bin/sh\n" + script);
    return Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  private void run(Model model) throws JobFailed, InterruptedException {
    new ModelRunner(
            processes,
            new Executables(folder),
            new CpuBudget(2),
            Duration.ofMillis(200),
            Duration.ofMillis(0))
        .run(model, context);
  }

  private Model hillslope(Duration timeout, int retries, String script) throws IOException {
    return new Model(Kind.HILLSLOPE, 1, runs, program(script), timeout, retries, "run:wepp");
  }

  private void run(String script) throws Exception {
    run(hillslope(Duration.ofMinutes(1), 0, script));
  }

  private String failure(String script) {
    return catchThrowableOfType(JobFailed.class, () -> run(script)).traceback("f()");
  }

  private String log() throws IOException {
    return Files.readString(runs.resolve("p1.err"));
  }

  @Test
  void aGoodRunHasItsLastLineAndAllOutputs() throws Exception {
    run("cat >/dev/null\n" + OUTPUTS + "echo '  one  '; echo\n" + GOOD);
    assertThat(log())
        .contains("[run_hillslope] wepp_id=1 runs_dir=" + runs)
        .contains("timeout=60s timeout_retries=0")
        .contains("[run_hillslope] attempt 1/1 start\none\nWEPP COMPLETED HILLSLOPE");
    assertThat(context.used).hasSize(1);
    assertThat(context.published).isEmpty();
  }

  @Test
  void theExitCodeIsNotJudged() throws Exception {
    run(OUTPUTS + GOOD + "exit 1");
  }

  @Test
  void anEmptyOrMissingOutputIsAFailureWhateverWeppSays() {
    assertThat(failure(": >../output/H1.pass.dat\n" + GOOD))
        .contains(
            "WEPP reported success, but ../output/H1.pass.dat is empty, ../output/H1.loss.dat is"
                + " missing")
        .endsWith(
            "returncode=0; ../output/H1.pass.dat is empty, ../output/H1.loss.dat is missing\n");
  }

  @Test
  void anOutputOfAnEarlierRunDoesNotCount() throws Exception {
    run(OUTPUTS + GOOD);
    assertThat(failure(GOOD)).contains("../output/H1.pass.dat is missing");
  }

  @Test
  void aFailureNamesCommandFolderExitAndTheLastLines() {
    assertThat(failure(OUTPUTS + "echo 'p1.man   File does not exist'; echo trouble >&2; exit 2"))
        .startsWith("rq-worker: f() failed\n")
        .contains("  command: " + folder.resolve("wepp.sh"))
        .contains("  folder: " + runs)
        .contains("  exit: code 2")
        .contains("    p1.man   File does not exist\n    trouble\n")
        .contains("Exception: Error running WEPP hillslope for wepp_id=1; runs_dir=" + runs)
        .endsWith("; returncode=2\n");
  }

  @Test
  void aDeathBySignalIsTold() {
    assertThat(failure("kill -11 $$")).contains("  exit: signal 11");
  }

  @Test
  void theLineHalfWayThroughARoutingRunIsNoSuccess() throws Exception {
    Files.writeString(runs.resolve("pw0.run"), "M\nYes\n1\n2\n../output/pass_pw0.txt\n0\n");
    Path program =
        program(
            "echo x >../output/pass_pw0.txt\n"
                + "echo ' WEPP COMPLETED HILLSLOPE/WATERSHED SIMULATION SUCCESSFULLY'");
    Path log = runs.resolve("pw0.err");
    assertThatThrownBy(() -> run(new Model(Kind.WATERSHED, 0, runs, program, null, 0, null)))
        .hasMessage(
            "Error running wepp for watershed \nSee <a href=\"browse/wepp/runs/pw0.err\">%s</a>"
                .formatted(log));
  }

  @Test
  void linesOfARoutingRunArePublishedAsTheyCome() throws Exception {
    Files.writeString(runs.resolve("pw0.run"), "M\nYes\n1\n2\n../output/pass_pw0.txt\n0\n");
    Path go = folder.resolve("go");
    assertThat(new ProcessBuilder("mkfifo", go.toString()).start().waitFor()).isZero();
    Path program =
        program(
            "echo x >../output/pass_pw0.txt; echo ' first '; cat '%s'\n".formatted(go)
                + "echo ' WEPP COMPLETED WATERSHED SIMULATION SUCCESSFULLY'");
    CompletableFuture<Void> ended = new CompletableFuture<>();
    Thread.ofPlatform()
        .start(() -> {
          try {
            run(new Model(Kind.WATERSHED, 0, runs, program, null, 0, "run:wepp"));
            ended.complete(null);
          } catch (JobFailed | InterruptedException e) {
            ended.completeExceptionally(e);
          }
        });
    assertThat(context.published.poll(30, TimeUnit.SECONDS)).isEqualTo("run:wepp first");
    Files.writeString(go, "second\n");
    ended.get(30, TimeUnit.SECONDS);
    assertThat(context.published)
        .containsExactly(
            "run:wepp second", "run:wepp WEPP COMPLETED WATERSHED SIMULATION SUCCESSFULLY");
  }

  @Test
  void aRunThatNeverEndsIsTriedAgainAndThenFails() {
    String never = "trap '' TERM; echo working; while :; do sleep 1; done";
    assertThatThrownBy(() -> run(hillslope(Duration.ofMillis(300), 1, never)))
        .hasMessageStartingWith("Hillslope simulation timed out for wepp_id=1; runs_dir=" + runs)
        .hasMessageContaining("timeout_summary=[a1:")
        .hasMessageContaining("; a2:");
    assertThat(context.used).hasSize(2).allMatch(usage -> usage.exit() == -9);
    assertThat(context.pauses).hasSize(1);
    assertThat(context.published)
        .containsExactly(
            "run:wepp metric:run_hillslope wepp_id=1 timeout_attempts=2 success_on_retry=False"
                + " final_state=timeout");
  }

  @Test
  void aRetryMaySucceed() throws Exception {
    String once = "if [ ! -e ../once ]; then : >../once; exec sleep 1000; fi\n" + OUTPUTS + GOOD;
    run(hillslope(Duration.ofSeconds(2), 3, once));
    assertThat(log())
        .contains("timeout attempt=1/4", "retrying after timeout", "attempt 2/4 start")
        .contains("flake_detected wepp_id=1 timeout_attempts=1 success_on_retry=True");
  }

  @Test
  void waitsForInputsThatAreLate() throws Exception {
    Files.delete(runs.resolve("p1.man"));
    context.whilePausing =
        time -> {
          try {
            Files.writeString(runs.resolve("p1.man"), "98.4\n");
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        };
    ModelRunner patient =
        new ModelRunner(
            processes,
            new Executables(folder),
            new CpuBudget(1),
            Duration.ofSeconds(1),
            Duration.ofMinutes(1));
    patient.run(hillslope(Duration.ofMinutes(1), 0, OUTPUTS + GOOD), context);
    assertThat(context.pauses).containsExactly(Duration.ofMillis(250));
  }

  @Test
  void namesTheInputThatIsMissing() throws Exception {
    Files.delete(runs.resolve("p1.man"));
    assertThat(failure(GOOD))
        .endsWith(
            "FileNotFoundError: wepp hillslope 1: input %s was not there after 0 s\n"
                .formatted(runs.resolve("p1.man")));
    Files.delete(runs.resolve("p1.run"));
    assertThat(failure(GOOD)).contains(runs.resolve("p1.run").toString());
  }

  @Test
  void namesTheOutputFolderThatIsMissing() throws Exception {
    Files.delete(folder.resolve("wepp/output"));
    assertThat(failure(GOOD))
        .contains("the folder " + folder.resolve("wepp/output") + " does not exist");
  }

  @Test
  void keepsOnlyTheLastLinesOfAFlood() {
    String failure =
        failure("head -c 100000000 /dev/zero | tr '\\0' 'x' | fold -w 99; echo; echo the end");
    assertThat(failure).contains("    the end\n");
    assertThat(failure.length()).isLessThan(5000);
  }

  @Test
  void anInterruptLeavesNothingOfTheClaim() throws Exception {
    Path ready = folder.resolve("ready");
    assertThat(new ProcessBuilder("mkfifo", ready.toString()).start().waitFor()).isZero();
    Model model =
        hillslope(
            Duration.ofMinutes(1),
            3,
            "setsid sleep 1000 & sleep 1000 & echo up >'%s'; wait".formatted(ready));
    CompletableFuture<String> ended = new CompletableFuture<>();
    Thread slot =
        Thread.ofPlatform()
            .start(() -> {
              try {
                run(model);
                ended.complete("ran to its end");
              } catch (InterruptedException e) {
                ended.complete("interrupted");
              } catch (JobFailed e) {
                ended.completeExceptionally(e);
              }
            });
    assertThat(Files.readString(ready)).isEqualTo("up\n");
    slot.interrupt();
    assertThat(ended.get(30, TimeUnit.SECONDS)).isEqualTo("interrupted");
    assertThat(aliveWith(context.claimId())).isEmpty();
  }

  private static Stream<ProcessHandle> aliveWith(String claim) {
    return ProcessHandle.allProcesses()
        .filter(process -> {
          Path environment = Path.of("/proc", Long.toString(process.pid()), "environ");
          try {
            return new String(Files.readAllBytes(environment), StandardCharsets.ISO_8859_1)
                .contains(claim);
          } catch (IOException e) {
            return false; // it is gone, or another user's
          }
        });
  }
}
