package cloud.wepp.worker.wepp;

import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * One run of WEPP: its answers are {@code <stem>.run}, its log is {@code <stem>.err}.
 *
 * @param id what WEPPcloud calls it: a hillslope's number, a flowpath's name; empty for a watershed
 * @param runs the working folder
 * @param timeout for one attempt; null for none but the job's own
 * @param retries attempts after the first one timed out
 * @param channel the status channel for lines and metrics; null for none
 */
record Model(
    Kind kind,
    String id,
    String stem,
    Path runs,
    Path executable,
    @Nullable Duration timeout,
    int retries,
    @Nullable String channel) {

  /** What is simulated, under the names of WEPPcloud's {@code wepp_runner}. */
  enum Kind {
    HILLSLOPE("run_hillslope", false),
    STORM_HILLSLOPE("run_ss_batch_hillslope", false),
    FLOWPATH("run_flowpath", false),
    WATERSHED("run_watershed", true),
    STORM_WATERSHED("run_ss_batch_watershed", true);

    final String runner;
    final boolean routing;

    Kind(String runner, boolean routing) {
      this.runner = runner;
      this.routing = routing;
    }
  }

  static Model hillslope(
      int id, Path runs, Path executable, Duration timeout, int retries, @Nullable String channel) {
    return new Model(
        Kind.HILLSLOPE, "" + id, "p" + id, runs, executable, timeout, retries, channel);
  }

  static Model stormHillslope(int id, int storm, Path runs, Path executable, String channel) {
    return new Model(
        Kind.STORM_HILLSLOPE, "" + id, "p" + id + "." + storm, runs, executable, null, 0, channel);
  }

  static Model flowpath(String name, Path runs, Path executable, String channel) {
    return new Model(Kind.FLOWPATH, name, name, runs, executable, null, 0, channel);
  }

  static Model watershed(Path runs, Path executable, @Nullable String channel) {
    return new Model(Kind.WATERSHED, "", "pw0", runs, executable, null, 0, channel);
  }

  static Model stormWatershed(int storm, Path runs, Path executable, String channel) {
    return new Model(Kind.STORM_WATERSHED, "", "pw0." + storm, runs, executable, null, 0, channel);
  }

  Path answers() {
    return runs.resolve(stem + ".run");
  }

  Path log() {
    return runs.resolve(stem + ".err");
  }

  /** The last line that WEPP prints after a good run. */
  String success() {
    return "WEPP COMPLETED %s SIMULATION SUCCESSFULLY"
        .formatted(kind.routing ? "WATERSHED" : "HILLSLOPE");
  }

  /** For people. */
  String name() {
    return switch (kind) {
      case HILLSLOPE -> "wepp hillslope " + id;
      case STORM_HILLSLOPE -> "wepp hillslope storm " + stem.substring(1);
      case FLOWPATH -> "wepp flowpath " + id;
      case WATERSHED -> "wepp watershed";
      case STORM_WATERSHED -> "wepp watershed storm " + stem.substring(4);
    };
  }

  /** How WEPPcloud's log names the run. */
  String shown() {
    String which =
        switch (kind) {
          case HILLSLOPE, STORM_HILLSLOPE -> "wepp_id=" + id + " ";
          case FLOWPATH -> "flowpath=" + id + " ";
          case WATERSHED, STORM_WATERSHED -> "";
        };
    return "%sruns_dir=%s run_file=%s err_file=%s cmd=\"%s\""
        .formatted(which, runs, answers(), log(), executable);
  }

  /**
   * WEPPcloud's own words for a failure; its pages make a link of the watershed's.
   *
   * @param exit the exit code, or minus the signal
   */
  String failure(int exit) {
    return switch (kind) {
      case HILLSLOPE ->
          ("Error running WEPP hillslope for wepp_id=%s; runs_dir=%s; run_file=%s; err_file=%s;"
                  + " cmd=\"%s\"; returncode=%d")
              .formatted(id, runs, answers(), log(), executable, exit);
      case STORM_HILLSLOPE -> "Error running wepp for wepp_id %s\nSee %s".formatted(id, log());
      case FLOWPATH -> "Error running wepp for %s\nSee %s".formatted(id, log());
      case WATERSHED, STORM_WATERSHED -> {
        String log = log().toString();
        int pups = log.indexOf("/_pups/");
        yield "Error running wepp for watershed \nSee <a href=\"browse/%s\">%s</a>"
            .formatted(
                pups < 0 ? "wepp/runs/" + log().getFileName() : log.substring(pups + 1), log);
      }
    };
  }
}
