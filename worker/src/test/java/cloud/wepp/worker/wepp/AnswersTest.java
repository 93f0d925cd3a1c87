package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import cloud.wepp.worker.demo.SampleRuns;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AnswersTest {
  private static final List<String> HILLSLOPE_OUTPUTS =
      List.of("pass", "loss", "wat", "soil", "plot", "ebe", "element");

  @TempDir Path folder;

  private Path file(String text) throws Exception {
    return Files.writeString(folder.resolve("p.run"), text);
  }

  @Test
  void ofAHillslope() throws Exception {
    SampleRuns.watershed7(folder);
    Answers answers = Answers.read(folder.resolve("wepp/runs/p1.run"));
    assertThat(answers.inputs()).containsExactly("p1.man", "p1.slp", "p1.cli", "p1.sol");
    assertThat(answers.outputs())
        .containsExactlyElementsOf(
            HILLSLOPE_OUTPUTS.stream().map(name -> "../output/H1." + name + ".dat").toList());
  }

  @Test
  void ofAWatershed() throws Exception {
    SampleRuns.watershed7(folder);
    Answers answers = Answers.read(folder.resolve("wepp/runs/pw0.run"));
    List<String> inputs = new ArrayList<>();
    for (int id = 1; id <= 7; id++) {
      inputs.add("../output/H" + id + ".pass.dat");
    }
    List.of("str", "chn", "imp", "man", "slp", "cli", "sol")
        .forEach(suffix -> inputs.add("pw0." + suffix));
    assertThat(answers.inputs()).containsExactlyElementsOf(inputs);
    assertThat(answers.outputs())
        .containsExactly(
            "../output/pass_pw0.txt",
            "../output/loss_pw0.txt",
            "../output/chnwb.txt",
            "../output/soil_pw0.txt",
            "../output/plot_pw0.txt",
            "../output/ebe_pw0.txt");
  }

  @Test
  void passFilesOfASiblingRunAreInputs() throws Exception {
    Path file =
        file("M\nYes\n1\n2\n../output/pass_pw0.txt\n1\nM\nY\n../../../x/wepp/output/H2.pass.dat\n");
    Answers answers = Answers.read(file);
    assertThat(answers.inputs()).containsExactly("../../../x/wepp/output/H2.pass.dat");
    assertThat(answers.outputs()).containsExactly("../output/pass_pw0.txt");
  }

  /** An input that is taken for an output would be removed before the run. */
  @Test
  void passFilesAreInputsHoweverTheAnswerIsSpelledAndWithoutAMasterPassFile() throws Exception {
    Path file = file("M\nYes\n1\n2\n1\nm\nYes\n../output/H1.pass.dat\n\nNo\npw0.CLI\n");
    assertThat(Answers.read(file).inputs()).containsExactly("../output/H1.pass.dat", "pw0.CLI");
    assertThat(Answers.read(file).outputs()).isEmpty();
  }

  @Test
  void aNameAfterNoIsNotWrittenByRouting() throws Exception {
    Path file = file("M\nYes\n1\n2\n../output/pass_pw0.txt\n0\n\nNo\n../output/initcond_pw0.txt\n");
    assertThat(Answers.read(file).outputs()).containsExactly("../output/pass_pw0.txt");
  }

  @Test
  void lineEndsOfWindowsAndNoLastLineEndAreFine() throws Exception {
    Path file = file("m\r\nYes\r\n1\r\n1\r\nYes\r\n../output/H1.pass.dat\r\np1.man");
    Answers answers = Answers.read(file);
    assertThat(answers.outputs()).containsExactly("../output/H1.pass.dat");
    assertThat(answers.inputs()).containsExactly("p1.man");
  }

  @Test
  void anEmptyFileIsRefused() throws Exception {
    Path file = file(" \n\n");
    assertThatThrownBy(() -> Answers.read(file)).hasMessage(file + " is empty");
  }
}
