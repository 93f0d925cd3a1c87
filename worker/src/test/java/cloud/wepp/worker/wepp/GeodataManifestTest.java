package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GeodataManifestTest {
  private static final String SHA_OF_A =
      "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";

  @TempDir Path folder;
  private Path stations;
  private Path file;

  @BeforeEach
  void layOut() throws IOException {
    stations = Files.createDirectories(folder.resolve("stations/below"));
    Files.writeString(stations.resolve("b.par"), "bb");
    Files.writeString(stations.resolve("a b.par"), "a");
    Files.writeString(stations.resolve(".nfs0001"), "removed while open");
    Files.createSymbolicLink(folder.resolve("stations/link.par"), stations.resolve("b.par"));
    file = folder.resolve("manifest");
    GeodataManifest.of(List.of(folder.resolve("stations"))).write(file);
  }

  private List<String> wrong(boolean quick) throws IOException {
    List<String> wrong = new ArrayList<>();
    GeodataManifest known = GeodataManifest.read(file);
    assertThat(known.verify(quick, wrong::add)).isEqualTo(wrong.size());
    return wrong;
  }

  @Test
  void hasALineForEachFileInOrder() throws IOException {
    assertThat(Files.readAllLines(file))
        .hasSize(3)
        .startsWith("%s  1  %s".formatted(SHA_OF_A, stations.resolve("a b.par")))
        .isSortedAccordingTo((one, other) -> one.substring(68).compareTo(other.substring(68)));
    assertThat(GeodataManifest.read(file).text()).isEqualTo(Files.readString(file));
    assertThat(wrong(false)).isEmpty();
    assertThat(wrong(true)).isEmpty();
  }

  @Test
  void whatIsMissingOrAnotherIsNamed() throws IOException {
    Files.delete(stations.resolve("a b.par"));
    Files.writeString(stations.resolve("b.par"), "cc");
    assertThat(wrong(true)).containsExactly(stations.resolve("a b.par") + " is missing");
    assertThat(wrong(false))
        .containsExactly(
            stations.resolve("a b.par") + " is missing",
            stations.resolve("b.par") + " has another content",
            folder.resolve("stations/link.par") + " has another content");
    Files.writeString(stations.resolve("b.par"), "ccc");
    assertThat(wrong(true)).hasSize(3).contains(stations.resolve("b.par") + " has 3 bytes, not 2");
  }

  @Test
  void oneThatCannotBeReadIsNotTakenForGood() throws IOException {
    Files.writeString(file, "");
    assertThatThrownBy(() -> GeodataManifest.read(file)).hasMessage(file + " is empty");
    Files.writeString(file, SHA_OF_A + "  1  /a\n" + SHA_OF_A + " 1 /b\n");
    assertThatThrownBy(() -> GeodataManifest.read(file))
        .hasMessage("line 2 of %s is not `sha256  size  /path`".formatted(file));
  }
}
