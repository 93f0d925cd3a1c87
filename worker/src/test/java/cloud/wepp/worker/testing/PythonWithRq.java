package cloud.wepp.worker.testing;

import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** An interpreter that has rq: the environment of the interop suite, made if it is not there. */
public final class PythonWithRq {
  private PythonWithRq() {}

  /** The absolute path of the interpreter. Skips the test where there is no Python. */
  public static String interpreter(String rqVersion) throws IOException, InterruptedException {
    Path output = Files.createTempFile("interpreter", "");
    Process made =
        new ProcessBuilder(Path.of("../interop/run").toRealPath().toString(), "--python", rqVersion)
            .redirectOutput(output.toFile())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    int exit = made.waitFor();
    String said = Files.readString(output).strip();
    Files.delete(output);
    if (exit != 0) {
      if (System.getenv("RQ_WORKER_TESTS_REQUIRED") != null) {
        throw new IOException("there is no Python with rq " + rqVersion + ": " + said);
      }
      abort("there is no Python with rq " + rqVersion + ": " + said);
    }
    return said;
  }
}
