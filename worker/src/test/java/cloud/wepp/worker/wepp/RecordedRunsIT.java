package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import cloud.wepp.worker.demo.SampleRuns;
import cloud.wepp.worker.process.CpuBudget;
import cloud.wepp.worker.testing.Processes;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * How two real builds of WEPP ended with bad inputs, as recorded, replayed by a stand-in: what the
 * worker makes of each.
 */
@Timeout(60)
class RecordedRunsIT {
  private static final String SUCCESS = " SIMULATION SUCCESSFULLY";
  @RegisterExtension static final Processes PROCESSES = new Processes();

  @TempDir Path folder;
  private Path runs;
  private Path output;
  private final RecordingContext job = new RecordingContext();

  /**
   * One real run.
   *
   * @param years that it said it simulated
   * @param stdout the last lines
   * @param stderr the first lines
   * @param timeout whether it never ended
   * @param files the outputs of a hillslope with their sizes
   * @param nan those that had NaN in them
   * @param run the answers, if they were part of what was bad
   */
  record Recorded(
      String kind,
      String build,
      String name,
      int rc,
      int years,
      List<String> stdout,
      List<String> stderr,
      boolean timeout,
      @Nullable Map<String, Long> files,
      @Nullable List<String> nan,
      @Nullable String run) {
    boolean routing() {
      return kind.equals("watershed");
    }

    String lastLine() {
      return stdout.isEmpty() ? "" : stdout.getLast();
    }

    boolean saysSuccess() {
      return lastLine().endsWith(SUCCESS);
    }

    @Override
    public String toString() {
      return kind + " " + build + " " + name;
    }
  }

