package cloud.wepp.worker.wepp;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/**
 * What one reading of a file tells.
 *
 * @param sha256 in hex
 * @param notANumber the line number of the first {@code NaN} or {@code Infinity}; 0 for none
 * @param end the last lines that are not blank, stripped; the first of them may be cut
 * @param endsInLine whether the last line is complete
 */
record FileScan(long bytes, String sha256, long notANumber, List<String> end, boolean endsInLine) {
  private static final int BUFFER = 1 << 16;
  private static final int END = 4096;
  private static final long NAN = text("NaN");
  private static final long NAN_MASK = 0xff_ffff;
  private static final long INFINITY = text("Infinity"); // not Inf, as in Infiltration

  String lastLine() {
    return end.isEmpty() ? "" : end.getLast();
  }

  /** Reads a file. */
  static FileScan of(Path file) throws IOException {
    MessageDigest digest = newDigest();
    ByteBuffer buffer = ByteBuffer.allocate(BUFFER);
    byte[] end = new byte[0];
    long bytes = 0;
    long lines = 0;
    long notANumber = 0;
    long last8 = 0;
    try (FileChannel in = FileChannel.open(file)) {
      while (in.read(buffer.clear()) >= 0) {
        byte[] all = buffer.array();
        int count = buffer.position();
        digest.update(all, 0, count);
        for (int i = 0; i < count; i++) {
          byte b = all[i];
          last8 = last8 << 8 | (b & 0xff);
          if (b == '\n') {
            lines++;
          } else if (notANumber == 0 && ((last8 & NAN_MASK) == NAN || last8 == INFINITY)) {
            notANumber = lines + 1;
          }
        }
        bytes += count;
        end = last(end, all, count);
      }
    }
    return new FileScan(
        bytes,
        HexFormat.of().formatHex(digest.digest()),
        notANumber,
        new String(end, StandardCharsets.ISO_8859_1)
            .lines()
            .map(String::strip)
            .filter(line -> !line.isEmpty())
            .toList(),
        end.length > 0 && end[end.length - 1] == '\n');
  }

  private static byte[] last(byte[] before, byte[] buffer, int count) {
    if (count >= END) {
      return Arrays.copyOfRange(buffer, count - END, count);
    }
    byte[] both = Arrays.copyOf(before, before.length + count);
    System.arraycopy(buffer, 0, both, before.length, count);
    return both.length <= END ? both : Arrays.copyOfRange(both, both.length - END, both.length);
  }

  private static long text(String text) {
    long packed = 0;
    for (byte b : text.getBytes(StandardCharsets.US_ASCII)) {
      packed = packed << 8 | b;
    }
    return packed;
  }

  /** The checksum alone, in hex, of a file of which nothing else is asked. */
  static String sha256(Path file) throws IOException {
    MessageDigest digest = newDigest();
    byte[] buffer = new byte[BUFFER];
    try (InputStream in = Files.newInputStream(file)) {
      for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
        digest.update(buffer, 0, count);
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static MessageDigest newDigest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
  }
}
