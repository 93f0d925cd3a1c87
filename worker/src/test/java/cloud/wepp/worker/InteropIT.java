package cloud.wepp.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Unmodified rq clients and workers, in Python, beside a real worker process: interop/run. */
class InteropIT {
  private static final long LIMIT_MINUTES = 40;

  /** How interop/run says that it has no Python to run with. */
  private static final int SKIPPED = 77;

  private static final Path JAR = Path.of("target/worker.jar");

  @Test
  void realRqEnqueuesAndReads() throws Exception {
    FileTime built = Files.getLastModifiedTime(JAR);
    Path output = Path.of("target/interop.txt");
    ProcessBuilder suite =
        new ProcessBuilder(Path.of("../interop/run").toRealPath().toString())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile());
    suite.environment().put("RQ_WORKER_NO_BUILD", "1"); // the jar is here; no Maven inside Maven

    Process run = suite.start();
    boolean ended = run.waitFor(LIMIT_MINUTES, TimeUnit.MINUTES);
    if (!ended) {
      run.destroy();
      if (!run.waitFor(1, TimeUnit.MINUTES)) {
        run.destroyForcibly();
      }
    }
    String said = Files.readString(output);
    System.out.println(said);

    assertThat(ended).as("interop/run ends within %d minutes", LIMIT_MINUTES).isTrue();
    assertThat(Files.getLastModifiedTime(JAR)).as("the launcher built nothing").isEqualTo(built);
    if (run.exitValue() == SKIPPED && System.getenv("RQ_WORKER_TESTS_REQUIRED") == null) {
      abort(said);
    }
    assertThat(run.exitValue()).as("exit code of interop/run; %s", said).isZero();
  }
}
