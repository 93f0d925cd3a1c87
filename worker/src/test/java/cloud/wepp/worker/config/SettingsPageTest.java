package cloud.wepp.worker.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The page of all settings is what the code says of them. */
class SettingsPageTest {
  @Test
  void isWhatTheCodeGenerates() throws IOException {
    assertThat(Files.readString(Path.of("..", "docs", "configuration.md")))
        .as(
            "docs/configuration.md is not what the code says of its settings. Make it again:%n"
                + "  (head -n 7 docs/configuration.md; ./rq-worker settings) > settings.new"
                + " && mv settings.new docs/configuration.md%n")
        .endsWith("`./rq-worker settings`.\n" + ConfigReader.reference());
  }
}
