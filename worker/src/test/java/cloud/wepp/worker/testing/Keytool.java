package cloud.wepp.worker.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The JDK's own maker of keys and certificates. */
public final class Keytool {
  /** Of all stores. */
  public static final String PASSWORD = "changeit";

  private Keytool() {}

  /**
   * Runs it.
   *
   * @param arguments with a space between them
   */
  public static void run(Path store, String arguments) throws IOException, InterruptedException {
    List<String> command =
        new ArrayList<>(
            List.of(Path.of(System.getProperty("java.home"), "bin", "keytool").toString()));
    command.addAll(List.of(arguments.split(" ")));
    command.addAll(
        List.of("-keystore", store.toString(), "-storepass", PASSWORD, "-storetype", "PKCS12"));
    Path said = store.resolveSibling("keytool.log");
    Process keytool =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(said.toFile()).start();
    assertThat(keytool.waitFor()).as("%s: %s", arguments, Files.readString(said)).isZero();
  }
}
