package cloud.wepp.worker.testing;

import cloud.wepp.worker.process.ProcessRunner;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Runs the processes of all tests of a class. */
public final class Processes implements BeforeAllCallback, AfterAllCallback {
  private @Nullable ProcessRunner runner;

  public ProcessRunner runner() {
    return Objects.requireNonNull(runner);
  }

  @Override
  public void beforeAll(ExtensionContext context) {
    runner = ProcessRunner.start();
  }

  @Override
  public void afterAll(ExtensionContext context) {
    runner().close();
  }
}
