package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Run ids and the folders that they stand for. */
class RunFoldersTest {
  @TempDir Path root;

  private RunFolders folders() {
    return new RunFolders(
        root.resolve("runs"),
        root.resolve("legacy"),
        root.resolve("batch"),
        root.resolve("culverts"),
        Optional.of(root.resolve("profile-tmp")),
        Optional.empty(),
        Optional.empty());
  }

  @ParameterizedTest
  @CsvSource({
    "plain-id, runs/pl/plain-id",
    "mdobre-cursive-run, runs/md/mdobre-cursive-run",
    "batch;;spring 2026;;wa_1, batch/spring 2026/runs/wa_1",
    "batch;;spring;;_base, batch/spring/_base",
    "batch;;spring;;wa_1;;omni;;thinning, batch/spring/runs/wa_1/_pups/omni/scenarios/thinning",
    "batch;;spring;;wa_1;;omni-contrast;;3, batch/spring/runs/wa_1/_pups/omni/contrasts/3",
    "plain-id;;omni;;mulch_30, runs/pl/plain-id/_pups/omni/scenarios/mulch_30",
    "plain-id;;omni-contrast;;12, runs/pl/plain-id/_pups/omni/contrasts/12",
    "culvert;;5c0e-11;;7, culverts/5c0e-11/runs/7",
    "profile;;tmp;;x, profile-tmp/x"
  })
  void findsEveryForm(String run, String folder) throws Exception {
    Path expected = Files.createDirectories(root.resolve(folder));
    assertThat(folders().find(run)).isEqualTo(expected);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        ".",
        "..",
        "/",
        "a/b",
        "../x",
        "/etc",
        "ab\u0000c",
        "ab\nc",
        "x",
        "~root",
        "a\\b",
        "batch;;..;;x",
        "batch;;a;;b/c",
        "batch;;a",
        "batch;;a;;b;;omni",
        "batch;;a;;b;;swat;;c",
        "plain;;omni",
        "plain;;other;;x",
        "culvert;;a",
        "profile;;fork;;x",
        "profile;;root;;x",
        ";;",
        "a;;;;b"
      })
  void refusesEverythingElse(String run) {
    assertThatThrownBy(() -> folders().find(run))
        .isInstanceOf(JobFailed.class)
        .hasMessageContaining("is not of a form that WEPPcloud uses; nothing was run");
  }

  @Test
  void refusesAnIdThatIsTooLongAndShowsItsBeginning() {
    assertThatThrownBy(() -> folders().find("a".repeat(300)))
        .hasMessageStartingWith("run id '" + "a".repeat(100) + "...'");
  }

  @Test
  void namesTheFolderThatIsMissing() {
    assertThatThrownBy(() -> folders().find("plain-id"))
        .hasMessage(
            "run plain-id: its folder %s does not exist"
                .formatted(root.resolve("runs/pl/plain-id")));
  }

  @Test
  void looksAmongTheOlderRunsOnlyWhenTheNewFolderIsNotThere() throws Exception {
    Path old = Files.createDirectories(root.resolve("legacy/plain-id"));
    assertThat(folders().find("plain-id")).isEqualTo(old);
    Path fresh = Files.createDirectories(root.resolve("runs/pl/plain-id"));
    assertThat(folders().find("plain-id")).isEqualTo(fresh);
  }
}
