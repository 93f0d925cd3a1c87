package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import cloud.wepp.worker.process.ActivityWatch;
import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.process.Limits;
import cloud.wepp.worker.process.ProcessEnd;
import cloud.wepp.worker.testing.Processes;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/**
 * Small hostile programs in WEPP's place: what counts as a good run, and what is told of others.
 */
@Timeout(120)
class ModelRunnerIT {
  private static final String SAY_SUCCESS =
      "echo ' WEPP COMPLETED HILLSLOPE SIMULATION SUCCESSFULLY'\n";
  private static final String WRITE_OUTPUTS =
      """
      echo ' Average annual SSA enrichment ratio leaving profile = 0.00' >../output/H1.loss.dat
      echo 'NO EVENT   2001   365' >../output/H1.pass.dat
      """;
  private static final String SAY_YEARS =
      "echo ' SIMULATION YEAR = 1'; echo ' SIMULATION YEAR = 2'\n";
  private static final String GOOD = SAY_YEARS + WRITE_OUTPUTS + SAY_SUCCESS;
  private static final String HANG = "trap '' TERM; while :; do sleep 1; done\n";

  private static final String ROUTING_SUCCESS =
      "echo ' WEPP COMPLETED WATERSHED SIMULATION SUCCESSFULLY'\n";
  private static final String WRITE_LOSS = "echo loss >../output/loss_pw0.txt\n";
  private static final String TRAP =
      "echo ' WEPP COMPLETED HILLSLOPE/WATERSHED SIMULATION SUCCESSFULLY'\n";

  @RegisterExtension static final Processes PROCESSES = new Processes();
  @TempDir Path folder;
  @TempDir Path scratch;
  private final String staging = "off";
  private ActivityWatch.Rules activity = RecordingContext.UNWATCHED;
  private Path runs;
  private Path output;
  private RecordingContext job = new RecordingContext();

  @BeforeEach
  void layOut() throws IOException {
    runs = Files.createDirectories(folder.resolve("wepp/runs"));
    output = Files.createDirectories(folder.resolve("wepp/output"));
    answers(
        "p1.run",
        "m, Yes, 1, 1, Yes, ../output/H1.pass.dat, 1, No, ../output/H1.loss.dat, No, No, No, No,"
            + " No, No, No, No, No, p1.man, p1.slp, p1.cli, p1.sol, 0, 2, 0");
    answers(
        "pw0.run",
        "M, Yes, 1, 2, No, 1, M, Y, ../output/H1.pass.dat, , No, No, 1, ../output/loss_pw0.txt, No,"
            + " No, No, No, No, No, No, No, pw0.str, pw0.chn, pw0.man, pw0.slp, pw0.cli, pw0.sol,"
            + " 0, 2");
    for (String input : List.of("man", "slp", "cli", "sol")) {
      Files.writeString(runs.resolve("p1." + input), input);
      Files.writeString(runs.resolve("pw0." + input), input);
    }
    Files.writeString(runs.resolve("pw0.str"), "structure");
    Files.writeString(runs.resolve("pw0.chn"), "channels");
  }

  private void answers(String file, String answers) throws IOException {
    Files.write(runs.resolve(file), List.of(answers.split(", ", -1)));
  }

  private Path executable() {
    return folder.resolve("wepp_test");
  }

