package cloud.wepp.worker;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.ResultCodec;
import cloud.wepp.rq.Settlement;
import cloud.wepp.rq.pickle.PyRepr;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.demo.SampleRuns;
import cloud.wepp.worker.demo.StandIn;
import cloud.wepp.worker.testing.RecordingListener;
import cloud.wepp.worker.testing.Site;
import cloud.wepp.worker.wepp.Provenance;
import cloud.wepp.worker.wepp.RunFolders;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.InstantSource;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The functions that run CLIGEN, from Redis to the result. With {@code CLIGEN_BIN_DIR} its {@code
 * cligen532} is the real one, and the sums of what it makes are checked; else it is the stand-in.
 */
@Timeout(180)
class CligenIT {
  private static final Optional<Path> REAL =
      Optional.ofNullable(System.getenv("CLIGEN_BIN_DIR")).map(Path::of);

  private static final String PAR = "id106388.par";
  private static final String HANG =
      "trap '' TERM; echo $$ >pid; echo half way; " + "while :; do sleep 1; done\n";

  private static Site site;

  @TempDir static Path bin;
  @TempDir Path folder;
  private Path climate;
  private Path geodata;
  private @Nullable Worker worker;
  private final RecordingListener listener = new RecordingListener();
  private final List<String> settings = new ArrayList<>();

  @BeforeAll
  static void startServers() throws IOException {
    site = Site.start();
    StandIn.install(bin);
    if (REAL.isPresent()) {
      Files.delete(bin.resolve("cligen532"));
      Files.createSymbolicLink(bin.resolve("cligen532"), REAL.get().resolve("cligen532"));
    }
  }

  @AfterAll
  static void stopServers() {
    site.close();
  }

  @BeforeEach
  void layOut() throws IOException {
    climate = Files.createDirectories(folder.resolve("runs/a-/a-run/climate"));
    geodata = Files.createDirectories(folder.resolve("geodata/stations"));
    SampleRuns.cligen(PAR, geodata);
  }

  @AfterEach
  void stopWorker() {
    if (worker != null) {
      worker.close();
    }
  }

  /** CLIGEN 9.9, whatever it is. */
  private static void program(String script) throws IOException {
    Path program = Files.writeString(bin.resolve("cligen99"), "#!/bin/sh\n" + script);
    Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  /** CLIGEN, and then this. */
  private static String afterCligen(String script) {
    return "'%s' \"$@\"\n%s\n".formatted(bin.resolve("cligen532"), script);
  }

  private Map<String, PyValue> with(Object... namesAndValues) {
    Map<String, PyValue> arguments = new LinkedHashMap<>();
    arguments.put("runid", PyValue.of("a-run"));
    arguments.put("par", PyValue.of(geodata.resolve(PAR).toString()));
    arguments.put("cli", PyValue.of("wepp.cli"));
    for (int i = 0; i < namesAndValues.length; i += 2) {
      arguments.put((String) namesAndValues[i], value(namesAndValues[i + 1]));
    }
    return arguments;
  }

  private static PyValue value(Object value) {
    return switch (value) {
      case Integer number -> PyValue.of(number);
      case Double number -> PyValue.of(number);
      case Boolean set -> PyValue.of(set);
      default -> PyValue.of(value.toString());
    };
  }

  private Settlement end(String function, Map<String, PyValue> arguments) throws Exception {
    return listener.awaitEnd(enqueue(function, arguments));
  }

  private String enqueue(String function, Map<String, PyValue> arguments) throws Exception {
    if (worker == null) {
      settings.addAll(
          List.of(
              "redis.url=" + site.redis.url(),
              "postgres.url=" + site.postgres.url(),
              "python.enabled=false",
              "routing.native-queues=default",
              "timing.grace=200ms",
              "wepp.runs=" + folder.resolve("runs"),
              "wepp.input-wait=0s",
              "cligen.bin-dir=" + bin,
              "cligen.geodata=" + folder.resolve("geodata"),
              "cligen.multiple-year-timeout=60s"));
      worker =
          Worker.start(
              ConfigReader.read(null, Map.of(), settings).config(),
              Map.of(),
              List.of(listener),
              InstantSource.system());
    }
    Call call = new Call("cloud.wepp.cligen." + function, List.of(), arguments);
    return site.client.enqueue("default", call.write(), function, Duration.ofMinutes(10));
  }

  /** As Python shows what the function returned. */
  private String result(String function, Map<String, PyValue> arguments) throws Exception {
    return switch (end(function, arguments)) {
      case Settlement.Finish finish ->
          PyRepr.of(ResultCodec.returnValue(finish.returnValue(), false));
      case Settlement.Fail fail ->
          throw new AssertionError(ResultCodec.traceback(fail.excString()));
      case Settlement other -> throw new AssertionError(other);
    };
  }

  private String failure(String function, Map<String, PyValue> arguments) throws Exception {
    Settlement end = end(function, arguments);
    assertThat(end).isInstanceOf(Settlement.Fail.class);
    assertThat(climate.resolve("wepp.cli")).doesNotExist();
    return ResultCodec.traceback(((Settlement.Fail) end).excString());
  }

  private static String good(int days, String... doubts) {
    return "{'cli': 'wepp.cli', 'days': %d, 'quality_guard_bypassed': False, 'doubts': [%s]}"
        .formatted(days, String.join(", ", doubts));
  }

  private List<String> lines(String file) throws IOException {
    return Files.readAllLines(climate.resolve(file));
  }

  /** Of the real CLIGEN 5.32300. */
  private void checkSum(String expected) throws Exception {
    if (REAL.isPresent()) {
      byte[] made = Files.readAllBytes(climate.resolve("wepp.cli"));
      assertThat(HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(made)))
          .isEqualTo(expected);
    }
  }

