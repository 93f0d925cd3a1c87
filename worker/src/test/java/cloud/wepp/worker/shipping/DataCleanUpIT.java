package cloud.wepp.worker.shipping;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** Runs the tests of {@code geodata/}, which are in Python as what they test is. */
class DataCleanUpIT {
  @Test
  void noDataIsLost() throws Exception {
    Tool.run("git-filter-repo", "--version");
    assertThat(Tool.run("python3", "geodata/test_clean_up.py")).contains("OK");
  }
}
