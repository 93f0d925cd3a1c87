package cloud.wepp.worker.wepp;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What one reading of a {@code .cli} file tells: 15 lines of header, then a line for each day.
 *
 * @param days how many follow one another without a gap
 * @param first null if there is none
 * @param last null if there is none
 * @param wrong what makes it useless, whatever was asked for
 */
record Climate(int days, @Nullable LocalDate first, @Nullable LocalDate last, List<String> wrong) {
  private static final int HEADER_LINES = 15;

  /** The header's lines of monthly values, counted from 1. */
  private static final List<Integer> MONTHLY = List.of(7, 9, 11, 13);

  private static final Pattern NO_NUMBER = Pattern.compile("nan|inf|\\*");
  private static final Pattern BLANKS = Pattern.compile("\\s+");

  static Climate read(Path file) throws IOException {
    try (BufferedReader lines = Files.newBufferedReader(file, StandardCharsets.ISO_8859_1)) {
      return new Reading(lines).read();
    }
  }

  private static final class Reading {
    private final BufferedReader lines;
    private final List<String> wrong = new ArrayList<>();
    private int number;
    private int days;
    private @Nullable LocalDate first;
    private @Nullable LocalDate last;

    Reading(BufferedReader lines) {
      this.lines = lines;
    }

    Climate read() throws IOException {
      int width = 0;
      String day = "";
      for (String line = next(); line != null && wrong.isEmpty(); line = next()) {
        if (number > HEADER_LINES && line.isBlank()) {
          break;
        }
        if (number > HEADER_LINES || MONTHLY.contains(number)) {
          look(line);
        }
        if (number == HEADER_LINES - 1 && !line.strip().startsWith("da ")) {
          wrong.add("its line %d does not name the columns".formatted(number));
        } else if (number > HEADER_LINES) {
          day(line);
          day = line;
          width = width == 0 ? line.length() : width;
        }
      }
      if (wrong.isEmpty() && number < HEADER_LINES) {
        wrong.add("it ends in line %d of its header".formatted(number));
      } else if (wrong.isEmpty() && first == null) {
        wrong.add("it has no days");
      } else if (wrong.isEmpty() && day.length() < width) {
        wrong.add("its last day is cut: '%s'".formatted(day));
      }
      return new Climate(days, first, last, List.copyOf(wrong));
    }

    private @Nullable String next() throws IOException {
      String line = lines.readLine();
      number += line == null ? 0 : 1;
      return line;
    }

    private void look(String line) {
      if (NO_NUMBER.matcher(line.toLowerCase(Locale.ROOT)).find()) {
        wrong.add("its line %d has what is no number: '%s'".formatted(number, line.strip()));
      }
    }

    private void day(String line) {
      String[] words = BLANKS.split(line.strip(), 4);
      LocalDate date = words.length < 3 ? null : date(words[2], words[1], words[0]);
      if (date == null) {
        wrong.add("its line %d is no day: '%s'".formatted(number, line.strip()));
      } else if (last != null && !date.equals(last.plusDays(1))) {
        wrong.add("in its line %d %s follows %s".formatted(number, date, last));
      } else {
        first = first == null ? date : first;
        last = date;
        days++;
      }
    }
  }

  /** Null for what is no date. */
  static @Nullable LocalDate date(String year, String month, String day) {
    try {
      return LocalDate.of(Integer.parseInt(year), Integer.parseInt(month), Integer.parseInt(day));
    } catch (NumberFormatException | DateTimeException e) {
      return null;
    }
  }
}
