package cloud.wepp.worker.observe;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MountTest {
  @TempDir Path folder;

  private static Mount mount(Path folder, boolean written, Optional<String> owner, long minFree) {
    return new Mount(
        new Mount.Wanted(folder, written, false, owner, minFree),
        "w",
        new SlowCheck.Pace(Duration.ofSeconds(30), Duration.ofSeconds(15)),
        InstantSource.system());
  }

  @Test
  void whatIsWrittenIsRemovedAgain() {
    try (Mount mount = mount(folder, true, Optional.empty(), 0)) {
      assertThat(mount.look().well()).isTrue();
      assertThat(folder).isEmptyDirectory();
      assertThat(mount.seen().stat()).isPositive();
      assertThat(mount.seen().write()).isPositive();
      assertThat(mount.seen().free()).isPositive().isLessThanOrEqualTo(mount.seen().size());
    }
  }

  @Test
  void whereJobsOnlyReadNothingIsWritten() {
    Path readOnly = Path.of("/proc"); // in which nobody makes files
    try (Mount reads = mount(readOnly, false, Optional.of("1:1"), 0);
        Mount writes = mount(readOnly, true, Optional.empty(), 0)) {
      assertThat(reads.look().well()).isTrue();
      assertThat(reads.seen().write()).isNaN();
      assertThat(writes.look().well()).isFalse();
      assertThat(writes.look().text()).startsWith("/proc cannot be written: ");
    }
  }

  @Test
  void whatIsWrittenMustBelongToTheRightOne() throws IOException {
    String own = Mount.owner(folder);
    try (Mount right = mount(folder, true, Optional.of(own), 0);
        Mount wrong = mount(folder, true, Optional.of("123456:7"), 0)) {
      assertThat(right.look().well()).isTrue();
      assertThat(wrong.look())
          .isEqualTo(
              new Probes.Found(
                  false,
                  "what is written to %s belongs to %s, not to 123456:7".formatted(folder, own)));
    }
  }

  @Test
  void thereMustBeRoom() {
    try (Mount mount = mount(folder, true, Optional.empty(), Long.MAX_VALUE)) {
      assertThat(mount.look().text()).startsWith(folder + " has ").endsWith(" MB left");
    }
  }

  @Test
  void oneThatIsMissingIsNamedUnlessItNeedNotBeThere() throws IOException {
    Path missing = folder.resolve("no");
    try (Mount needed = mount(missing, true, Optional.empty(), 0);
        Mount optional =
            new Mount(
                new Mount.Wanted(missing, true, true, Optional.empty(), 0),
                "w",
                new SlowCheck.Pace(Duration.ofSeconds(30), Duration.ofSeconds(15)),
                InstantSource.system())) {
      assertThat(needed.look()).isEqualTo(new Probes.Found(false, missing + " is no folder"));
      assertThat(optional.look().well()).isTrue();
      Files.createDirectory(missing);
      assertThat(optional.look().well()).isTrue();
      Files.delete(missing);
      assertThat(optional.look().well()).as("it was there").isFalse();
    }
  }
}