  // good climates

  @Test
  void multipleYears() throws Exception {
    String end = result("multiple_year", with("years", 31));
    // the real one finds some of its own random numbers wanting
    assertThat(end).startsWith("{'cli': 'wepp.cli', 'days': 11322, 'quality_guard_bypassed': ");
    assertThat(lines("wepp.inp")).containsExactly("5", "1", "31", "wepp.cli", "n", "");
    assertThat(lines("wepp.cli")).hasSizeGreaterThanOrEqualTo(15 + 11322);
    assertThat(lines("cligen_wepp.log").getFirst())
        .startsWith("[run_multiple_year] binary_identity binary_path=\"" + bin);
    assertThat(lines("cligen_wepp.log"))
        .contains("cligen run_multiple_year attempt 1/1 start", "STOP Normal program termination");
    assertThat(Files.readAllBytes(climate.resolve(PAR)))
        .isEqualTo(Files.readAllBytes(geodata.resolve(PAR)));
    checkSum("a069cb61cb4b9579e9735720a6701930586e0ac6e1156118509971adb50a4ea5");
  }

  @Test
  void aModifiedStationOfTheRun() throws Exception {
    Files.move(geodata.resolve(PAR), climate.resolve(PAR));
    String end = result("modified_par", with("par", PAR, "years", 31, "randseed", 17));
    assertThat(end).contains("'days': 11322");
    assertThat(lines("cligen.log").getFirst()).startsWith("[par_mod] binary_identity ");
    assertThat(lines("wepp.cli").get(4)).contains("-i" + PAR + " -r17");
    checkSum("b46ce287a8bc3f0a5aed8c9ee2f3ab4db0947ed50d4e4f03c62c8781038b7d8d");
  }

