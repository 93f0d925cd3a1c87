package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a {@code .run} file says of the files that WEPP reads and writes. */
class AnswersTest {
  @TempDir Path folder;

  private Answers answers(String text) throws IOException, JobFailed {
    return Answers.read(Files.writeString(folder.resolve("p.run"), text));
  }

  private static String sample(String name) throws IOException {
    String resource = "/wepp-sample/watershed-7/runs/" + name;
    try (InputStream in =
        Objects.requireNonNull(AnswersTest.class.getResourceAsStream(resource), resource)) {
      return new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
    }
  }

  @Test
  void aHillslopeReadsFourFilesAndWritesSeven() throws Exception {
    Answers answers = answers(sample("p1.run"));
    assertThat(answers.inputs()).containsExactly("p1.man", "p1.slp", "p1.cli", "p1.sol");
    assertThat(answers.outputs())
        .containsExactly(
            "../output/H1.pass.dat",
            "../output/H1.loss.dat",
            "../output/H1.wat.dat",
            "../output/H1.soil.dat",
            "../output/H1.plot.dat",
            "../output/H1.ebe.dat",
            "../output/H1.element.dat");
  }

  @Test
  void routingReadsThePassFilesOfItsHillslopes() throws Exception {
    Answers answers = answers(sample("pw0.run"));
    assertThat(answers.inputs())
        .containsExactly(
            "../output/H1.pass.dat",
            "../output/H2.pass.dat",
            "../output/H3.pass.dat",
            "../output/H4.pass.dat",
            "../output/H5.pass.dat",
            "../output/H6.pass.dat",
            "../output/H7.pass.dat",
            "pw0.str",
            "pw0.chn",
            "pw0.imp",
            "pw0.man",
            "pw0.slp",
            "pw0.cli",
            "pw0.sol");
    assertThat(answers.outputs())
        .containsExactly(
            "../output/pass_pw0.txt",
            "../output/loss_pw0.txt",
            "../output/chnwb.txt",
            "../output/soil_pw0.txt",
            "../output/plot_pw0.txt",
            "../output/ebe_pw0.txt");
  }

  @ParameterizedTest
  @ValueSource(strings = {"p1.run", "pw0.run"})
  void lineEndsOfWindowsAndBlanksAroundChangeNothing(String name) throws Exception {
    String text = sample(name);
    Answers plain = answers(text);
    assertThat(answers(text.replace("\n", " \r\n").stripTrailing())).isEqualTo(plain);
  }

  @Test
  void aContrastOfOmniReadsPassFilesOfSiblingProjects() throws Exception {
    String text = sample("pw0.run").replace("../output/H2.pass", "../../x/wepp/output/H2.pass");
    Answers answers = answers(text);
    assertThat(answers.inputs()).contains("../../x/wepp/output/H2.pass.dat");
    assertThat(answers.outputs()).hasSize(6).noneMatch(output -> output.contains("H2"));
  }

  @Test
  void newerBuildsNeedNoMasterPassFileAndHaveHbpFiles() throws Exception {
    String text =
        sample("pw0.run").replace("../output/pass_pw0.txt\n", "").replace(".pass.dat", ".hbp");
    Answers answers = answers(text);
    assertThat(answers.inputs()).contains("../output/H1.hbp", "../output/H7.hbp").hasSize(14);
    assertThat(answers.outputs()).hasSize(5).doesNotContain("../output/pass_pw0.txt");
  }

  /** Whatever counts as an output is removed before a run. */
  @Test
  void aPassFileIsAnInputHoweverYesIsWritten() throws Exception {
    String text = sample("pw0.run").replace("M\nY\n", "m\nYes\n");
    assertThat(answers(text)).isEqualTo(answers(sample("pw0.run")));
  }

  @Test
  void aNameAfterNoIsNotWrittenByRouting() throws Exception {
    String text =
        sample("pw0.run")
            .replace(
                "No\n1\n../output/loss_pw0.txt",
                "No\n../output/initcond_pw0.txt\n1\n../output/loss_pw0.txt")
            .replace("Yes\n../output/ebe_pw0.txt", "no\n../output/ebe_pw0.txt");
    assertThat(answers(text).outputs())
        .doesNotContain("../output/initcond_pw0.txt", "../output/ebe_pw0.txt")
        .contains("../output/loss_pw0.txt")
        .hasSize(5);
  }

  @Test
  void inputsAreKnownByTheirSuffixInEitherCase() throws Exception {
    Answers answers = answers(sample("p1.run").replace("p1.man", "P1.MAN"));
    assertThat(answers.inputs()).contains("P1.MAN").hasSize(4);
    assertThat(answers.outputs()).hasSize(7);
  }

  @Test
  void namesMayHaveBlanksDigitsAndLettersOutsideAscii() throws Exception {
    Path file = folder.resolve("p.run");
    Files.write(
        file,
        "m\nYes\n1\n1\nYes\n../output/H 1 \u00e9.dat\n2010\n-0.5\np 1.man\n"
            .getBytes(StandardCharsets.ISO_8859_1));
    Answers answers = Answers.read(file);
    assertThat(answers.outputs()).containsExactly("../output/H 1 \u00e9.dat");
    assertThat(answers.inputs()).containsExactly("p 1.man");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "\n", " \r\n\t\n"})
  void anEmptyFileIsAFailure(String text) {
    assertThatThrownBy(() -> answers(text))
        .isInstanceOf(JobFailed.class)
        .hasMessage(folder.resolve("p.run") + " is empty");
  }

  @Test
  void aHugeFileIsAFailure() {
    assertThatThrownBy(() -> answers("m\n".repeat(3 << 20)))
        .isInstanceOf(JobFailed.class)
        .hasMessage(folder.resolve("p.run") + " is larger than any .run file");
  }

  @Test
  void aMissingFileIsAnErrorOfTheFileSystem() {
    assertThatThrownBy(() -> Answers.read(folder.resolve("absent.run")))
        .isInstanceOf(NoSuchFileException.class);
  }
}
