package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The files of a run beside the model's own. */
class RunFolderTest {
  private static final Instant NOON = Instant.parse("2026-08-03T12:00:00.250Z");

  @TempDir Path folder;
  private RunFolder run;

  @BeforeEach
  void open() {
    run = new RunFolder(folder);
  }

  private Path write(String name, String text) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.resolveSibling("."));
    return Files.writeString(file, text);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          {"py/object": "x.Wepp", "py/state": {"_wepp_bin": "wepp_260803", "_multi_ofe": true}} | wepp_260803 | true
          {"py/object": "x.Wepp", "_wepp_bin": "wepp_260803", "_multi_ofe": true}               | wepp_260803 | true
          {"py/state": {"_wepp_bin": "wepp_260803"}, "_wepp_bin": "other"}                      | wepp_260803 | false
          {"py/state": {"_wepp_bin": null, "_multi_ofe": null}}                                 |             | false
          {"py/state": {"_multi_ofe": false}}                                                   |             | false
          {"_wepp_bin": "latest", "py/state": null}                                             | latest      | false
          {}                                                                                    |             | false
          []                                                                                    |             | false
          """)
  void weppNodbHoldsTheChoices(String nodb, @Nullable String bin, boolean multiOfe)
      throws Exception {
    write("wepp.nodb", nodb);
    assertThat(run.choices()).isEqualTo(new RunFolder.Choices(Optional.ofNullable(bin), multiOfe));
  }

  @Test
  void withoutWeppNodbNothingWasChosen() throws Exception {
    assertThat(run.choices()).isEqualTo(new RunFolder.Choices(Optional.empty(), false));
  }

  @ParameterizedTest
  @ValueSource(strings = {"{\"py/state\": ", "wepp_bin=x", "{\"_wepp_bin\": NaN\n\n}"})
  void aMalformedWeppNodbFailsTheJobInOneLine(String nodb) throws Exception {
    Path file = write("wepp.nodb", nodb);
    assertThatThrownBy(() -> run.choices())
        .isInstanceOfSatisfying(
            JobFailed.class,
            failed ->
                assertThat(failed.traceback("f").strip().lines().toList().getLast())
                    .startsWith("ValueError: " + file + " is not JSON: "));
  }

  @Test
  void aWeppNodbThatCannotBeReadFailsTheJob() throws Exception {
    Files.createDirectory(folder.resolve("wepp.nodb"));
    assertThatThrownBy(() -> run.choices())
        .isInstanceOf(JobFailed.class)
        .hasMessageContaining("wepp.nodb cannot be read: ");
  }

  @Test
  void hillslopesAreThePNumberRunFilesInOrderOfNumber() throws Exception {
    for (String name :
        new String[] {
          "p10.run",
          "p2.run",
          "p1.run",
          "pw0.run",
          "p1.man",
          "p3.run.bak",
          "p1.5.run",
          "xp4.run",
          "p.run"
        }) {
      write("wepp/runs/" + name, "");
    }
    assertThat(run.hillslopes()).containsExactly(1, 2, 10);
  }

  @Test
  void withoutRunsTheJobFails() {
    assertThatThrownBy(() -> run.hillslopes())
        .isInstanceOf(JobFailed.class)
        .hasMessageStartingWith(
            "the folder %s cannot be read: ".formatted(folder.resolve("wepp/runs")));
  }

  @Test
  void theKeyOfRedisPrepIsTheLastPartOfThePath() {
    assertThat(new RunFolder(Path.of("/wc1/batch/nasa/runs/wa-17")).prepKey()).isEqualTo("wa-17");
  }

  @Test
  void logsAreAppendedTo() throws Exception {
    write("rq.log", "before\n");
    run.log(NOON, "default: one");
    run.log(NOON.plusSeconds(1), "default: two");
    assertThat(folder.resolve("rq.log"))
        .hasContent(
            """
            before
            2026-08-03 12:00:00,250 INFO default: one
            2026-08-03 12:00:01,250 INFO default: two
            """);
  }

  @Test
  void exceptionsAreAppendedWithTimeAndFunction() throws Exception {
    run.logException(NOON, "run_watershed_rq", "Traceback\nException: one");
    run.logException(NOON, "run_watershed_rq", "Exception: two");
    assertThat(folder.resolve("exceptions.log"))
        .hasContent(
            """
            [2026-08-03T12:00:00.250Z] run_watershed_rq failed
            Traceback
            Exception: one
            [2026-08-03T12:00:00.250Z] run_watershed_rq failed
            Exception: two
            """);
  }

  @Test
  void aLogThatCannotBeWrittenStopsNothing() throws Exception {
    Files.createDirectory(folder.resolve("rq.log"));
    run.log(NOON, "text");
    new RunFolder(folder.resolve("absent")).logException(NOON, "f", "text");
    assertThat(folder.resolve("absent")).doesNotExist();
  }

  @Test
  void theDumpOfRedisPrepIsReplacedAsAWhole() throws Exception {
    Path dump = write("redisprep.dump", "{\"old\": \"1\"}");
    try (BufferedReader reader = Files.newBufferedReader(dump)) {
      run.dumpPrep(Map.of("timestamps:run_wepp_hillslopes", "1700000000"));
      assertThat(reader.readLine()).as("what an open reader sees").isEqualTo("{\"old\": \"1\"}");
    }
    assertThat(dump).hasContent("{\"timestamps:run_wepp_hillslopes\":\"1700000000\"}");
    assertThat(Files.getPosixFilePermissions(dump))
        .isEqualTo(PosixFilePermissions.fromString("rw-r--r--"));
    assertThat(folder).isDirectoryNotContaining("glob:**/.redisprep.*");
  }

  @Test
  void aDumpThatCannotBeReplacedLeavesNothingBehind() throws Exception {
    write("redisprep.dump/in-the-way", "");
    run.dumpPrep(Map.of("a", "b"));
    assertThat(folder).isDirectoryNotContaining("glob:**/.redisprep.*");
    assertThat(folder.resolve("redisprep.dump")).isNotEmptyDirectory();
  }
}
