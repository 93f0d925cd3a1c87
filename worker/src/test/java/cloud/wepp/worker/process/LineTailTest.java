package cloud.wepp.worker.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The lines of a file that grows. */
class LineTailTest {
  @TempDir Path folder;

  @Test
  void tellsWholeLinesAsTheyComeAndTheRestAtTheEnd() throws Exception {
    Path file = Files.writeString(folder.resolve("out"), " first \n\n  \nsec");
    List<String> lines = new ArrayList<>();
    try (LineTail tail = new LineTail(file, lines::add)) {
      tail.look();
      assertThat(lines).containsExactly("first");
      Files.writeString(file, "ond\nthird", StandardOpenOption.APPEND);
      tail.look();
      assertThat(lines).containsExactly("first", "second");
    }
    assertThat(lines).containsExactly("first", "second", "third");
  }

  @Test
  void readsUtf8AlsoWhenACharacterComesInTwoParts() throws Exception {
    Path file = Files.write(folder.resolve("out"), new byte[] {'g', (byte) 0xc3});
    List<String> lines = new ArrayList<>();
    try (LineTail tail = new LineTail(file, lines::add)) {
      tail.look();
      Files.write(file, new byte[] {(byte) 0xbc, 't', '\n'}, StandardOpenOption.APPEND);
      tail.look();
      assertThat(lines).containsExactly("g\u00fct");
    }
  }

  @Test
  void cutsAFloodWithoutLineEnds() throws Exception {
    Path file = Files.writeString(folder.resolve("out"), "x".repeat(1_000_000));
    List<String> lines = new ArrayList<>();
    try (LineTail tail = new LineTail(file, lines::add)) {
      tail.look();
      assertThat(lines).hasSizeGreaterThan(10).allMatch(line -> line.length() < 100_000);
    }
    assertThat(lines.stream().mapToInt(String::length).sum()).isEqualTo(1_000_000);
  }

  @Test
  void looksAtAFloodBitByBit() throws Exception {
    Path file = Files.writeString(folder.resolve("out"), "a line of the flood\n".repeat(200_000));
    List<String> lines = new ArrayList<>();
    try (LineTail tail = new LineTail(file, lines::add)) {
      tail.look();
      assertThat(lines).hasSizeBetween(10_000, 100_000);
    }
    assertThat(lines).hasSize(200_000);
  }
}
