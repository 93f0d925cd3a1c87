package cloud.wepp.worker.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SampleRunsTest {
  @TempDir Path run;

  @Test
  void ourAnswersAreThoseOfTheRealRun() throws IOException {
    SampleRuns.watershed7(run);
    Path runs = run.resolve("wepp/runs");
    assertThat(runs.resolve("p5.run")).hasContent(Answers.hillslope(5, 3));
    assertThat(runs.resolve("pw0.run")).hasContent(Answers.watershed(7, 3));
  }

  @Test
  void everyNamedInputIsThereAndNoNameIsTooLong() throws IOException {
    SampleRuns.watershed7(run.resolve("7"));
    SampleRuns.weppcloud32(run.resolve("32"));
    SampleWatershed.layOut(run.resolve("made-up"));
    for (String sample : List.of("7", "32", "made-up")) {
      Path runs = run.resolve(sample).resolve("wepp/runs");
      for (Path answers : answerFiles(runs)) {
        assertThat(Files.readAllLines(answers)).allMatch(answer -> answer.length() <= 50);
        assertThat(inputs(answers)).isNotEmpty().allMatch(name -> Files.exists(runs.resolve(name)));
      }
    }
  }

  private static List<Path> answerFiles(Path runs) throws IOException {
    try (Stream<Path> files = Files.list(runs)) {
      return files.filter(file -> file.toString().endsWith(".run")).toList();
    }
  }

  private static List<String> inputs(Path answers) throws IOException {
    return Files.readAllLines(answers).stream().filter(line -> line.startsWith("p")).toList();
  }
}
