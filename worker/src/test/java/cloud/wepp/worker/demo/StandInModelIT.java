package cloud.wepp.worker.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The stand-in as its callers see it: an executable, its answers, its ends. */
class StandInModelIT {
  private static final String HILLSLOPE = " WEPP COMPLETED HILLSLOPE SIMULATION SUCCESSFULLY";
  private static final String WATERSHED = " WEPP COMPLETED WATERSHED SIMULATION SUCCESSFULLY";
  private static final String TRAP = " WEPP COMPLETED HILLSLOPE/WATERSHED SIMULATION SUCCESSFULLY";

  @TempDir static Path bin;
  @TempDir Path folder;
  private Path run;
  private Path runs;

  /** How one process ended and what it said. */
  private record End(int exit, List<String> said, String errors) {
    String last() {
      return said.getLast();
    }

    long years() {
      return said.stream().filter(line -> line.startsWith(" SIMULATION YEAR =")).count();
    }
  }

  @BeforeAll
  static void install() throws IOException {
    StandIn.install(bin);
  }

  @BeforeEach
  void layOut() throws IOException {
    run = folder.resolve("run");
    runs = run.resolve("wepp/runs");
    SampleWatershed.layOut(run);
  }

  private End model(String executable, String id, Map<String, String> environment)
      throws Exception {
    Path out = folder.resolve(id + ".out");
    Path err = folder.resolve(id + ".err");
    ProcessBuilder model =
        new ProcessBuilder(bin.resolve(executable).toString())
            .directory(runs.toFile())
            .redirectInput(runs.resolve(id + ".run").toFile())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile());
    model.environment().putAll(environment);
    int exit = model.start().waitFor();
    return new End(exit, Files.readAllLines(out), Files.readString(err));
  }

  private End model(String id) throws Exception {
    return model("wepp", id, Map.of());
  }

  private void all(int hillslopes, int years) throws Exception {
    for (int id = 1; id <= hillslopes; id++) {
      succeeds(model("wepp_standin_hill", "p" + id, Map.of()), "p" + id, HILLSLOPE, years);
    }
    End routing = model("wepp_standin", "pw0", Map.of());
    succeeds(routing, "pw0", WATERSHED, years);
    assertThat(routing.said()).contains(TRAP);
    assertThat(runs.resolve("chan.out")).isNotEmptyFile();
    assertThat(runs.resolve("chanwb.out")).isNotEmptyFile();
  }

  private void succeeds(End end, String id, String last, int years) throws IOException {
    assertThat(end.errors()).isEmpty();
    assertThat(end.exit()).isZero();
    assertThat(end.last()).isEqualTo(last);
    assertThat(end.years()).isEqualTo(years);
    assertThat(end.said().getFirst()).contains("STAND-IN");
    for (String answer : Files.readAllLines(runs.resolve(id + ".run"))) {
      if (answer.startsWith("../output/")) {
        Path output = runs.resolve(answer);
        assertThat(Files.readAllLines(output).getFirst()).as(answer).contains("STAND-IN");
      }
    }
  }

  private Path output(String name) {
    return run.resolve("wepp/output").resolve(name);
  }

  private void cut(Path file) throws IOException {
    String text = Files.readString(file);
    Files.writeString(file, text.substring(0, text.length() * 2 / 5));
  }

  private void fails(End end, int exit) {
    assertThat(end.exit()).isEqualTo(exit);
    assertThat(end.said()).doesNotContain(HILLSLOPE, WATERSHED);
    if (exit == 0) {
      assertThat(end.errors()).isEmpty();
    } else {
      assertThat(end.errors()).startsWith("Fortran runtime error: ");
    }
  }

  @Test
  void runsTheMadeUpWatershed() throws Exception {
    all(SampleWatershed.HILLSLOPES, 2);
    assertThat(Files.readAllLines(output("H3.pass.dat")).getLast()).contains("2002   365");
    assertThat(Files.readAllLines(output("H3.loss.dat")).getLast())
        .contains("SSA enrichment ratio leaving profile");
  }

  @Test
  void runsTheSmallRealWatershed() throws Exception {
    SampleRuns.watershed7(run);
    all(7, 3);
    // As in the real executable's output of the same inputs.
    assertThat(Files.readString(output("H1.loss.dat"))).contains("357 storms", " 4316.10 mm");
    assertThat(Files.readString(output("loss_pw0.txt"))).contains("63.88 ha");
  }

  @Test
  void runsTheLargeRealWatershed() throws Exception {
    SampleRuns.weppcloud32(run);
    all(32, 3);
    assertThat(Files.readString(output("loss_pw0.txt"))).contains("333.74 ha");
  }

  @Test
  void saysTheSameEachTime() throws Exception {
    all(SampleWatershed.HILLSLOPES, 2);
    Map<String, String> first = contents();
    all(SampleWatershed.HILLSLOPES, 2);
    assertThat(contents()).isEqualTo(first);
  }

  private Map<String, String> contents() throws IOException {
    Map<String, String> contents = new TreeMap<>();
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        contents.put(file.toString(), Files.readString(file));
      }
    }
    return contents;
  }

  @Test
  void replaysWhatWasRecordedAndMakesTheRest() throws Exception {
    SampleRuns.watershed7(run);
    Path recorded = folder.resolve("recorded");
    SampleRuns.watershed7Recorded(recorded);
    Map<String, String> replay = Map.of("STANDIN_REPLAY", recorded.toString());
    for (int id = 1; id <= 7; id++) {
      End end = model("wepp", "p" + id, replay);
      assertThat(end.last()).isEqualTo(HILLSLOPE);
      assertThat(end.years()).isEqualTo(3);
      assertThat(end.said().getFirst()).contains("STAND-IN");
    }
    assertThat(model("wepp", "pw0", replay).last()).isEqualTo(WATERSHED);
    for (String name :
        List.of("H1.loss.dat", "H1.pass.dat", "H5.loss.dat", "ebe_pw0.txt", "loss_pw0.txt")) {
      assertThat(output(name)).hasSameBinaryContentAs(recorded.resolve(name));
    }
    assertThat(Files.readString(output("H2.pass.dat"))).contains("STAND-IN");
    assertThat(Files.readString(folder.resolve("p1.out")))
        .endsWith(Files.readString(recorded.resolve("p1.stdout.txt")));
  }

  @ParameterizedTest
  @ValueSource(strings = {"man", "slp", "cli", "sol"})
  void aMissingInputEndsWithoutAnError(String suffix) throws Exception {
    Files.delete(runs.resolve("p1." + suffix));
    End end = model("p1");
    fails(end, 0);
    assertThat(end.last()).startsWith(" p1." + suffix).endsWith("File does not exist");
  }

  @ParameterizedTest
  @ValueSource(strings = {"man", "slp", "cli", "sol"})
  void aBrokenInputCrashes(String suffix) throws Exception {
    Path input = runs.resolve("p1." + suffix);
    cut(input);
    fails(model("p1"), 2);
    Files.writeString(input, "words\nwords\nwords\n".repeat(9));
    fails(model("p1"), 2);
    Files.writeString(input, "");
    End end = model("p1");
    fails(end, 2);
    assertThat(end.errors()).isEqualTo("Fortran runtime error: End of file\n");
  }

  @ParameterizedTest
  @CsvSource({"p1, 0", "p1, 20", "p1, 29", "pw0, 10", "pw0, 30"})
  void answersThatEndEarlyCrash(String id, int lines) throws Exception {
    Path answers = runs.resolve(id + ".run");
    Files.write(answers, Files.readAllLines(answers).subList(0, lines));
    for (int hillslope = 1; hillslope <= SampleWatershed.HILLSLOPES; hillslope++) {
      Files.writeString(output("H" + hillslope + ".pass.dat"), "");
    }
    fails(model(id), 2);
  }

  @Test
  void aMissingOutputFolderIsCalledAnExistingFile() throws Exception {
    Files.delete(run.resolve("wepp/output"));
    End end = model("p1");
    fails(end, 0);
    assertThat(end.last()).isEqualTo(" file already exists");
  }

  @Test
  void aFullDiskIsASuccessWithoutOutput() throws Exception {
    Path answers = runs.resolve("p1.run");
    Files.writeString(
        answers, Files.readString(answers).replace("../output/H1.pass.dat", "/dev/full"));
    succeeds(model("p1"), "p1", HILLSLOPE, 2);
  }

  @Test
  void notANumberGoesThrough() throws Exception {
    Path climate = runs.resolve("p1.cli");
    List<String> lines = Files.readAllLines(climate);
    lines.set(19, "  5  1  2001   NaN  5.00 0.30   2.00   1.4  -4.1  72.  6.5  233.  -5.2");
    Files.write(climate, lines);
    succeeds(model("p1"), "p1", HILLSLOPE, 2);
    assertThat(Files.readString(output("H1.pass.dat"))).contains("2001     5              NaN");
  }

  @Test
  void routingNeedsEveryPassFileWhole() throws Exception {
    all(SampleWatershed.HILLSLOPES, 2);
    Path pass = output("H2.pass.dat");
    cut(pass);
    End end = model("pw0");
    fails(end, 2);
    assertThat(end.said()).doesNotContain(TRAP);
    Files.delete(pass);
    end = model("pw0");
    fails(end, 2);
    assertThat(end.errors()).contains("Cannot open file '../output/H2.pass.dat'");
  }

  @ParameterizedTest
  @ValueSource(strings = {"str", "chn", "imp", "man", "slp", "cli", "sol"})
  void routingStopsAfterTheTrapWhenAnInputIsMissing(String suffix) throws Exception {
    all(SampleWatershed.HILLSLOPES, 2);
    Files.delete(runs.resolve("pw0." + suffix));
    End end = model("pw0");
    fails(end, 0);
    assertThat(end.said()).contains(TRAP);
  }

  @Test
  void fewerYearsThanAskedAreASuccess() throws Exception {
    Files.writeString(runs.resolve("p1.run"), Answers.hillslope(1, 50));
    succeeds(model("p1"), "p1", HILLSLOPE, 2);
  }

  @Test
  void anUnknownOptionEndsWithANote() throws Exception {
    Path answers = runs.resolve("p1.run");
    List<String> lines = Files.readAllLines(answers);
    lines.set(3, "9");
    Files.write(answers, lines);
    End end = model("p1");
    assertThat(end.exit()).isZero();
    assertThat(end.last())
        .isEqualTo(" WEPP COMPLETED HILLSLOPE SIMULATION WITH NOTES, CAUTIONS, OR WARNINGS");
  }
}
