package cloud.wepp.worker.demo;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;

/** Puts the stand-in for the WEPP executable where a worker looks for executables. */
public final class StandIn {
  /** As WEPPcloud names them: {@code <tag>} routes, {@code <tag>_hill} does hillslopes. */
  private static final List<String> NAMES = List.of("wepp", "wepp_standin", "wepp_standin_hill");

  private StandIn() {}

  /** Writes the executables into the folder, which is made if need be, and returns the folder. */
  public static Path install(Path binFolder) throws IOException {
    Files.createDirectories(binFolder);
    for (String name : NAMES) {
      Path executable = Files.writeString(binFolder.resolve(name), script());
      Files.setPosixFilePermissions(executable, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
    return binFolder;
  }

  /**
   * Without signal handlers (-Xrs) it ends by SIGTERM as WEPP does; the rest is for a quick start.
   */
  private static String script() {
    return """
    #!/bin/sh
    # %s
    exec %s -Xrs -Xshare:auto -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData -cp %s %s
    """
        .formatted(
            StandInModel.MARK,
            quoted(Path.of(System.getProperty("java.home"), "bin", "java")),
            quoted(classes()),
            StandInModel.class.getName());
  }

  private static Path classes() {
    try {
      return Path.of(
          StandInModel.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException("cannot tell where the stand-in's classes are", e);
    }
  }

  private static String quoted(Path path) {
    return "'" + path.toString().replace("'", "'\\''") + "'";
  }
}
