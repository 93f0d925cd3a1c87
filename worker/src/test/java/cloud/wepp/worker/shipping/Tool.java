package cloud.wepp.worker.shipping;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Programs of others. A test that needs one is skipped where it is not installed; in CI it fails.
 */
final class Tool {
  static final Path ROOT = Path.of("..").toAbsolutePath().normalize();

  private Tool() {}

  /** Skips the test, or fails it where tests are required. */
  static void lacks(String what) {
    if (System.getenv("RQ_WORKER_TESTS_REQUIRED") != null) {
      fail(what);
    }
    abort(what);
  }

  /** What a command prints, which must end well. */
  static String run(String... command) throws IOException, InterruptedException {
    String program = command[0];
    if (Stream.of(System.getenv("PATH").split(":", -1))
        .noneMatch(folder -> Files.isExecutable(Path.of(folder, program)))) {
      lacks(program + " is not installed");
    }
    Path output = Files.createTempFile("tool", ".txt");
    try {
      Process process =
          new ProcessBuilder(command)
              .directory(ROOT.toFile())
              .redirectErrorStream(true)
              .redirectOutput(output.toFile())
              .start();
      if (!process.waitFor(10, TimeUnit.MINUTES)) {
        process.destroyForcibly();
      }
      String said = Files.readString(output, StandardCharsets.UTF_8);
      assertThat(process.waitFor()).as("%s: %s", List.of(command), said).isZero();
      return said;
    } finally {
      Files.delete(output);
    }
  }
}
