package cloud.wepp.worker.wepp;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.MonthDay;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The daily weather that was observed, a {@code .prn} file: month, day, year, precipitation in
 * hundredths of an inch, highest and lowest temperature in Fahrenheit, in columns five wide. CLIGEN
 * looks only at the first year and the last three columns: it takes the first line for 1 January,
 * and each further line for the next day.
 *
 * @param first the day that CLIGEN begins with
 * @param last the last day that CLIGEN must come to
 * @param doubts where the file's own dates are others than those that CLIGEN gives its lines
 */
record Observations(LocalDate first, LocalDate last, List<String> doubts) {
  private static final int COLUMNS = 6;
  private static final int WIDTH = 5;
  private static final MonthDay NEW_YEAR = MonthDay.of(1, 1);
  private static final MonthDay NEW_YEARS_EVE = MonthDay.of(12, 31);

  static Observations read(Path file) throws IOException, JobFailed {
    List<String> doubts = new ArrayList<>();
    LocalDate start = null;
    LocalDate before = null;
    int days = 0;
    int astray = 0;
    try (BufferedReader lines = Files.newBufferedReader(file, StandardCharsets.ISO_8859_1)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        if (line.isBlank()) {
          continue;
        }
        days++;
        LocalDate date = date(line);
        if (date == null) {
          throw new JobFailed(
              "ValueError", "%s: line %d is no day: '%s'".formatted(file, days, line.strip()));
        }
        if (start == null || before == null) {
          start = date;
        } else if (!date.equals(before.plusDays(1)) && astray++ == 0) {
          doubts.add(
              "%s: in line %d %s follows %s, and CLIGEN counts on without looking"
                  .formatted(file.getFileName(), days, date, before));
        }
        before = date;
      }
    }
    if (start == null || before == null) {
      throw new JobFailed("ValueError", file + " has no days");
    }
    if (!MonthDay.from(start).equals(NEW_YEAR)) {
      doubts.add("%s begins on %s, and CLIGEN on 1 January".formatted(file.getFileName(), start));
    }
    if (!MonthDay.from(before).equals(NEW_YEARS_EVE)) {
      doubts.add(
          "%s ends on %s, before the end of a year, and so will the climate"
              .formatted(file.getFileName(), before));
    }
    LocalDate first = LocalDate.of(start.getYear(), 1, 1);
    LocalDate counted = first.plusDays(days - 1L);
    return new Observations(first, counted.isBefore(before) ? counted : before, doubts);
  }

  /** Null if the line is no day. */
  private static @Nullable LocalDate date(String line) {
    List<String> columns = new ArrayList<>();
    for (int at = 0; at < line.length() && columns.size() < COLUMNS; at += WIDTH) {
      columns.add(line.substring(at, Math.min(line.length(), at + WIDTH)).strip());
    }
    return columns.size() == COLUMNS
            && columns.stream().allMatch(column -> column.matches("-?\\d+"))
        ? Climate.date(columns.get(2), columns.get(0), columns.get(1))
        : null;
  }
}
