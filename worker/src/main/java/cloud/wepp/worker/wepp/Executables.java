package cloud.wepp.worker.wepp;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The executables of one folder, WEPP or CLIGEN, named as WEPPcloud names them. */
final class Executables {
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_]+");

  private final Path folder;
  private final Map<Path, Identity> known = new ConcurrentHashMap<>();

  Executables(Path folder) {
    this.folder = folder;
  }

  /** A file as it was when its checksum was made. */
  private record Identity(long bytes, Instant modified, String sha256) {}

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
    return usable(folder.resolve("cligen" + version.replace(".", "")));
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
      BasicFileAttributes now = Files.readAttributes(executable, BasicFileAttributes.class);
      Instant modified = now.lastModifiedTime().toInstant();
      Identity identity = known.get(executable);
      if (identity == null || identity.bytes != now.size() || !identity.modified.equals(modified)) {
        identity = new Identity(now.size(), modified, sha256(executable));
        known.put(executable, identity);
      }
      return ("binary_identity binary_path=\"%s\" binary_sha256=%s binary_size_bytes=%d"
              + " binary_mtime_ns=%d binary_identity_status=ok binary_identity_error=\"\"")
          .formatted(
              executable,
              identity.sha256,
              identity.bytes,
              now.lastModifiedTime().to(TimeUnit.NANOSECONDS));
    } catch (IOException e) {
      return "binary_identity binary_path=\"%s\" binary_identity_status=error binary_identity_error=\"%s\""
          .formatted(executable, e);
    }
  }

  private static String sha256(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      byte[] buffer = new byte[65536];
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        digest.update(buffer, 0, n);
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
  }
}
