package cloud.wepp.worker.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.demo.SampleWatershed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The work of the drills: hillslopes of sample watersheds, one a job. The model is a stand-in that
 * takes a while, leaves a grandchild in a session of its own, and notes when two of one hillslope
 * run at once.
 */
final class Watersheds {
  static final String FUNCTION = "wepppy.rq.wepp_rq.run_hillslope_rq";

  /** The same model, run by a Python function of ours. */
  static final String IN_PYTHON = "drill.hillslope";

  /** In the environment of a model: that it is not to leave a grandchild. */
  static final String ALONE = "DRILL_ALONE";

  private static final String MODEL =
      """
      #!/bin/sh
      # A stand-in for WEPP. In the runs folder; the answers come from the .run on standard input.
      outputs=$(grep '^\\.\\./output/')
      job=$(echo "$outputs" | head -n 1 | tr -d './')
      exec 9>>"$job.lock"
      if ! flock -n 9; then # one that is frozen does not run
        case "$(cut -d ' ' -f 3 "/proc/$(cat "$job.pid")/stat")" in
          T | '') ;;
          *) echo "$PWD $job" >>'@FOLDER@/doubled' ;;
        esac
      fi
      echo $$ >"$job.pid"
      echo x >>"$job.begun"
      [ -n "$DRILL_ALONE" ] || setsid sleep 3600 9>&- >/dev/null 2>&1 &
      sleep @SECONDS@
      for output in $outputs; do echo x >"$output"; done
      echo x >>"$job.ended"
      echo ' WEPP COMPLETED HILLSLOPE SIMULATION SUCCESSFULLY'
      """;
  private static final String PYTHON =
      """
      import subprocess
      def hillslope(runs, number):
          with open(f"{runs}/p{number}.run") as answers:
              subprocess.run(["@FOLDER@/bin/wepp"], stdin=answers, cwd=runs, check=True)
      """;

  private final Path folder;
  private final int count;
  private final List<String> jobs = new ArrayList<>();

  private Watersheds(Path folder, int count) {
    this.folder = folder;
    this.count = count;
  }

  /** Lays out so many watersheds, and the models, each of which takes so long. */
  static Watersheds layOut(Path folder, int count, String seconds) throws IOException {
    Path bin = Files.createDirectories(folder.resolve("bin"));
    Path model =
        Files.writeString(
            bin.resolve("wepp"),
            MODEL.replace("@FOLDER@", folder.toString()).replace("@SECONDS@", seconds));
    Files.setPosixFilePermissions(model, PosixFilePermissions.fromString("rwxr-xr-x"));
    Files.writeString(folder.resolve("drill.py"), PYTHON.replace("@FOLDER@", folder.toString()));
    for (int run = 0; run < count; run++) {
      SampleWatershed.layOut(folder.resolve("runs/dr/drill-" + run));
    }
    return new Watersheds(folder, count);
  }

  Path folder() {
    return folder;
  }

  /** All that were enqueued. */
  List<String> jobs() {
    return jobs;
  }

  List<String> settings() {
    return List.of(
        "wepp.bin-dir=" + folder.resolve("bin"),
        "wepp.runs=" + folder.resolve("runs"),
        "wepp.verify=off", // the stand-in writes no numbers
        "python.directory=" + folder);
  }

  /** Enqueues each hillslope as a job. Returns their ids. */
  List<String> enqueue(JobQueue client, boolean python) {
    List<String> enqueued = new ArrayList<>();
    for (int n = 0; n < count * SampleWatershed.HILLSLOPES; n++) {
      enqueued.add(client.enqueue("default", call(n, python), "job " + n, Duration.ofMinutes(3)));
    }
    jobs.addAll(enqueued);
    return enqueued;
  }

  private byte[] call(int n, boolean python) {
    String run = "drill-" + n / SampleWatershed.HILLSLOPES;
    PyValue hillslope = PyValue.of(n % SampleWatershed.HILLSLOPES + 1);
    return python
        ? new Call(IN_PYTHON, List.of(PyValue.of(runs(run).toString()), hillslope), Map.of())
            .write()
        : new Call(FUNCTION, List.of(PyValue.of(run), hillslope, PyValue.of("wepp")), Map.of())
            .write();
  }

  private Path runs(String run) {
    return folder.resolve("runs/dr").resolve(run).resolve("wepp/runs");
  }

  /** How often two of one job ran at once. */
  long doubled() throws IOException {
    Path doubled = folder.resolve("doubled");
    return Files.exists(doubled) ? Files.readAllLines(doubled).size() : 0;
  }

  /** Every hillslope has run to its end, and never two of one at once. */
  void assertEachRan() throws IOException {
    assertThat(doubled()).as("two of one job at once").isZero();
    for (int run = 0; run < count; run++) {
      try (var files = Files.list(runs("drill-" + run))) {
        assertThat(files.filter(file -> file.toString().endsWith(".ended")))
            .hasSize(SampleWatershed.HILLSLOPES);
      }
    }
  }
}