  static List<Recorded> recorded() {
    try (InputStream in =
        Objects.requireNonNull(
            RecordedRunsIT.class.getResourceAsStream("/wepp-sample/recorded-runs.json"))) {
      return JsonMapper.builder()
          .disable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
          .build()
          .readValue(in, new TypeReference<>() {});
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @BeforeEach
  void layOut() throws IOException {
    Path run = folder.resolve("run");
    SampleRuns.watershed7(run);
    runs = run.resolve("wepp/runs");
    output = run.resolve("wepp/output");
    for (int id = 1; id <= 7; id++) {
      Files.writeString(output.resolve("H" + id + ".pass.dat"), "pass\n");
    }
  }

  @ParameterizedTest
  @MethodSource("recorded")
  void endsAsItShould(Recorded recorded) throws Exception {
    spoil(recorded);
    Model model = model(recorded);
    JobFailed failed =
        catchThrowableOfType(
            JobFailed.class,
            () ->
                new ModelRunner(
                        PROCESSES.runner(),
                        new Executables(folder),
                        new WeppFunctions.Models(
                            Duration.ofMillis(100),
                            Duration.ZERO,
                            1,
                            "warn",
                            recorded.build.equals("gfortran") ? 74 : 110,
                            "off",
                            true,
                            folder.resolve("scratch"),
                            "0",
                            "off",
                            Duration.ofSeconds(5),
                            RecordingContext.UNWATCHED))
                    .run(model, new CpuBudget(1), job));
    String end = failed == null ? "good" : failed.traceback("call()");
    assertThat(end).contains(expected(recorded));
    if (failed == null) {
      check(recorded);
    }
  }

  private Model model(Recorded recorded) throws IOException {
    Path program = folder.resolve("wepp_replay");
    Files.writeString(program, replay(recorded));
    Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwx------"));
    return recorded.routing()
        ? Model.watershed(runs, program, null)
        : Model.hillslope(1, runs, program, Duration.ofSeconds(recorded.timeout ? 1 : 50), 0, null);
  }

  /** What was done to the inputs, as far as the worker looks at them itself. */
  private void spoil(Recorded recorded) throws IOException {
    String stem = recorded.routing() ? "pw0" : "p1";
    Path answers = runs.resolve(stem + ".run");
    if (recorded.run != null) {
      Files.writeString(answers, recorded.run);
      for (String line : recorded.run.lines().toList()) {
        if (line.endsWith(".cli") && !Files.exists(runs.resolve(line))) {
          Files.createDirectories(runs.resolve(line).getParent());
          Files.copy(runs.resolve("p1.cli"), runs.resolve(line));
        }
      }
    }
    String[] what = recorded.name.split("_", 2);
    switch (what[0]) {
      case "missing" -> {
        switch (what[1]) {
          case "pass_H7" -> Files.delete(output.resolve("H7.pass.dat"));
          case "chan_inp" -> Files.delete(runs.resolve("chan.inp"));
          default -> Files.delete(runs.resolve(stem + "." + what[1]));
        }
      }
      case "empty" ->
          Files.writeString(
              what[1].equals("pass_H7")
                  ? output.resolve("H7.pass.dat")
                  : runs.resolve(stem + "." + what[1]),
              "");
      case "years" -> years(answers, what[1].replaceAll("_.*", ""));
      default -> {
        if (recorded.routing()) {
          years(answers, "11");
        }
      }
    }
    switch (recorded.name) {
      case "out_dir_missing" -> Stage.remove(output);
      case "out_is_directory" -> Files.createDirectories(output.resolve("H1.wat.dat"));
      default -> {}
    }
  }

  private static void years(Path answers, String years) throws IOException {
    List<String> lines = new ArrayList<>(Files.readAllLines(answers));
    lines.set(lines.size() - 1, years);
    Files.write(answers, lines);
  }

  /** A stand-in for one run of WEPP. */
  private static String replay(Recorded recorded) {
    StringBuilder script =
        new StringBuilder("#!/bin/sh\n# a stand-in that replays a run of WEPP\n");
    long told = recorded.stdout.stream().filter(line -> line.startsWith("SIMULATION YEAR")).count();
    for (int year = 1; year <= recorded.years - told; year++) {
      script.append("echo ' SIMULATION YEAR = ").append(year).append("'\n");
    }
    outputs(recorded)
        .forEach((name, content) ->
            script
                .append("printf '")
                .append(content)
                .append("' >../output/")
                .append(name)
                .append('\n'));
    recorded.stdout.forEach(line -> script.append("echo ' ").append(line).append("'\n"));
    recorded.stderr.forEach(
        line -> script.append("echo '").append(line.replace("'", "")).append("' >&2\n"));
    if (recorded.timeout) {
      script.append("exec sleep 1000\n");
    } else if (recorded.rc < 0) {
      script.append("kill ").append(recorded.rc).append(" $$\n");
    } else {
      script.append("exit ").append(recorded.rc).append('\n');
    }
    return script.toString();
  }

  private static Map<String, String> outputs(Recorded recorded) {
    Map<String, String> outputs = new TreeMap<>();
    if (recorded.routing() && recorded.saysSuccess()) {
      for (String name :
          List.of(
              "pass_pw0.txt",
              "loss_pw0.txt",
              "chnwb.txt",
              "soil_pw0.txt",
              "plot_pw0.txt",
              "ebe_pw0.txt")) {
        outputs.put(name, "x\\n");
      }
    }
    if (recorded.files != null && !recorded.name.equals("out_dir_missing")) {
      recorded.files.forEach((name, size) -> {
        String value = recorded.nan != null && recorded.nan.contains(name) ? "NaN" : "1.0";
        String end =
            switch (name) {
              case "H1.loss.dat" -> " Average annual SSA enrichment ratio leaving profile = 0\\n";
              case "H1.pass.dat" -> "NO EVENT   2002   365\\n";
              case "H1.wat.dat" -> "  1  365  2002  0.0\\n";
              default -> "";
            };
        outputs.put(name, size == 0 ? "" : value + "\\n" + end);
      });
    }
    outputs.remove(recorded.name.equals("out_is_directory") ? "H1.wat.dat" : "");
    return outputs;
  }

  /** Part of the text of the end. */
  private String expected(Recorded recorded) {
    String name = recorded.name;
    if (name.equals("missing_chan_inp")) {
      return "good"; // it is read by a fixed name, and the model does not say that it wanted it
    } else if (name.startsWith("missing_") || name.equals("out_dir_missing")) {
      return "FileNotFoundError: ";
    } else if (name.equals("run_empty")) {
      return "ValueError: " + runs.resolve("p1.run") + " is empty";
    } else if (name.startsWith("empty_")) {
      return " was not run: ";
    } else if (name.equals("out_is_directory") || name.contains("devfull")) {
      return " is no file";
    } else if (recorded.timeout) {
      return "TimeoutError: Hillslope simulation timed out for wepp_id=1; ";
    } else if (!recorded.saysSuccess()) {
      return "    " + recorded.lastLine() + "\n";
    } else if (name.equals("out_path_over_50_chars") && recorded.build.equals("gfortran")) {
      return " is missing";
    }
    return "good";
  }

  private void check(Recorded recorded) throws Exception {
    Answers answers = Answers.read(runs.resolve(recorded.routing() ? "pw0.run" : "p1.run"));
    boolean tellsYears = !recorded.routing() || recorded.years > 0;
    boolean asAsked = answers.years().equals("" + recorded.years);
    boolean number = answers.years().matches("[1-9]\\d*");
    assertThat(doubts(" it simulated "))
        .as("asked for %s, simulated %d", answers.years(), recorded.years)
        .hasSize(tellsYears && number && !asAsked ? 1 : 0);
    assertThat(doubts(": WEPP simulates one")).hasSize(number ? 0 : 1);
    assertThat(doubts(" has NaN or Infinity"))
        .hasSize(recorded.nan == null ? 0 : recorded.nan.size());
  }

  private List<String> doubts(String with) {
    return job.doubts.stream().filter(doubt -> doubt.contains(with)).toList();
  }
}
