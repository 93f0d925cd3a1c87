package cloud.wepp.worker.wepp;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/** The executables of one folder, WEPP or CLIGEN, named as WEPPcloud names them. */
final class Executables {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_]+");

  private final Path folder;
  private final Map<Path, Identity> known = new ConcurrentHashMap<>();

  Executables(Path folder) {
    this.folder = folder;
  }

  /** A file as it was when its checksum was made. */
  private record Identity(long bytes, FileTime modified, String sha256) {}

  /**
   * The executable of a job.
   *
   * @param name WEPPcloud's {@code wepp_bin}; null for {@code wepp}
   * @param hillslope whether {@code <name>_hill} is meant where it exists
   */
  Path find(@Nullable String name, boolean hillslope) throws JobFailed {
    if (name == null) {
      return usable(folder.resolve("wepp"));
    }
    if (!NAME.matcher(name).matches()) {
      throw new JobFailed(
          "ValueError",
          "wepp_bin '%s' is no name of an executable: letters, digits and _ are; nothing was run"
              .formatted(name.replaceAll("\\p{Cntrl}", "?")));
    }
    Path hill = folder.resolve(name + "_hill");
    return usable(hillslope && Files.exists(hill) ? hill : folder.resolve(name));
  }

  /** CLIGEN of a version: {@code cligen532} is 5.3.2. */
  Path cligen(String version) throws JobFailed {
    if (!version.matches("\\d{1,2}(\\.\\d{1,2}){1,2}")) {
      throw new JobFailed(
          "ValueError",
          "cliver '%s' is no version of CLIGEN; nothing was run"
              .formatted(version.replaceAll("\\p{Cntrl}", "?")));
    }
    Path executable = usable(folder.resolve("cligen" + version.replace(".", "")));
    checkRelease(executable);
    return executable;
  }

  /** A release of CLIGEN may have a record of its checksum beside it, as WEPPcloud's has. */
  private void checkRelease(Path executable) throws JobFailed {
    Path release = executable;
    try {
      release = Path.of(executable.toRealPath() + ".json");
      if (!Files.exists(release)) {
        return;
      }
      String recorded =
          JSON.readTree(Files.readString(release)).path("binary").path("sha256").asString("");
      if (!recorded.equals(sha256(executable))) {
        throw new JobFailed(
            "CligenProvenanceError",
            "%s is not the executable that %s tells of, whose SHA-256 is '%s'; nothing was run"
                .formatted(executable, release, recorded));
      }
    } catch (IOException | JacksonException e) {
      throw new JobFailed(
          "CligenProvenanceError", "%s cannot be checked: %s".formatted(release, e));
    }
  }

  private static Path usable(Path executable) throws JobFailed {
    if (!Files.isRegularFile(executable)) {
      throw new JobFailed("FileNotFoundError", "there is no executable " + executable);
    }
    if (!Files.isExecutable(executable)) {
      throw new JobFailed("PermissionError", executable + " is not executable");
    }
    return executable;
  }

  /** WEPPcloud's line of an {@code .err} file that tells which build ran. */
  String identity(Path executable) {
    try {
      Identity identity = known(executable);
      return ("binary_identity binary_path=\"%s\" binary_sha256=%s binary_size_bytes=%d"
              + " binary_mtime_ns=%d binary_identity_status=ok binary_identity_error=\"\"")
          .formatted(
              executable,
              identity.sha256,
              identity.bytes,
              identity.modified.to(TimeUnit.NANOSECONDS));
    } catch (IOException e) {
      return "binary_identity binary_path=\"%s\" binary_identity_status=error binary_identity_error=\"%s\""
          .formatted(executable, e);
    }
  }

  /** In hex. */
  String sha256(Path executable) throws IOException {
    return known(executable).sha256;
  }

  /** For the record of what it has made. */
  Provenance.Item item(Path executable) throws IOException {
    Identity identity = known(executable);
    return new Provenance.Item(executable.toString(), identity.bytes, identity.sha256);
  }

  private Identity known(Path executable) throws IOException {
    BasicFileAttributes now = Files.readAttributes(executable, BasicFileAttributes.class);
    Identity identity = known.get(executable);
    if (identity == null
        || identity.bytes != now.size()
        || !identity.modified.equals(now.lastModifiedTime())) {
      identity = new Identity(now.size(), now.lastModifiedTime(), FileScan.sha256(executable));
      known.put(executable, identity);
    }
    return identity;
  }
}
