package cloud.wepp.rq;

import java.io.ByteArrayOutputStream;
import java.util.Optional;
import java.util.zip.DataFormatException;
import java.util.zip.Deflater;
import java.util.zip.Inflater;

/** zlib with a bound on what it may unpack. */
final class Zlib {
  /** A call of rq is a few hundred bytes; a program would put larger data into files. */
  static final int MOST_BYTES = 8 << 20;

  private Zlib() {}

  /** What a bounded inflation can find. */
  static final class TooLarge extends Exception {}

  /** Empty when the bytes are no whole zlib stream. */
  static Optional<byte[]> inflate(byte[] packed) throws TooLarge {
    try (Inflater inflater = new Inflater()) {
      inflater.setInput(packed);
      ByteArrayOutputStream out = new ByteArrayOutputStream(Math.max(64, packed.length * 2));
      byte[] buffer = new byte[Math.clamp(packed.length * 4L, 64, 8192)];
      while (!inflater.finished()) {
        int count = inflater.inflate(buffer);
        if (count == 0
            && !inflater.finished()
            && (inflater.needsInput() || inflater.needsDictionary())) {
          return Optional.empty();
        }
        out.write(buffer, 0, count);
        if (out.size() > MOST_BYTES) {
          throw new TooLarge();
        }
      }
      return Optional.of(out.toByteArray());
    } catch (DataFormatException e) {
      return Optional.empty();
    }
  }

  static byte[] deflate(byte[] plain) {
    try (Deflater deflater = new Deflater()) {
      deflater.setInput(plain);
      deflater.finish();
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      byte[] buffer = new byte[8192];
      while (!deflater.finished()) {
        out.write(buffer, 0, deflater.deflate(buffer));
      }
      return out.toByteArray();
    }
  }
}
