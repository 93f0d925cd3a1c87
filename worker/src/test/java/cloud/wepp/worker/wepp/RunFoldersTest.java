package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** WEPPcloud's forms of run id, the folder of each, and what is no run id. */
class RunFoldersTest {
  @TempDir Path root;
  private RunFolders folders;

  @BeforeEach
  void allRootsAreKnown() {
    folders =
        new RunFolders(
            root.resolve("runs"),
            root.resolve("legacy"),
            root.resolve("batch"),
            root.resolve("culverts"),
            Optional.of(root.resolve("tmp")),
            Optional.of(root.resolve("fork")),
            Optional.of(root.resolve("archive")));
  }

  private Path make(String folder) throws IOException {
    return Files.createDirectories(root.resolve(folder));
  }

  @ParameterizedTest
  @CsvSource({
    "hand-to-mouth-drought, runs/ha/hand-to-mouth-drought",
    "ab, runs/ab/ab",
    "rlew_2.v-1, runs/rl/rlew_2.v-1",
    "Mixed Case+1, runs/Mi/Mixed Case+1",
    "batch;;nasa;;wa-17, batch/nasa/runs/wa-17",
    "batch;;nasa;;_base, batch/nasa/_base",
    "batch;;nasa;;wa-17;;omni;;mulch, batch/nasa/runs/wa-17/_pups/omni/scenarios/mulch",
    "batch;;nasa;;wa-17;;omni-contrast;;12, batch/nasa/runs/wa-17/_pups/omni/contrasts/12",
    "a-run;;omni;;undisturbed, runs/a-/a-run/_pups/omni/scenarios/undisturbed",
    "a-run;;omni-contrast;;3, runs/a-/a-run/_pups/omni/contrasts/3",
    "culvert;;7d1f;;12, culverts/7d1f/runs/12",
    "profile;;tmp;;x, tmp/x",
    "profile;;fork;;x, fork/x",
    "profile;;archive;;x, archive/x",
  })
  void everyFormHasItsFolder(String run, String folder) throws Exception {
    Path made = make(folder);
    assertThat(folders.find(run)).isEqualTo(made);
  }

  @Test
  void anOlderRunIsInTheLegacyFolder() throws Exception {
    Path legacy = make("legacy/a-run");
    assertThat(folders.find("a-run")).isEqualTo(legacy);
  }

  @Test
  void theNewerFolderOfTheSameNameIsPreferred() throws Exception {
    make("legacy/a-run");
    Path run = make("runs/a-/a-run");
    assertThat(folders.find("a-run")).isEqualTo(run);
  }

  @Test
  void aScenarioOfAnOlderRunIsInTheLegacyFolder() throws Exception {
    Path pup = make("legacy/a-run/_pups/omni/scenarios/mulch");
    assertThat(folders.find("a-run;;omni;;mulch")).isEqualTo(pup);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        ".",
        "..",
        "/",
        "a",
        "a/b",
        "../x",
        "a/../b",
        "/etc",
        "..\\x",
        "a\\b",
        "~root",
        ".hidden",
        "-rf",
        "a\0b",
        "a\nb",
        "ab\n",
        "\tab",
        "a;b",
        "a*",
        "$HOME",
        "ab.",
        "ab ",
        "\u00fcbung",
        ";;",
        "a-run;;",
        ";;a-run",
        "a-run;;omni",
        "a-run;;omni;;",
        "a-run;;omni;;..",
        "a-run;;omni;;a/b",
        "a-run;;other;;x",
        "a-run;;omni;;x;;y",
        "..;;omni;;x",
        "a;;omni;;x",
        "batch",
        "batch;;x",
        "batch;;;;x",
        "batch;;..;;x",
        "batch;;x;;..",
        "batch;;x;;y;;z",
        "batch;;x;;y;;omni;;..",
        "batch;;x;;y;;other;;z",
        "batch;;x;;y;;omni;;z;;omni;;z",
        "culvert;;x",
        "culvert;;x;;y;;z",
        "culvert;;../..;;y",
        "profile;;tmp",
        "profile;;other;;x",
        "profile;;tmp;;..",
        "profile;;tmp;;x;;y",
      })
  void anythingElseIsRefused(String run) {
    assertThatThrownBy(() -> folders.find(run))
        .isInstanceOf(JobFailed.class)
        .hasMessageEndingWith("is not of a form that WEPPcloud uses; nothing was run");
  }

  @Test
  void aVeryLongOneIsRefusedInAShortMessage() {
    assertThatThrownBy(() -> folders.find("x".repeat(300)))
        .isInstanceOf(JobFailed.class)
        .hasMessage(
            "run id '%s...' is not of a form that WEPPcloud uses; nothing was run"
                .formatted("x".repeat(100)));
  }

  @Test
  void controlCharactersDoNotReachTheLog() {
    assertThatThrownBy(() -> folders.find("a\n\u001b[31mb"))
        .hasMessageStartingWith("run id 'a??[31mb' ");
  }

  @Test
  void aProfileWithoutARootIsRefused() {
    RunFolders without =
        new RunFolders(
            root, root, root, root, Optional.empty(), Optional.empty(), Optional.empty());
    assertThatThrownBy(() -> without.find("profile;;tmp;;x")).isInstanceOf(JobFailed.class);
  }

  @Test
  void aFolderThatIsMissingIsNamed() {
    assertThatThrownBy(() -> folders.find("a-run"))
        .isInstanceOf(JobFailed.class)
        .hasMessage(
            "run a-run: its folder %s does not exist".formatted(root.resolve("runs/a-/a-run")));
  }

  @Test
  void aFileIsNoRunFolder() throws Exception {
    make("runs/a-");
    Files.writeString(root.resolve("runs/a-/a-run"), "");
    assertThatThrownBy(() -> folders.find("a-run")).hasMessageContaining("does not exist");
  }
}
