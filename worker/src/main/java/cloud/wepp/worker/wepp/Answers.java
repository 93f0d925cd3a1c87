package cloud.wepp.worker.wepp;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * The answers of a {@code .run} file to WEPP's prompts, one a line, as far as they name files or
 * tell how long the simulation is.
 *
 * @param inputs names of files that must be there
 * @param outputs names of files that a complete run leaves, none of them empty
 * @param years the number of years, as it is written; empty for a single storm, and where the file
 *     ends before it
 */
record Answers(List<String> inputs, List<String> outputs, String years) {
  private static final Set<String> INPUT_SUFFIXES =
      Set.of("man", "slp", "cli", "sol", "str", "chn", "imp");
  private static final Set<String> YES = Set.of("yes", "y");
  private static final Set<String> NO = Set.of("no", "n");
  private static final int MOST_BYTES = 4 << 20;
  private static final int SIMULATION = 2; // lines, counted from 0
  private static final int VERSION = 3;

  /** Reads the file, whose names count from the folder that it is in. */
  static Answers read(Path file) throws IOException, JobFailed {
    if (Files.size(file) > MOST_BYTES) {
      throw new JobFailed("ValueError", "%s is larger than any .run file".formatted(file));
    }
    List<String> lines =
        new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1)
            .lines()
            .map(String::strip)
            .toList();
    if (lines.stream().allMatch(String::isEmpty)) {
      throw new JobFailed("ValueError", "%s is empty".formatted(file));
    }
    int last = lines.size() - 1;
    while (last >= 0 && !isInput(lines.get(last))) {
      last--;
    }
    List<String> names = last < 0 ? lines : lines.subList(0, last + 1); // irrigation, years follow
    List<String> inputs = new ArrayList<>();
    List<String> outputs = new ArrayList<>();
    if (lines.size() > VERSION && lines.get(VERSION).equals("2")) {
      routing(names, inputs, outputs);
    } else {
      hillslope(names, inputs, outputs);
    }
    boolean storm = lines.size() > SIMULATION && lines.get(SIMULATION).equals("2");
    boolean told = !storm && last >= 0 && last + 2 < lines.size();
    return new Answers(List.copyOf(inputs), List.copyOf(outputs), told ? lines.get(last + 2) : "");
  }

  private static void hillslope(List<String> lines, List<String> inputs, List<String> outputs) {
    for (String line : lines) {
      if (isName(line)) {
        (isInput(line) ? inputs : outputs).add(line);
      }
    }
  }

  /**
   * Routing reads the pass files of its hillslopes: {@code M}, {@code Y}, name. A name after No is
   * not written. What is taken for an output by mistake would be removed before the run.
   */
  private static void routing(List<String> lines, List<String> inputs, List<String> outputs) {
    for (int i = VERSION + 1; i < lines.size(); i++) {
      String line = lines.get(i);
      if (!isName(line)) {
        continue;
      }
      String before = lines.get(i - 1).toLowerCase(Locale.ROOT);
      boolean ofHillslope = YES.contains(before) && lines.get(i - 2).equalsIgnoreCase("m");
      if (ofHillslope || isInput(line)) {
        inputs.add(line);
      } else if (!NO.contains(before)) {
        outputs.add(line);
      }
    }
  }

  /** The years asked for; 0 if that is no number of years. */
  int yearsAsked() {
    try {
      return Math.max(0, Integer.parseInt(years));
    } catch (NumberFormatException e) {
      return 0;
    }
  }

  private static boolean isName(String line) {
    String low = line.toLowerCase(Locale.ROOT);
    return line.length() > 1
        && !YES.contains(low)
        && !NO.contains(low)
        && !low.matches("-?[0-9.]+");
  }

  private static boolean isInput(String name) {
    String suffix = name.substring(name.lastIndexOf('.') + 1);
    return INPUT_SUFFIXES.contains(suffix.toLowerCase(Locale.ROOT));
  }
}