  /** What WEPPcloud makes of a year that is not over has a day twice. */
  @Test
  void observedDays() throws Exception {
    SampleRuns.cligen("ut422852.par", climate);
    SampleRuns.cligen("fish-springs.prn", climate);
    Files.move(climate.resolve("fish-springs.prn"), climate.resolve("ws.prn"));
    String end = result("observed", with("par", "ut422852.par", "prn", "ws.prn"));
    assertThat(end)
        .contains(
            "'quality_guard_bypassed': False, 'doubts': ['ws.prn: in line 2381 2026-07-07 follows"
                + " 2026-07-07, and CLIGEN counts on without looking']");
    assertThat(lines("wepp.cli").get(4)).contains("-iut422852.par -Ows.prn -owepp.cli -t6 -I2");
    assertThat(lines("wepp.cli").get(15 + 2556)).startsWith(" 31 12  2026");
    assertThat(lines("cligen_wepp.log"))
        .contains("cligen run_observed timeout=20s timeout_retries=3")
        .contains("cligen run_observed attempt 1/4 start")
        .anyMatch(line -> line.startsWith("cligen run_observed doubtful: ws.prn: in line 2381 "));
    checkSum("a26b7c5537c3b94bd4d1ffbd5644806bc37744b2b6ed1dbc49152d6ce619af9c");
  }

  @Test
  void aSingleStorm() throws Exception {
    assertThat(result("single_storm", storm())).isEqualTo(good(1));
    assertThat(lines("wepp.inp"))
        .containsExactly("4", "6 15 12", "2.25", "6.0", "0.4", "1.5", "wepp.cli", "n", "");
    assertThat(lines("wepp.cli").get(15))
        .matches(" 15  6    12  57\\.[12]  6\\.00 0\\.40   4\\.00.*");
  }

  private Map<String, PyValue> storm(Object... more) {
    Map<String, PyValue> storm =
        with(
            "storm_date", "6/15/12",
            "design_storm_amount_inches", 2.25,
            "duration_of_storm_in_hours", 6.0,
            "time_to_peak_intensity_pct", 40,
            "max_intensity_inches_per_hour", 1.5);
    for (int i = 0; i < more.length; i += 2) {
      storm.put((String) more[i], value(more[i + 1]));
    }
    return storm;
  }

  @Test
  void anOldClimateIsReplacedAndALinkNotFollowed() throws Exception {
    Path other = Files.writeString(folder.resolve("other"), "of another run");
    Files.createSymbolicLink(climate.resolve("wepp.cli"), other);
    Files.createSymbolicLink(climate.resolve("wepp.inp"), other);
    Files.createSymbolicLink(climate.resolve("cligen_wepp.log"), other);
    Files.createSymbolicLink(climate.resolve(PAR), other);
    assertThat(result("multiple_year", with("years", 3))).contains("'days': 1095");
    assertThat(other).hasContent("of another run");
    assertThat(climate.resolve("wepp.cli")).isRegularFile();
  }

  // what CLIGEN makes of bad stations

  @Test
  void whatMadeItIsRecorded() throws Exception {
    result("multiple_year", with("years", 3));
    assertThat(provenance(true)).contains("cligen run_multiple_year").doesNotContain("changed");
    Files.writeString(climate.resolve("wepp.inp"), "other answers");
    assertThat(provenance(false)).contains("wepp.inp has changed since").doesNotContain(PAR);
    Files.writeString(climate.resolve(PAR), "another station");
    assertThat(provenance(false)).contains(PAR + " has changed since");
    Files.delete(climate.resolve(PAR));
    program("exit 1");
    failure("multiple_year", with("years", 3, "cliver", "9.9"));
    assertThat(provenance(true)).startsWith("Nothing is known of a-run");
  }

  private String provenance(boolean same) throws IOException {
    Path runs = folder.resolve("runs");
    RunFolders folders =
        new RunFolders(
            runs, runs, runs, runs, Optional.empty(), Optional.empty(), Optional.empty());
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    PrintStream out = new PrintStream(said, true, StandardCharsets.UTF_8);
    assertThat(Provenance.print(folders, "a-run", false, true, out)).isEqualTo(same);
    return said.toString(StandardCharsets.UTF_8);
  }

  /** Puts a line into the station file in place of one that begins so. */
  private void station(String label, String value) throws IOException {
    List<String> lines = new ArrayList<>(Files.readAllLines(geodata.resolve(PAR)));
    lines.replaceAll(line -> line.startsWith(label) ? label + value.repeat(12) : line);
    Files.write(geodata.resolve(PAR), lines);
  }

