package cloud.wepp.worker.wepp;

import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Where WEPPcloud keeps its runs, by the forms of run id that its {@code get_wd} knows. Anything
 * else is refused: a run id comes from a job, and must not lead out of these folders.
 *
 * @param runs {@code <runs>/<first two characters>/<run id>}
 * @param legacyRuns {@code <legacyRuns>/<run id>}, where it exists and the first does not
 * @param batch {@code <batch>/<name>/runs/<run>}
 * @param culverts {@code <culverts>/<uuid>/runs/<id>}
 */
public record RunFolders(
    Path runs,
    Path legacyRuns,
    Path batch,
    Path culverts,
    Optional<Path> profileTmp,
    Optional<Path> profileFork,
    Optional<Path> profileArchive) {
  /** One part of a run id, which is a folder's name. */
  private static final Pattern PART =
      Pattern.compile("[A-Za-z0-9_](?:[A-Za-z0-9_ .+-]*[A-Za-z0-9_+-])?");

  private static final String SEPARATOR = ";;";

  /** The folder of a run, which exists. */
  Path find(String run) throws JobFailed {
    List<String> parts = List.of(run.split(SEPARATOR, -1));
    if (run.length() > 255 || !parts.stream().allMatch(part -> PART.matcher(part).matches())) {
      throw refused(run);
    }
    Path folder = folder(run, parts);
    if (!Files.isDirectory(folder)) {
      throw new JobFailed(
          "FileNotFoundError", "run %s: its folder %s does not exist".formatted(run, folder));
    }
    return folder;
  }

  private Path folder(String run, List<String> parts) throws JobFailed {
    return switch (parts.getFirst()) {
      case "batch" ->
          switch (parts.size()) {
            case 3 -> batchRun(parts);
            case 5 -> pup(run, batchRun(parts), parts.subList(3, 5));
            default -> throw refused(run);
          };
      case "culvert" -> {
        if (parts.size() != 3) {
          throw refused(run);
        }
        yield culverts.resolve(parts.get(1)).resolve("runs").resolve(parts.get(2));
      }
      case "profile" -> {
        if (parts.size() != 3) {
          throw refused(run);
        }
        yield profile(run, parts.get(1)).resolve(parts.get(2));
      }
      default ->
          switch (parts.size()) {
            case 1 -> plain(run);
            case 3 -> pup(run, plain(parts.getFirst()), parts.subList(1, 3));
            default -> throw refused(run);
          };
    };
  }

  private Path plain(String run) throws JobFailed {
    if (run.length() < 2) {
      throw refused(run);
    }
    Path primary = runs.resolve(run.substring(0, 2)).resolve(run);
    Path legacy = legacyRuns.resolve(run);
    return !Files.exists(primary, LinkOption.NOFOLLOW_LINKS) && Files.isDirectory(legacy)
        ? legacy
        : primary;
  }

  private Path batchRun(List<String> parts) {
    Path folder = batch.resolve(parts.get(1));
    return parts.get(2).equals("_base")
        ? folder.resolve("_base")
        : folder.resolve("runs").resolve(parts.get(2));
  }

  /** A scenario or contrast of Omni below its parent run. */
  private static Path pup(String run, Path parent, List<String> parts) throws JobFailed {
    Path omni = parent.resolve("_pups/omni");
    return switch (parts.getFirst()) {
      case "omni" -> omni.resolve("scenarios").resolve(parts.get(1));
      case "omni-contrast" -> omni.resolve("contrasts").resolve(parts.get(1));
      default -> throw refused(run);
    };
  }

  private Path profile(String run, String kind) throws JobFailed {
    Optional<Path> root =
        switch (kind) {
          case "tmp" -> profileTmp;
          case "fork" -> profileFork;
          case "archive" -> profileArchive;
          default -> Optional.empty();
        };
    return root.orElseThrow(() -> refused(run));
  }

  private static JobFailed refused(String run) {
    return new JobFailed(
        "ValueError",
        "run id '%s' is not of a form that WEPPcloud uses; nothing was run".formatted(shown(run)));
  }

  private static String shown(String text) {
    String printable = text.replaceAll("\\p{Cntrl}", "?");
    return printable.length() > 100 ? printable.substring(0, 100) + "..." : printable;
  }
}
