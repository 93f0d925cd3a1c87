package cloud.wepp.rq;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Locale;

/**
 * How rq spells values: six fraction digits everywhere, because its readers quit on anything else.
 */
final class Wire {
  private static final DateTimeFormatter ISO =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSS'Z'", Locale.ROOT)
          .withZone(ZoneOffset.UTC);

  private Wire() {}

  static String iso(Instant time) {
    return ISO.format(time);
  }

  static String epoch(Instant time) {
    return "%d.%06d".formatted(time.getEpochSecond(), time.getNano() / 1000);
  }

  static byte[] bytes(String text) {
    return text.getBytes(UTF_8);
  }

  static String text(byte[] bytes) {
    return new String(bytes, UTF_8);
  }
}
