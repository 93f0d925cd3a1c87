package cloud.wepp.worker.wepp;

import cloud.wepp.worker.job.JobContext;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Brings CLIGEN's station files ({@code .par}) into the folder that it runs in. A path comes from a
 * job, and must lead nowhere but into the run's own folder or that of shared data, by no link.
 *
 * @param geodata the folder of shared data
 */
record StationFile(Path geodata, Programs programs) {
  private static final long MOST_BYTES = 1 << 20; // a real one has 7 KB

  /**
   * Puts the station file beside the run's other files, unless it is there.
   *
   * @param par a path, which counts from the climate folder if it is relative
   * @return its name there
   */
  String stage(String par, RunFolder run, JobContext context)
      throws JobFailed, InterruptedException {
    Path climate = run.climate();
    Path given = path(par, climate);
    Path name = given.getFileName();
    if (name == null || !name.toString().matches(Arguments.FILE_NAME + "\\.par")) {
      throw refused(par, "its name is not one of a station file");
    }
    String what = "Reading the station file " + given;
    StorageFault.retrying(
        what,
        context,
        () -> {
          if (!isBelow(given, run.folder()) && !isBelow(given, geodata)) {
            throw refused(
                par, "it is neither below %s nor below %s".formatted(run.folder(), geodata));
          }
          return true;
        });
    programs.awaitFiles("cligen", List.of(given), context);
    return StorageFault.retrying(what, context, () -> stage(par, given, name, run));
  }

  private String stage(String par, Path given, Path name, RunFolder run)
      throws IOException, JobFailed {
    Path real = given.toRealPath();
    if (!real.startsWith(run.folder().toRealPath()) && !real.startsWith(real(geodata))) {
      throw refused(par, "it is a link to " + real);
    }
    if (!Files.isRegularFile(real) || Files.size(real) > MOST_BYTES) {
      throw refused(par, "it is no station file");
    }
    if (Files.size(real) == 0) {
      throw new JobFailed("ValueError", "the station file %s is empty".formatted(real));
    }
    Path climate = run.climate();
    if (!real.equals(climate.toRealPath().resolve(name))) {
      copy(real, climate.resolve(name));
    }
    return name.toString();
  }

  private static Path path(String par, Path climate) throws JobFailed {
    try {
      return climate.resolve(par).normalize();
    } catch (InvalidPathException e) {
      throw refused(par, "it is no path");
    }
  }

  private static boolean isBelow(Path file, Path folder) throws IOException {
    return Stream.of(folder.normalize(), real(folder)).anyMatch(file::startsWith);
  }

  /** The folder itself if it does not exist. */
  private static Path real(Path folder) throws IOException {
    return Files.exists(folder) ? folder.toRealPath() : folder;
  }

  /** Others may read the old one meanwhile: they see it or the new one, whole. */
  private static void copy(Path from, Path to) throws IOException {
    if (Files.isRegularFile(to, LinkOption.NOFOLLOW_LINKS) && Files.mismatch(from, to) < 0) {
      return;
    }
    WholeFile.amongOthers(to).copyOf(from);
  }

  private static JobFailed refused(String par, String why) {
    return new JobFailed(
        "ValueError",
        "the station file '%s' is refused: %s; nothing was run"
            .formatted(par.replaceAll("\\p{Cntrl}", "?"), why));
  }
}
