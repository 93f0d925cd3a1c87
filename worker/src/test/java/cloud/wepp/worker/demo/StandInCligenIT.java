package cloud.wepp.worker.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The stand-in for CLIGEN as its callers see it; the ends are those of the real 5.32300. */
class StandInCligenIT {
  private static final String PAR = "id106388.par";
  private static final String GOOD = "STOP Normal program termination\n";

  @TempDir static Path bin;
  @TempDir Path folder;

  /** How one process ended and what it said. */
  private record End(int exit, List<String> said, String errors) {}

  @BeforeAll
  static void install() throws IOException {
    StandIn.install(bin);
  }

  @BeforeEach
  void layOut() throws IOException {
    SampleRuns.cligen(PAR, folder);
    SampleRuns.cligen("fish-springs.prn", folder);
    Files.move(folder.resolve("fish-springs.prn"), folder.resolve("ws.prn"));
  }

  private End cligen(String stdin, String args) throws Exception {
    List<String> command = new ArrayList<>(List.of(bin.resolve("cligen532").toString()));
    command.addAll(List.of(args.split(" ", -1)));
    Path in = Files.writeString(folder.resolve("in"), stdin);
    Path out = folder.resolve("out");
    Path err = folder.resolve("err");
    int exit =
        new ProcessBuilder(command)
            .directory(folder.toFile())
            .redirectInput(in.toFile())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile())
            .start()
            .waitFor();
    return new End(exit, Files.readAllLines(out), Files.readString(err));
  }

  private List<String> climate() throws IOException {
    return Files.readAllLines(folder.resolve("wepp.cli"));
  }

  @Test
  void answersAndFlagsMakeTheSameDays() throws Exception {
    assertThat(cligen("5\n1\n3\nwepp.cli\nn\n\n", "-i" + PAR))
        .satisfies(end -> assertThat(end.errors()).isEqualTo(GOOD))
        .satisfies(end -> assertThat(end.said().getFirst()).contains("STAND-IN"));
    List<String> answered = climate();
    assertThat(answered).hasSize(15 + 1095);
    assertThat(answered.get(2)).contains("NEW MEADOWS", "STAND-IN", "CLIGEN");
    assertThat(answered.getLast()).startsWith(" 31 12     3 ").hasSize(70);
    cligen("", "-i" + PAR + " -b1 -y3 -t5 -owepp.cli -F");
    assertThat(climate().subList(5, 15 + 1095)).isEqualTo(answered.subList(5, 15 + 1095));
  }

  @Test
  void observedDaysAreThoseOfTheFile() throws Exception {
    cligen("", "-i" + PAR + " -Ows.prn -owepp.cli -t6 -I2");
    assertThat(climate().get(15)).startsWith("  1  1  2020   5.1 ").contains("   4.4  -3.3 ");
  }

  @ParameterizedTest
  @CsvSource({
    "-inope.par -b1 -y2 -t5 -owepp.cli -F, '', 2, End of file",
    "-i id106388.par -b 1 -y 2 -t 5 -o wepp.cli -F, '', 2, End of file",
    "-iid106388.par -b1 -yabc -t5 -owepp.cli -F, '', 2, Bad integer for item 1 in list input",
    "-iid106388.par -b1 -y2 -tabc -owepp.cli -F, '', 2, Bad integer for item 1 in list input",
    "-iid106388.par -b1 -y0 -t5 -owepp.cli -F, '', 2, End of file",
    "-iid106388.par -t5 -owepp.cli -F, '', 2, End of file",
    "-iid106388.par -b1 -y2 -t5 -ono/such/wepp.cli -F, '', 2, Cannot open file 'no/such/wepp.cli'",
    "-iid106388.par -b1 -y2 -t8 -owepp.cli -F, '', 0, Normal",
    "-iid106388.par -b1 -y2 -t5 -o/dev/full -F, '', 0, Normal",
    "-iid106388.par -Onope.prn -owepp.cli -t6 -I2, '', 2, End of file",
    "-iid106388.par -Onope.prn -owepp.cli -t6 -I2, c, 2, End of file",
    "-iid106388.par -Onope.prn -owepp.cli -t6 -I2, q, 0, Normal",
    "-h, '', 0, Normal",
    "-V, '', 2, End of file"
  })
  void endsWithoutAClimate(String args, String stdin, int exit, String words) throws Exception {
    End end = cligen(stdin + "\n", args.replaceAll("^'|'$", ""));
    assertThat(end.exit()).isEqualTo(exit);
    assertThat(end.errors()).contains(words);
    assertThat(folder.resolve("wepp.cli")).doesNotExist();
    assertThat(Files.exists(folder.resolve("fort.10"))).isEqualTo(args.contains("nope.par"));
  }

  @Test
  void asksBeforeItOverwrites() throws Exception {
    Files.writeString(folder.resolve("wepp.cli"), "old");
    String args = "-i" + PAR + " -b1 -y2 -t5 -owepp.cli";
    End end = cligen("", args);
    assertThat(end.exit()).isEqualTo(2);
    assertThat(end.said()).anyMatch(line -> line.contains("Overwrite?"));
    assertThat(climate()).containsExactly("old");
    assertThat(cligen("n\nother.cli\n", args).exit()).isZero();
    assertThat(climate()).containsExactly("old");
    assertThat(folder.resolve("other.cli")).isNotEmptyFile();
  }

  private void station(String label, String value) throws IOException {
    List<String> lines = new ArrayList<>(Files.readAllLines(folder.resolve(PAR)));
    lines.replaceAll(line -> line.startsWith(label) ? label + value.repeat(12) : line);
    Files.write(folder.resolve(PAR), lines);
  }

  private End twoYears() throws Exception {
    return cligen("", "-i" + PAR + " -b1 -y2 -t5 -owepp.cli -F");
  }

  @Test
  void badStations() throws Exception {
    byte[] all = Files.readAllBytes(folder.resolve(PAR));
    station(" TMAX AV", "   NaN");
    assertThat(twoYears().exit()).isZero();
    assertThat(climate().getLast()).contains("NaN");
    station(" P(W/W) ", "   .00");
    assertThat(twoYears().said())
        .contains(" *** ERROR *** Could not produce desired level of quality in");
    station(" S DEV P", "   .00");
    assertThat(twoYears().said()).contains(" Gamma could not succeed in 10,000 tries.");
    station(" MEAN P ", " *****");
    assertThat(twoYears().errors()).contains("Bad value during floating point read");
    Files.write(folder.resolve(PAR), Arrays.copyOf(all, 1513));
    assertThat(twoYears().errors()).contains("End of file");
  }

  @ParameterizedTest
  @CsvSource({
    "500, '', 500, 0",
    "500, garbage, 500, 0",
    "500, 4    9    2020 NaN  40   26, 99, 2",
    "0, '', 0, 2"
  })
  void badObservations(int lines, String hundredth, int days, int exit) throws Exception {
    List<String> observed = new ArrayList<>(Files.readAllLines(folder.resolve("ws.prn")));
    if (!hundredth.isEmpty()) {
      observed.set(99, hundredth);
    }
    Files.write(folder.resolve("ws.prn"), observed.subList(0, lines));
    assertThat(cligen("", "-i" + PAR + " -Ows.prn -owepp.cli -t6 -I2").exit()).isEqualTo(exit);
    if (days > 0) {
      assertThat(climate()).hasSize(15 + days);
    } else {
      assertThat(folder.resolve("wepp.cli")).doesNotExist();
    }
  }
}
