package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunFolderTest {
  @TempDir Path folder;

  private RunFolder run() {
    return new RunFolder(folder);
  }

  @Test
  void findsTheHillslopesInTheOrderOfTheirNumbers() throws Exception {
    Path runs = Files.createDirectories(folder.resolve("wepp/runs"));
    for (String name :
        new String[] {"p10.run", "p2.run", "pw0.run", "p2.err", "px.run", "p1.run"}) {
      Files.createFile(runs.resolve(name));
    }
    assertThat(run().hillslopes()).containsExactly(1, 2, 10);
  }

  @Test
  void readsWhatWeppcloudHasChosen() throws Exception {
    assertThat(run().choices()).isEqualTo(new RunFolder.Choices(Optional.empty(), false));
    Path nodb = folder.resolve("wepp.nodb");
    Files.writeString(
        nodb,
        """
        {"py/object": "wepppy.nodb.core.wepp.Wepp",
         "py/state": {"_wepp_bin": "wepp_260803", "_multi_ofe": true}}
        """);
    assertThat(run().choices()).isEqualTo(new RunFolder.Choices(Optional.of("wepp_260803"), true));
    Files.writeString(nodb, "{\"_wepp_bin\": null, \"_multi_ofe\": false}");
    assertThat(run().choices()).isEqualTo(new RunFolder.Choices(Optional.empty(), false));
    Files.writeString(nodb, "{");
    assertThatThrownBy(() -> run().choices()).hasMessageStartingWith(nodb + " is not JSON");
  }

  @Test
  void replacesTheDumpAsAWhole() throws Exception {
    Path dump = Files.writeString(folder.resolve("redisprep.dump"), "old");
    run().dumpPrep(Map.of("timestamps:run_wepp_hillslopes", "1795449105"));
    assertThat(dump).hasContent("{\"timestamps:run_wepp_hillslopes\":\"1795449105\"}");
    try (Stream<Path> files = Files.list(folder)) {
      assertThat(files).containsExactly(dump);
    }
  }

  @Test
  void addsToItsLogs() throws Exception {
    Instant at = Instant.parse("2026-11-24T08:05:00.123Z");
    run().log(at, "default: Job OK (1)");
    run().logException(at, "run_watershed_rq", "Exception: no\n");
    assertThat(folder.resolve("rq.log"))
        .hasContent("2026-11-24 08:05:00,123 INFO default: Job OK (1)");
    assertThat(folder.resolve("exceptions.log"))
        .content()
        .isEqualTo("[2026-11-24T08:05:00.123Z] run_watershed_rq failed\nException: no\n\n");
  }
}
