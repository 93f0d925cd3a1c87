package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ExecutablesTest {
  @TempDir Path bin;

  private Path executable(String name) throws IOException {
    Path file = Files.writeString(bin.resolve(name), name);
    return Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  @Test
  void hillslopesHaveAnExecutableOfTheirOwnWhereItExists() throws Exception {
    Path wepp = executable("wepp");
    Path routing = executable("wepp_260803");
    Executables executables = new Executables(bin);
    assertThat(executables.find("wepp_260803", true)).isEqualTo(routing);
    Path hill = executable("wepp_260803_hill");
    assertThat(executables.find("wepp_260803", true)).isEqualTo(hill);
    assertThat(executables.find("wepp_260803", false)).isEqualTo(routing);
    assertThat(executables.find(null, true)).isEqualTo(wepp);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "..", "../wepp", "/bin/sh", "wepp;rm", "wepp 2", "wepp.json", "w\nx"})
  void refusesWhatIsNoName(String name) throws Exception {
    executable("wepp");
    assertThatThrownBy(() -> new Executables(bin).find(name, false))
        .isInstanceOf(JobFailed.class)
        .hasMessageContaining("is no name of an executable");
  }

  @Test
  void saysWhatIsMissingOrNotExecutable() throws Exception {
    assertThatThrownBy(() -> new Executables(bin).find("latest", false))
        .hasMessage("there is no executable " + bin.resolve("latest"));
    Files.writeString(bin.resolve("latest"), "data");
    assertThatThrownBy(() -> new Executables(bin).find("latest", false))
        .hasMessage(bin.resolve("latest") + " is not executable");
  }

  @Test
  void tellsWhichBuildItIs() throws Exception {
    Path wepp = executable("wepp");
    Executables executables = new Executables(bin);
    assertThat(executables.identity(wepp))
        .startsWith("binary_identity binary_path=\"" + wepp + "\" binary_sha256=")
        .contains(" binary_size_bytes=4 ")
        .endsWith("binary_identity_status=ok binary_identity_error=\"\"");
    String before = executables.identity(wepp);
    Files.writeString(wepp, "another build");
    assertThat(executables.identity(wepp)).isNotEqualTo(before);
  }
}