  private void program(String script) throws IOException {
    Files.writeString(executable(), "#!/bin/sh\n" + script);
    Files.setPosixFilePermissions(executable(), PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  private Model hillslope(Duration timeout, int retries) {
    return Model.hillslope(1, runs, executable(), timeout, retries, "run:wepp");
  }

  private Model watershed(@Nullable String channel) {
    return Model.watershed(runs, executable(), channel);
  }

  private void run(Model model, Duration inputWait) throws JobFailed, InterruptedException {
    new ModelRunner(
            PROCESSES.runner(),
            new Executables(folder),
            new WeppFunctions.Models(
                Duration.ofMillis(200),
                inputWait,
                2,
                "warn",
                110,
                staging,
                true,
                scratch,
                "0",
                "off",
                Duration.ofSeconds(5),
                activity))
        .run(model, new CpuBudget(2), job);
  }

  private void run(Model model) throws JobFailed, InterruptedException {
    run(model, Duration.ofSeconds(30));
  }

  private void runHillslope(String script) throws Exception {
    program(script);
    run(hillslope(Duration.ofMinutes(1), 3));
  }

  private void runWatershed(String script) throws Exception {
    Files.writeString(output.resolve("H1.pass.dat"), "pass\n");
    program(script);
    run(watershed(null));
  }

  /** A run that must fail. */
  @FunctionalInterface
  private interface Run {
    void run() throws Exception;
  }

  /** How rq's clients see the failure. */
  private static String failure(Run run) {
    JobFailed failed = catchThrowableOfType(JobFailed.class, run::run);
    assertThat(failed).as("the run fails").isNotNull();
    return failed.traceback("call()");
  }

  private List<String> log(String file) throws IOException {
    return Files.readAllLines(runs.resolve(file));
  }

  private void fifo(String name) throws IOException, InterruptedException {
    assertThat(new ProcessBuilder("mkfifo", folder.resolve(name).toString()).start().waitFor())
        .isZero();
  }

  /** The end of a run on a thread of its own, which a test may interrupt. */
  private record Started(Thread thread, CompletableFuture<String> end) {
    static Started of(Run run) {
      CompletableFuture<String> end = new CompletableFuture<>();
      Thread thread =
          Thread.ofPlatform()
              .start(() -> {
                try {
                  run.run();
                  end.complete("good");
                } catch (InterruptedException e) {
                  end.complete("interrupted");
                } catch (Throwable e) {
                  end.completeExceptionally(e);
                }
              });
      return new Started(thread, end);
    }

    String await() throws Exception {
      return end.get(60, TimeUnit.SECONDS);
    }
  }

  // what counts as a good run

  @Test
  void aRunThatSaysSuccessAndLeavesItsOutputsIsGood() throws Exception {
    runHillslope("cat >../answers; echo\n" + GOOD);
    assertThat(folder.resolve("wepp/answers")).hasSameTextualContentAs(runs.resolve("p1.run"));
    assertThat(log("p1.err"))
        .satisfiesExactly(
            line ->
                assertThat(line)
                    .isEqualTo(
                        "[run_hillslope] wepp_id=1 runs_dir=%s run_file=%s err_file=%s cmd=\"%s\""
                                .formatted(
                                    runs,
                                    runs.resolve("p1.run"),
                                    runs.resolve("p1.err"),
                                    executable())
                            + " timeout=60s timeout_retries=3"),
            line -> assertThat(line).startsWith("[run_hillslope] binary_identity binary_path="),
            line -> assertThat(line).isEqualTo("[run_hillslope] attempt 1/4 start"),
            line -> assertThat(line).isEqualTo("SIMULATION YEAR = 1"),
            line -> assertThat(line).isEqualTo("SIMULATION YEAR = 2"),
            line -> assertThat(line).isEqualTo("WEPP COMPLETED HILLSLOPE SIMULATION SUCCESSFULLY"));
    assertThat(job.used)
        .singleElement()
        .satisfies(used -> assertThat(used.name()).isEqualTo("wepp hillslope 1"));
    assertThat(job.said).as("nothing to tell").isEmpty();
  }

  @Test
  void theExitCodeOfAGoodRunDoesNotMatter() throws Exception {
    runHillslope(GOOD + "exit 1");
    assertThat(job.used).singleElement().satisfies(used -> assertThat(used.exit()).isEqualTo(1));
  }

  @Test
  void aLastLineWithoutItsEndCounts() throws Exception {
    runHillslope(WRITE_OUTPUTS + "printf ' WEPP COMPLETED HILLSLOPE SIMULATION SUCCESSFULLY'");
  }

  @Test
  void anEmptyOutputIsNamed() {
    assertThat(failure(() -> runHillslope(GOOD + ": >../output/H1.loss.dat")))
        .contains("WEPP reported success, but ../output/H1.loss.dat is empty\n")
        .endsWith("; ../output/H1.loss.dat is empty\n");
  }

  @Test
  void aMissingOutputIsNamed() {
    assertThat(failure(() -> runHillslope(GOOD + "rm ../output/H1.pass.dat")))
        .contains("WEPP reported success, but ../output/H1.pass.dat is missing\n");
  }

  @Test
  void outputsOfAnEarlierRunDoNotCount() throws Exception {
    Files.writeString(output.resolve("H1.pass.dat"), "of an earlier run");
    Files.writeString(output.resolve("H1.loss.dat"), "of an earlier run");
    Files.writeString(output.resolve("H2.loss.dat"), "of another hillslope");
    assertThat(failure(() -> runHillslope("ls ../output\n" + SAY_SUCCESS)))
        .contains("../output/H1.pass.dat is missing, ../output/H1.loss.dat is missing");
    assertThat(log("p1.err")).contains("H2.loss.dat").doesNotContain("H1.loss.dat", "H1.pass.dat");
  }

  @Test
  void theLineThatWeppPrintsHalfWayIsNoSuccess() {
    assertThat(failure(() -> runWatershed(WRITE_LOSS + TRAP)))
        .contains("process: exited with code 0 after ")
        .endsWith(
            "Exception: Error running wepp for watershed \n"
                + "See <a href=\"browse/wepp/runs/pw0.err\">"
                + runs.resolve("pw0.err")
                + "</a>\n");
    assertThat(failure(() -> runHillslope(WRITE_OUTPUTS + TRAP))).contains("returncode=0");
  }

  @Test
  void anEndWithoutTheLineTellsHowItWasRunAndWhatItSaid() throws Exception {
    String failure = failure(() -> runHillslope(WRITE_OUTPUTS + "echo one; echo two >&2"));
    assertThat(failure.replaceAll("(?m) after [\\d.]+ s(; peak memory .*)?$", ""))
        .isEqualTo(
            """
            rq-worker: call() failed
              command: %3$s
              folder: %1$s
              standard input: %1$s/p1.run
              process: exited with code 0
              last lines of output:
                one
                two
            Exception: Error running WEPP hillslope for wepp_id=1; runs_dir=%1$s; \
            run_file=%1$s/p1.run; err_file=%1$s/p1.err; cmd="%3$s"; returncode=%2$d
            """
                .formatted(runs, 0, executable()));
    assertThat(job.used).as("no second attempt").hasSize(1);
  }

  @Test
  void oneThatNeedsMoreMemoryIsTriedAgainWithMoreWhereItMay() throws Exception {
    long mib = 1 << 20;
    job.limits = new Limits(60 * mib, 0, 0, 0, new Limits.Growth(1, 4, 0));
    String hungry = "(head -c 120000000 /dev/zero; sleep 1) | tail >/dev/null\n";
    runHillslope(hungry + GOOD);
    assertThat(job.used)
        .extracting(used -> used.end().cause())
        .containsExactly(ProcessEnd.Cause.MEMORY, ProcessEnd.Cause.EXITED);
    assertThat(log("p1.err"))
        .anyMatch(line -> line.endsWith("; trying again with a limit of 252 MB"));

    job.limits = new Limits(60 * mib, 0, 0, 0, Limits.Growth.NONE);
    assertThat(failure(() -> runHillslope(hungry + GOOD)))
        .containsPattern("process: was ended by signal 9 .* MB; its limit was 63 MB\n")
        .contains("returncode=-9");
  }

  @Test
  void aSignalIsToldAsOne() {
    assertThat(failure(() -> runHillslope("kill -11 $$")))
        .contains("process: was ended by signal 11 after ")
        .contains("returncode=-11");
  }

  @Test
  void aHillslopesSuccessThatIsNotTheLastLineIsNone() {
    assertThat(failure(() -> runHillslope(GOOD + "echo ' Fortran runtime error: End of file'")))
        .contains("    Fortran runtime error: End of file\n")
        .doesNotContain("WEPP reported success");
  }

  @Test
  void aWatershedBelowAParentRunIsLinkedByItsOwnPath() throws Exception {
    Path pup = Files.createDirectories(folder.resolve("_pups/omni/scenarios/mulch"));
    Files.move(folder.resolve("wepp"), pup.resolve("wepp"));
    runs = pup.resolve("wepp/runs");
    output = pup.resolve("wepp/output");
    assertThat(failure(() -> runWatershed("exit 0")))
        .endsWith(
            "See <a href=\"browse/_pups/omni/scenarios/mulch/wepp/runs/pw0.err\">%s</a>\n"
                .formatted(runs.resolve("pw0.err")));
  }

  @Test
  void outputsOfOtherProjectsAreNotRemoved() throws Exception {
    Path other = Files.createDirectories(folder.resolve("other/wepp/output"));
    Path loss = Files.writeString(other.resolve("loss.txt"), "loss");
    answers(
        "pw0.run",
        "M, Yes, 1, 2, No, 1, M, Y, ../output/H1.pass.dat, , Yes,"
            + " ../../other/wepp/output/loss.txt, pw0.str");
    runWatershed(ROUTING_SUCCESS);
    assertThat(loss).hasContent("loss");
  }

  @Test
  void aProgramThatCannotBeStartedFailsTheRun() {
    assertThat(
            failure(() -> {
              Files.writeString(executable(), "#!/no/such/shell\n");
              Files.setPosixFilePermissions(
                  executable(), PosixFilePermissions.fromString("rwx------"));
              run(hillslope(Duration.ofMinutes(1), 3));
            }))
        .endsWith("OSError: cannot start " + executable() + ": No such file or directory\n");
  }

  @Test
  void aLogThatCannotBeWrittenFailsNothing() throws Exception {
    Files.createDirectory(runs.resolve("p1.err"));
    runHillslope(GOOD);
    assertThat(output.resolve("H1.loss.dat")).isNotEmptyFile();
  }

  @Test
  void aMissingOutputFolderFailsTheRunBeforeItStarts() throws Exception {
    Files.delete(output);
    assertThat(failure(() -> runHillslope(GOOD)))
        .endsWith(
            "FileNotFoundError: %s writes ../output/H1.pass.dat, but the folder %s does not exist\n"
                .formatted(runs.resolve("p1.run"), output));
    assertThat(job.used).isEmpty();
  }

  // timeouts

  @Test
  void aRunIntoTheTimeoutIsTriedAgainSoOftenAndNotMore() throws Exception {
    program("echo try >>../tries; echo half way\n" + HANG);
    assertThat(failure(() -> run(hillslope(Duration.ofSeconds(1), 2))))
        .matches(
            "(?s).*\nTimeoutError: Hillslope simulation timed out for wepp_id=1; runs_dir=\\S+;"
                + " timeout_summary=\\[a1:\\d+\\.\\ds last=\"half way\"; a2:\\d+\\.\\ds last=\"half"
                + " way\"; a3:\\d+\\.\\ds last=\"half way\"]\n");
    assertThat(folder.resolve("wepp/tries")).hasContent("try\ntry\ntry");
    assertThat(log("p1.err"))
        .contains(
            "[run_hillslope] attempt 1/3 start",
            "[run_hillslope] timeout attempt=1/3 last=\"half way\"",
            "[run_hillslope] attempt 3/3 start",
            "[run_hillslope] timeout attempt=3/3 last=\"half way\"",
            "[run_hillslope] flake_detected wepp_id=1 timeout_attempts=3 success_on_retry=False"
                + " final_state=timeout")
        .filteredOn(line -> line.startsWith("[run_hillslope] retrying after timeout backoff="))
        .hasSize(2);
    assertThat(job.said)
        .containsExactly(
            new RecordingContext.Said(
                "run:wepp",
                "metric:run_hillslope wepp_id=1 timeout_attempts=3 success_on_retry=False"
                    + " final_state=timeout"));
    assertThat(job.used).hasSize(3).allSatisfy(used -> assertThat(used.exit()).isEqualTo(-9));
    assertThat(job.pauses)
        .satisfiesExactly(
            first -> assertThat(first).isBetween(Duration.ofMillis(500), Duration.ofMillis(1000)),
            then -> assertThat(then).isBetween(Duration.ofMillis(1000), Duration.ofMillis(1500)));
  }

  @Test
  void aTimeoutThatTheNextAttemptMakesGoodIsToldAsAFlake() throws Exception {
    program("if mkdir ../first; then\n" + HANG + "fi\n" + GOOD);
    run(hillslope(Duration.ofSeconds(1), 3));
    String flake = "wepp_id=1 timeout_attempts=1 success_on_retry=True final_state=success";
    assertThat(log("p1.err")).last().isEqualTo("[run_hillslope] flake_detected " + flake);
    assertThat(job.said)
        .containsExactly(new RecordingContext.Said("run:wepp", "metric:run_hillslope " + flake));
  }

  @Test
  void outputsOfAnAttemptThatTimedOutDoNotCountForTheNext() throws Exception {
    program("if mkdir ../first; then\n" + WRITE_OUTPUTS + HANG + "fi\n" + SAY_SUCCESS);
    assertThat(failure(() -> run(hillslope(Duration.ofSeconds(1), 3))))
        .contains("../output/H1.pass.dat is missing, ../output/H1.loss.dat is missing");
  }

  @Test
  void aTimeoutAfterTheSuccessIsNone() throws Exception {
    program(GOOD + HANG);
    run(hillslope(Duration.ofSeconds(1), 3));
    assertThat(job.used).hasSize(1);
    assertThat(job.said).isEmpty();
  }

  // inputs

  @Test
  void anInputThatComesLateIsWaitedFor() throws Exception {
    Path late = runs.resolve("p1.cli");
    Files.delete(late);
    job = new RecordingContext(() -> Files.writeString(late, "late climate\n"));
    runHillslope("cat p1.cli\n" + GOOD);
    assertThat(job.pauses).hasSize(1);
    assertThat(log("p1.err")).contains("late climate");
  }

  @Test
  void aMissingInputIsNamedAndNothingIsRun() throws Exception {
    Files.delete(runs.resolve("p1.sol"));
    program(GOOD);
    assertThat(failure(() -> run(hillslope(Duration.ofMinutes(1), 3), Duration.ZERO)))
        .contains("FileNotFoundError: ", runs.resolve("p1.sol").toString());
    assertThat(job.used).isEmpty();
  }

  @Test
  void anInputThatIsAlsoAnOutputOfHillslopesIsNotRemovedByRouting() throws Exception {
    runWatershed("cat ../output/H1.pass.dat\n" + WRITE_LOSS + ROUTING_SUCCESS);
    assertThat(log("pw0.err")).contains("pass");
  }

  // ends

  @Test
  void anInterruptLeavesNoProcessOfTheClaim() throws Exception {
    fifo("ready");
    program("setsid sleep 1000 &\necho up >../../ready; " + HANG);
    Started run = Started.of(() -> run(hillslope(Duration.ofMinutes(5), 3)));
    assertThat(Files.readString(folder.resolve("ready"))).isEqualTo("up\n");
    assertThat(carriers(job.claimId())).isNotEmpty();
    run.thread().interrupt();
    assertThat(run.await()).isEqualTo("interrupted");
    assertThat(carriers(job.claimId())).isEmpty();
  }

  @Test
  void anInterruptJustAfterTheEndIsNoFailure() throws Exception {
    job =
        new RecordingContext() {
          @Override
          public void account(String name, ProcessEnd end) {
            Thread.currentThread().interrupt();
          }
        };
    Started run = Started.of(() -> runHillslope(GOOD));
    assertThat(run.await()).isEqualTo("interrupted");
  }

  // what does nothing, and what the storage ends

  /** Two minutes on a clock that moves on by one at each look. */
  private void watchForStalls(boolean kill) {
    job.step = Duration.ofMinutes(1);
    activity =
        new ActivityWatch.Rules(
            Duration.ofMinutes(2), kill, Duration.ofSeconds(30), Duration.ofMinutes(3), 3);
  }

  @Test
  void aStoppedModelIsToldOfAndEndedWhereThatIsWished() throws Exception {
    watchForStalls(true);
    assertThat(failure(() -> runWatershed("echo half way; kill -STOP $$\n")))
        .containsPattern("process: was ended by signal 9 after .*; it did nothing any more\n")
        .contains("    half way\n");
    assertThat(job.stalls)
        .singleElement()
        .asString()
        .matches(
            "wepp watershed: process \\d+ has done nothing for \\d+ s \\(state T.*\\); it is"
                + " ended");
    assertThat(job.used)
        .singleElement()
        .satisfies(used -> assertThat(used.end().cause()).isEqualTo(ProcessEnd.Cause.STALLED));
    assertThat(log("pw0.err"))
        .anyMatch(line -> line.startsWith("[run_watershed] stalled: process "));
  }

  @Test
  void oneThatIsOnlyToldOfMayGoOn() throws Exception {
    watchForStalls(false);
    Started run =
        Started.of(
            () -> runWatershed("kill -STOP $$\n" + WRITE_LOSS + "sleep 2\n" + ROUTING_SUCCESS));
    String told = job.stalls.poll(60, TimeUnit.SECONDS);
    assertThat(told).isNotNull().doesNotContain("it is ended");
    assertThat(log("pw0.err"))
        .as("while it does nothing")
        .anyMatch(line -> line.startsWith("[run_watershed] stalled: process "));
    String pid = told.replaceAll(".* process (\\d+) .*", "$1");
    assertThat(new ProcessBuilder("kill", "-CONT", pid).start().waitFor()).isZero();
    assertThat(run.await()).isEqualTo("good");
    assertThat(log("pw0.err")).contains("[run_watershed] process %s goes on".formatted(pid));
  }

  @Test
  void theStoragesFaultIsTheCauseOfTheEnd() {
    assertThat(failure(() -> runWatershed("echo 'forrtl: No space left on device'; exit 38\n")))
        .contains("OSError: the storage failed, not the model: wepp watershed said 'forrtl: No");
    assertThat(job.used)
        .hasSize(3)
        .allSatisfy(
            used -> assertThat(used.end().cause()).isEqualTo(ProcessEnd.Cause.INFRASTRUCTURE));
  }

  /** The processes that have the claim in their environment. */
  private static List<Path> carriers(String claim) throws IOException {
    List<Path> carriers = new ArrayList<>();
    try (DirectoryStream<Path> all = Files.newDirectoryStream(Path.of("/proc"), "[1-9]*")) {
      for (Path process : all) {
        try {
          byte[] environment = Files.readAllBytes(process.resolve("environ"));
          if (new String(environment, StandardCharsets.ISO_8859_1).contains(claim)) {
            carriers.add(process);
          }
        } catch (IOException e) {
          // has ended meanwhile, or is another user's
        }
      }
    }
    return carriers;
  }

  // output

  @Test
  void ofAFloodTheLastLinesAreKept() {
    String failure =
        failure(() ->
            runHillslope(
                "yes 'SIMULATION YEAR = 1 and much more, so that a line has about a hundred"
                    + " characters, as they often have' | head -c 100000000\n"
                    + "echo; for i in $(seq 30); do echo last $i; done\n"));
    assertThat(failure.lines().dropWhile(line -> !line.equals("  last lines of output:")).skip(1))
        .startsWith("    last 11")
        .hasSize(20 + 1)
        .containsAll(IntStream.rangeClosed(11, 30).mapToObj(i -> "    last " + i).toList());
    assertThat(runs.resolve("p1.err").toFile().length()).isGreaterThan(99_000_000);
  }

  @Test
  void theLinesOfRoutingAreSaidWhileItRuns() throws Exception {
    fifo("gate");
    Files.writeString(output.resolve("H1.pass.dat"), "pass\n");
    program("echo first line; read gate <../../gate\n" + WRITE_LOSS + ROUTING_SUCCESS);
    Started run = Started.of(() -> run(watershed("run:wepp")));
    assertThat(job.said.poll(60, TimeUnit.SECONDS))
        .isEqualTo(new RecordingContext.Said("run:wepp", "first line"));
    assertThat(run.end()).isNotDone();
    Files.writeString(folder.resolve("gate"), "open\n");
    assertThat(run.await()).isEqualTo("good");
    assertThat(job.said)
        .containsExactly(
            new RecordingContext.Said(
                "run:wepp", "WEPP COMPLETED WATERSHED SIMULATION SUCCESSFULLY"));
  }

  @Test
  void theLinesOfAHillslopeAreNotSaid() throws Exception {
    runHillslope("echo SIMULATION YEAR = 1\n" + GOOD);
    assertThat(job.said).isEmpty();
  }
}