  @Test
  void aStationWithoutNumbersMakesNoClimate() throws Exception {
    station(" MEAN P ", " *****");
    assertThat(failure("multiple_year", with("years", 3)))
        .contains("command: %s -i%s\n".formatted(bin.resolve("cligen532"), PAR))
        .contains("folder: " + climate + "\n")
        .contains("process: exited with code 2")
        .contains("Fortran runtime error: Bad value during floating point read\n")
        .endsWith("AssertionError: cligen run_multiple_year made no climate; cli_fn=wepp.cli\n");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 10, 1513})
  void aStationThatIsCutMakesNoClimate(int bytes) throws Exception {
    byte[] all = Files.readAllBytes(geodata.resolve(PAR));
    Files.write(geodata.resolve(PAR), Arrays.copyOf(all, bytes));
    assertThat(failure("modified_par", with("years", 3)))
        .contains("Fortran runtime error: End of file\n")
        .endsWith("RuntimeError: cligen par_mod exited 2; cli_fn=wepp.cli\n");
  }

  @Test
  void aStationWithNaNMakesABadClimate() throws Exception {
    station(" TMAX AV", "   NaN");
    assertThat(failure("multiple_year", with("years", 3)))
        .contains("process: exited with code 0")
        .contains(
            "RuntimeError: cligen run_multiple_year made a bad climate: its line 7 has what is no"
                + " number: 'NaN  ");
  }

  @Test
  void aStationWithoutDeviationIsDoubtful() throws Exception {
    station(" MEAN P ", "   .00");
    station(" S DEV P", "   .00");
    assertThat(result("multiple_year", with("years", 3)))
        .contains("CLIGEN said 'precipitation intensities are suspect'");
    assertThat(lines("cligen_wepp.log"))
        .contains(
            "cligen run_multiple_year doubtful: CLIGEN said 'precipitation intensities are"
                + " suspect'");
  }

  @Test
  void whatIsDoubtfulFailsIfItMust() throws Exception {
    settings.add("cligen.verify=fail");
    station(" MEAN P ", "   .00");
    station(" S DEV P", "   .00");
    assertThat(failure("multiple_year", with("years", 3)))
        .contains("RuntimeError: cligen run_multiple_year is doubtful: ");
  }

  @ParameterizedTest
  @ValueSource(strings = {"   .00", "  1.00"})
  void dryAndWetStationsAreGood(String probability) throws Exception {
    station(" P(W/W) ", probability);
    station(" P(W/D) ", probability);
    assertThat(result("multiple_year", with("years", 3))).contains("'days': 1095");
  }

  /** CLIGEN draws as many numbers as the seed says, which may take for ever. */
  @Test
  void aSeedThatTakesTooLongRunsIntoTheTimeout() throws Exception {
    settings.add("cligen.modified-par-timeout=1s");
    assertThat(failure("modified_par", with("years", 3, "randseed", 2_000_000_000)))
        .contains("timeout=1s; attempts=1; timeout_attempts=[1]\n")
        .endsWith("TimeoutError: cligen par_mod timed out; cli_fn=wepp.cli\n");
  }

  // what CLIGEN makes of bad observations

  private void observations(List<String> lines) throws IOException {
    Files.writeString(climate.resolve("ws.prn"), String.join("\r\n", lines) + "\r\n");
  }

  private static List<String> twoYears() {
    List<String> lines = new ArrayList<>();
    for (LocalDate day = LocalDate.of(2021, 1, 1); day.getYear() < 2023; day = day.plusDays(1)) {
      lines.add(
          "%-5d%-5d%-5d20   40   26   "
              .formatted(day.getMonthValue(), day.getDayOfMonth(), day.getYear()));
    }
    return lines;
  }

  private Map<String, PyValue> observing(Object... more) {
    Map<String, PyValue> arguments = with(more);
    arguments.put("prn", PyValue.of("ws.prn"));
    return arguments;
  }

  @Test
  void wholeYearsAreNotDoubtful() throws Exception {
    observations(twoYears());
    assertThat(result("observed", observing())).isEqualTo(good(730));
  }

  @Test
  void observationsThatEndEarlyAreDoubtful() throws Exception {
    observations(twoYears().subList(0, 500));
    assertThat(result("observed", observing()))
        .isEqualTo(
            good(
                500,
                "'ws.prn ends on 2022-05-15, before the end of a year, and so will the climate'"));
  }

  @Test
  void doubtfulObservationsAreNotRunIfTheyMustNot() throws Exception {
    settings.add("cligen.verify=fail");
    observations(twoYears().subList(0, 500));
    assertThat(failure("observed", observing()))
        .contains(
            "ValueError: cligen run_observed is doubtful: ws.prn ends on 2022-05-15, before the"
                + " end of a year");
    assertThat(climate.resolve("cligen_wepp.log")).doesNotExist();
  }

  @Test
  void aMissingDayIsDoubtful() throws Exception {
    List<String> lines = twoYears();
    lines.remove(9);
    observations(lines);
    assertThat(result("observed", observing()))
        .contains("'doubts': ['ws.prn: in line 10 2021-01-11 follows 2021-01-09, ");
  }

  @ParameterizedTest
  @ValueSource(strings = {"garbage", "1    2    2021 NaN  40   26", "1    2    2021 20"})
  void aLineThatIsNoDayFails(String line) throws Exception {
    List<String> lines = twoYears();
    lines.set(1, line);
    observations(lines);
    assertThat(failure("observed", observing()))
        .endsWith(
            "ValueError: %s: line 2 is no day: '%s'\n".formatted(climate.resolve("ws.prn"), line));
  }

  @Test
  void noObservationsFail() throws Exception {
    assertThat(failure("observed", observing()))
        .endsWith(
            "FileNotFoundError: cligen: input %s was not there after 0 s\n"
                .formatted(climate.resolve("ws.prn")));
    Files.writeString(climate.resolve("ws.prn"), "");
    assertThat(failure("observed", observing())).contains("ValueError: ").contains("has no days");
  }

  // hostile programs

  @ParameterizedTest
  @CsvSource({
    "'rm -f wepp.cli', made no climate",
    "'head -n 9 wepp.cli >x; mv x wepp.cli', 'made a bad climate: it ends in line 9 of its header'",
    "'head -n 15 wepp.cli >x; mv x wepp.cli', made a bad climate: it has no days",
    "'sed -i /./d wepp.cli', made a bad climate: it ends in line 0 of its header",
    "'sed -i 200d wepp.cli', 'made a bad climate: in its line 200 0001-07-05 follows 0001-07-03'",
    "'head -n 999 wepp.cli >x; mv x wepp.cli', 'made a bad climate: it ends on 0003-09-11, and"
        + " 0003-12-31 was asked for'",
    "'sed -i 16,380d wepp.cli', 'made a bad climate: it begins on 0002-01-01, and 0001-01-01 was"
        + " asked for'",
    "'truncate -s -20 wepp.cli', made a bad climate: its last day is cut:",
    "'sed -i 20s/[0-9.]*$/*****/ wepp.cli', made a bad climate: its line 20 has what is no number:"
  })
  void aClimateThatIsNotWholeFailsThoughCligenSaysNothing(String damage, String words)
      throws Exception {
    program(afterCligen(damage + "; exit 0"));
    assertThat(failure("multiple_year", with("years", 3, "cliver", "9.9")))
        .contains("process: exited with code 0")
        .contains("cligen run_multiple_year " + words);
  }

  @Test
  void whatExitsBadlyWithAWholeClimateIsDoubtfulWhereWeppcloudDoesNotLook() throws Exception {
    program(afterCligen("exit 1"));
    assertThat(result("multiple_year", with("years", 3, "cliver", "9.9")))
        .contains("its exit code is 1");
    assertThat(failure("modified_par", with("years", 3, "cliver", "9.9")))
        .endsWith("RuntimeError: cligen par_mod exited 1; cli_fn=wepp.cli\n");
  }

  @Test
  void aSignalIsToldAsOne() throws Exception {
    program("kill -11 $$");
    assertThat(failure("modified_par", with("years", 3, "cliver", "9.9")))
        .contains("process: was ended by signal 11")
        .endsWith("RuntimeError: cligen par_mod exited -11; cli_fn=wepp.cli\n");
  }

  @Test
  void theQualityGuard() throws Exception {
    observations(twoYears());
    program(afterCligen("echo '*** ERROR *** Could not produce desired level of quality in'"));
    assertThat(failure("observed", observing("cliver", "9.9")))
        .contains("marks: [could not produce desired level of quality, *** error ***]\n")
        .endsWith(
            "RuntimeError: cligen run_observed quality guard tripped; cli_fn=wepp.cli;"
                + " prn_fn=ws.prn\n");
    assertThat(result("observed", observing("cliver", "9.9", "silently_pass_quality_guard", true)))
        .contains("'quality_guard_bypassed': True");
    assertThat(climate.resolve("wepp.cli")).isNotEmptyFile();
  }

  @Test
  void aQuestionFindsTheEndOfTheInput() throws Exception {
    observations(twoYears());
    program("echo 'Overwrite?'; read answer || exit 2; echo said $answer\n");
    assertThat(failure("observed", observing("cliver", "9.9")))
        .contains("    Overwrite?\n")
        .endsWith("RuntimeError: cligen run_observed exited 2; cli_fn=wepp.cli; prn_fn=ws.prn\n");
  }

  @Test
  void whatNeverEndsAndIgnoresTermIsKilled() throws Exception {
    settings.add("cligen.single-storm-timeout=1s");
    program("echo part >wepp.cli\n" + HANG);
    assertThat(failure("single_storm", storm("cliver", "9.9")))
        .contains("; its time was over\n")
        .contains("    half way\n")
        .endsWith("TimeoutError: cligen single_storm timed out; cli_fn=wepp.cli\n");
    assertThat(ProcessHandle.of(Long.parseLong(lines("pid").getFirst()))).isEmpty();
  }

  @Test
  void aWorkerThatLeavesLeavesNoProcessAndNoPart() throws Exception {
    settings.add("timing.drain=0s");
    assertThat(new ProcessBuilder("mkfifo", climate.resolve("ready").toString()).start().waitFor())
        .isZero();
    program("echo part >wepp.cli; echo $$ >pid; echo up >ready\n" + HANG);
    String job = enqueue("multiple_year", with("years", 3, "cliver", "9.9"));
    assertThat(Files.readString(climate.resolve("ready"))).isEqualTo("up\n");
    stopWorker();
    worker = null;
    assertThat(listener.awaitEnd(job))
        .isEqualTo(new Settlement.Recorded(new Settlement.GiveBack()));
    assertThat(climate.resolve("wepp.cli")).doesNotExist();
    assertThat(ProcessHandle.of(Long.parseLong(lines("pid").getFirst()))).isEmpty();
    site.redis.ask("FLUSHALL"); // the job waits for the next worker
  }

  @Test
  void observationsAreTriedAgainAfterATimeout() throws Exception {
    settings.addAll(List.of("cligen.observed-timeout=15s", "cligen.observed-retries=1"));
    observations(twoYears());
    program("if mkdir first; then exec sleep 1000; fi\n" + afterCligen(""));
    assertThat(result("observed", observing("cliver", "9.9"))).isEqualTo(good(730));
    assertThat(lines("cligen_wepp.log"))
        .contains(
            "cligen run_observed timeout attempt=1/2 timeout=15s",
            "cligen run_observed attempt 2/2 start",
            "cligen run_observed flake_detected timeout_attempts=1 success_attempt=2/2");
  }

  @Test
  void ofAFloodTheLastLinesAreKept() throws Exception {
    program("yes 'a line of about thirty characters' | head -c 50000000; echo; echo last; exit 3");
    assertThat(failure("modified_par", with("years", 3, "cliver", "9.9")))
        .contains("    last\n")
        .hasSizeLessThan(5000);
    assertThat(climate.resolve("cligen.log").toFile().length()).isGreaterThan(49_000_000);
  }

  @Test
  void aFaultOfTheStorageIsTriedAgainAndThenToldAsOne() throws Exception {
    settings.add("wepp.storage-retries=1");
    program(
        "if mkdir first; then echo part >wepp.cli; echo 'Stale file handle'; exit 2; fi\n"
            + afterCligen(""));
    assertThat(result("modified_par", with("years", 3, "cliver", "9.9"))).contains("'days': 1095");
    program("echo 'severe (38): No space left on device'; exit 38");
    assertThat(failure("modified_par", with("years", 3, "cliver", "9.9")))
        .endsWith(
            "OSError: the storage failed, not the model: cligen par_mod said 'severe (38): No"
                + " space left on device', in 2 attempts\n");
  }

  // what is refused

  @Test
  void anExecutableThatIsNotTheReleaseIsNotRun() throws Exception {
    program(afterCligen(""));
    Path release = bin.resolve("cligen99.json");
    Files.writeString(release, "{\"binary\": {\"sha256\": \"abc\"}}");
    try {
      assertThat(failure("multiple_year", with("years", 3, "cliver", "9.9")))
          .contains("CligenProvenanceError: ")
          .endsWith("whose SHA-256 is 'abc'; nothing was run\n");
    } finally {
      Files.delete(release);
    }
  }

  @Test
  void stationsFromElsewhereAreRefused() throws Exception {
    Path outside = Files.createDirectories(folder.resolve("outside"));
    Path secret = Files.writeString(outside.resolve("secret.par"), "secret");
    Files.createSymbolicLink(geodata.resolve("link.par"), secret);
    Files.createSymbolicLink(climate.resolve("linked"), outside);
    for (String par :
        List.of(
            secret.toString(),
            "../../../../outside/secret.par",
            geodata + "/../../outside/secret.par",
            geodata.resolve("link.par").toString(),
            "linked/secret.par",
            "/etc/passwd",
            geodata + "/-r1.par",
            "a b.par",
            "")) {
      assertThat(failure("multiple_year", with("years", 3, "par", par)))
          .as(par)
          .contains("ValueError: the station file '" + par + "' is refused: ");
    }
    try (Stream<Path> files = Files.list(climate)) {
      assertThat(files).containsExactly(climate.resolve("linked"));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "cli, ../wepp.cli, ValueError: cli is no name of a file: ../wepp.cli",
    "cli, wepp.txt, 'ValueError: cli must end with .cli, not ''wepp.txt'''",
    "cliver, ../../bin/sh, ValueError: cliver '../../bin/sh' is no version of CLIGEN",
    "cliver, 7.7, FileNotFoundError: there is no executable",
    "years, 0, TypeError: years must be a positive int",
    "years, 10000, 'ValueError: CLIGEN makes 9999 years at most, not 10000'",
    "seed, 1, TypeError: multiple_year() got an unexpected keyword argument 'seed'",
    "par, missing.par, FileNotFoundError: cligen: input"
  })
  void nonsenseIsRefused(String parameter, String value, String words) throws Exception {
    Map<String, PyValue> arguments = with("years", 3);
    arguments.put(parameter, PyValue.of(value));
    assertThat(failure("multiple_year", arguments)).contains(words);
  }

  @Test
  void aClimateFolderThatIsALinkOrMissingIsRefused() throws Exception {
    Files.move(climate, folder.resolve("moved"));
    assertThat(failure("multiple_year", with("years", 3)))
        .endsWith("FileNotFoundError: there is no folder " + climate + "\n");
    Files.createSymbolicLink(climate, folder.resolve("moved"));
    assertThat(failure("multiple_year", with("years", 3)))
        .endsWith("ValueError: " + climate + " is a link out of the run; nothing was run\n");
  }
}
