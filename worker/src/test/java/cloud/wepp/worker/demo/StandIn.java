package cloud.wepp.worker.demo;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;

/** Puts the stand-ins for the executables of WEPP and CLIGEN where a worker looks for them. */
public final class StandIn {
  /** As WEPPcloud names them: {@code <tag>} routes, {@code <tag>_hill} does hillslopes. */
  private static final List<String> NAMES = List.of("wepp", "wepp_standin", "wepp_standin_hill");

  /** As WEPPcloud names it: version 5.3.2. */
  private static final String CLIGEN = "cligen532";

  private StandIn() {}

  /** Writes the executables into the folder, which is made if need be, and returns the folder. */
  public static Path install(Path binFolder) throws IOException {
    Files.createDirectories(binFolder);
    for (String name : NAMES) {
      install(binFolder.resolve(name), StandInModel.MARK, StandInModel.class);
    }
    install(binFolder.resolve(CLIGEN), StandInCligen.MARK, StandInCligen.class);
    return binFolder;
  }

  private static void install(Path executable, String mark, Class<?> program) throws IOException {
    Files.writeString(executable, script(mark, program));
    Files.setPosixFilePermissions(executable, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  /**
   * Without signal handlers (-Xrs) it ends by SIGTERM as WEPP does; the rest is for a quick start.
   */
  private static String script(String mark, Class<?> program) {
    return """
    #!/bin/sh
    # %s
    exec %s -Xrs -Xshare:auto -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData -cp %s %s "$@"
    """
        .formatted(
            mark,
            quoted(Path.of(System.getProperty("java.home"), "bin", "java")),
            quoted(classes()),
            program.getName());
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
