package cloud.wepp.worker.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;

/** Libraries in C that take the place of calls of a program under test ({@code LD_PRELOAD}). */
public final class Preload {
  private Preload() {}

  /**
   * The library, made in {@code folder}. Skips the test where there is no C compiler.
   *
   * @param resource its source
   */
  public static Path library(Path folder, String resource) throws IOException {
    Path source = folder.resolve(Path.of(resource).getFileName());
    Path library = folder.resolve(source.getFileName() + ".so");
    try (InputStream in = Objects.requireNonNull(Preload.class.getResourceAsStream(resource))) {
      Files.copy(in, source);
    }
    String[] cc = {
      "cc", "-shared", "-fPIC", "-O1", "-o", library.toString(), source.toString(), "-ldl"
    };
    try {
      assertThat(new ProcessBuilder(cc).inheritIO().start().waitFor()).as("%s", source).isZero();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while " + source + " was compiled", e);
    } catch (IOException e) {
      if (System.getenv("RQ_WORKER_TESTS_REQUIRED") != null) {
        throw e;
      }
      abort("a C compiler is needed: " + e.getMessage());
    }
    return library;
  }
}
