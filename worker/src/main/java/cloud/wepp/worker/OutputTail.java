package cloud.wepp.worker;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** The last lines that a job has printed: 64 Ki characters at most, and 1000 lines. */
final class OutputTail {
  private static final int MOST_CHARS = 1 << 16;
  private static final int MOST_LINES = 1000;

  private final Deque<String> last = new ArrayDeque<>(); // all guarded by this
  private int chars;
  private long gone; // lines before them

  synchronized void add(String line) {
    last.add(line);
    chars += line.length();
    while (last.size() > MOST_LINES || (chars > MOST_CHARS && last.size() > 1)) {
      chars -= last.remove().length();
      gone++;
    }
  }

  /**
   * Some of the lines.
   *
   * @param seen how many there were so far
   */
  record Part(long seen, List<String> lines) {}

  /** What follows the first {@code seen} lines; says so where some of it is not kept any more. */
  synchronized Part after(long seen) {
    List<String> lines = new ArrayList<>();
    if (seen < gone) {
      lines.add("... (%d lines are not kept)".formatted(gone - seen));
    }
    last.stream().skip(Math.max(0, seen - gone)).forEach(lines::add);
    return new Part(gone + last.size(), lines);
  }
}
