package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which executable a job means, and the line that tells which build it is. */
class ExecutablesTest {
  @TempDir Path bin;
  private Executables executables;

  @BeforeEach
  void install() throws IOException {
    executables = new Executables(bin);
    for (String name :
        new String[] {"wepp", "wepp_hill", "wepp_260803", "wepp_260803_hill", "wepp_dcc52a6"}) {
      executable(name, "#!/bin/sh\n");
    }
  }

  private Path executable(String name, String content) throws IOException {
    Path file = Files.writeString(bin.resolve(name), content);
    return Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  @ParameterizedTest
  @CsvSource({
    "            , false, wepp",
    "            , true,  wepp",
    "wepp        , true,  wepp_hill",
    "wepp_260803 , false, wepp_260803",
    "wepp_260803 , true,  wepp_260803_hill",
    "wepp_dcc52a6, false, wepp_dcc52a6",
    "wepp_dcc52a6, true,  wepp_dcc52a6",
  })
  void isChosenAsWeppcloudChooses(@Nullable String name, boolean hillslope, String file)
      throws Exception {
    assertThat(executables.find(name, hillslope)).isEqualTo(bin.resolve(file));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        ".",
        "..",
        "../wepp",
        "/bin/sh",
        "a/b",
        "wepp;reboot",
        "wepp 1",
        "wepp\n",
        "w\0",
        "wepp.json",
        "$x"
      })
  void aNameMayHoldOnlyLettersDigitsAndUnderscores(String name) {
    assertThatThrownBy(() -> executables.find(name, false))
        .isInstanceOf(JobFailed.class)
        .hasMessageContaining("is no name of an executable")
        .hasMessageNotContainingAny("\n", "\0");
  }

  @Test
  void aMissingOneIsNamed() {
    assertThatThrownBy(() -> executables.find("wepp_1", true))
        .isInstanceOf(JobFailed.class)
        .hasMessage("there is no executable " + bin.resolve("wepp_1"));
  }

  @Test
  void aFolderIsNone() throws Exception {
    Files.createDirectory(bin.resolve("folder"));
    assertThatThrownBy(() -> executables.find("folder", false))
        .hasMessage("there is no executable " + bin.resolve("folder"));
  }

  @Test
  void oneThatMayNotBeExecutedIsNamed() throws Exception {
    Path file = Files.writeString(bin.resolve("plain"), "text");
    assertThatThrownBy(() -> executables.find("plain", false))
        .isInstanceOf(JobFailed.class)
        .hasMessage(file + " is not executable");
  }

  @Test
  void theIdentityLineTellsPathSumSizeAndTime() throws Exception {
    Path file = executable("abc", "abc");
    Files.setLastModifiedTime(file, FileTime.from(Instant.ofEpochSecond(1_700_000_000, 5_000)));
    assertThat(executables.identity(file))
        .isEqualTo(
            "binary_identity binary_path=\"%s\"".formatted(file)
                + " binary_sha256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
                + " binary_size_bytes=3 binary_mtime_ns=1700000000000005000"
                + " binary_identity_status=ok binary_identity_error=\"\"");
  }

  @Test
  void anotherBuildOfTheSameNameHasAnotherIdentity() throws Exception {
    Path file = executable("abc", "abc");
    String before = executables.identity(file);
    assertThat(executables.identity(file)).isEqualTo(before);
    Files.writeString(file, "abcd");
    assertThat(executables.identity(file))
        .contains("binary_size_bytes=4")
        .doesNotContain("ba7816bf8f01cfea");
  }

  @Test
  void anIdentityThatCannotBeReadIsAnErrorInTheLine() {
    assertThat(executables.identity(bin.resolve("absent")))
        .startsWith("binary_identity binary_path=\"%s\"".formatted(bin.resolve("absent")))
        .contains("binary_identity_status=error", "NoSuchFile");
  }
}
