package cloud.wepp.rq;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.util.List;
import java.util.Optional;

/**
 * How rq spells values: six fraction digits everywhere, because its readers quit on anything else.
 */
final class Wire {
  private Wire() {}

  /**
   * {@code 2026-11-24T08:05:00.000001Z}; by hand, because it is made several times for each job.
   */
  static String iso(Instant time) {
    LocalDateTime utc = LocalDateTime.ofEpochSecond(time.getEpochSecond(), 0, ZoneOffset.UTC);
    StringBuilder text = new StringBuilder(27);
    pad(text, utc.getYear(), 1000).append('-');
    pad(text, utc.getMonthValue(), 10).append('-');
    pad(text, utc.getDayOfMonth(), 10).append('T');
    pad(text, utc.getHour(), 10).append(':');
    pad(text, utc.getMinute(), 10).append(':');
    pad(text, utc.getSecond(), 10).append('.');
    return pad(text, micros(time.getNano()), 100_000).append('Z').toString();
  }

  /** A time as rq writes it; empty when it is not one. */
  static Optional<Instant> instant(String text) {
    try {
      return Optional.of(Instant.parse(text));
    } catch (DateTimeParseException e) {
      return Optional.empty();
    }
  }

  /** The answer to TIME: seconds and microseconds. */
  static Instant time(List<byte[]> answer) {
    return Instant.ofEpochSecond(
        Long.parseLong(text(answer.getFirst())), Long.parseLong(text(answer.getLast())) * 1000);
  }

  /** Seconds since 1970 with six fraction digits. */
  static String epoch(Instant time) {
    return seconds(time.getEpochSecond(), time.getNano());
  }

  static String seconds(Duration time) {
    return seconds(time.toSeconds(), time.toNanosPart());
  }

  private static String seconds(long seconds, int nanos) {
    return pad(new StringBuilder(20).append(seconds).append('.'), micros(nanos), 100_000)
        .toString();
  }

  private static int micros(int nanos) {
    return nanos / 1000;
  }

  /**
   * Appends a number with zeros before it.
   *
   * @param highest the place of the first digit
   */
  private static StringBuilder pad(StringBuilder text, int number, int highest) {
    for (int place = highest; place > 1 && number < place; place /= 10) {
      text.append('0');
    }
    return text.append(number);
  }

  static byte[] bytes(String text) {
    return text.getBytes(UTF_8);
  }

  static String text(byte[] bytes) {
    return new String(bytes, UTF_8);
  }
}
