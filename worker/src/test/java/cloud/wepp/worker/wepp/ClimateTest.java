package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** Climates that the real CLIGEN 5.32300 made; what damages them is in {@code CligenIT}. */
class ClimateTest {
  private static Climate read(String name) throws IOException, URISyntaxException {
    return Climate.read(
        Path.of(
            Objects.requireNonNull(ClimateTest.class.getResource("/wepp-sample/" + name)).toURI()));
  }

  @Test
  void threeYears() throws Exception {
    assertThat(read("watershed-7/runs/p1.cli"))
        .isEqualTo(
            new Climate(1096, LocalDate.of(2000, 1, 1), LocalDate.of(2002, 12, 31), List.of()));
  }

  @Test
  void aSingleStorm() throws Exception {
    LocalDate day = LocalDate.of(12, 6, 15);
    assertThat(read("cligen/single-storm.cli")).isEqualTo(new Climate(1, day, day, List.of()));
  }
}
