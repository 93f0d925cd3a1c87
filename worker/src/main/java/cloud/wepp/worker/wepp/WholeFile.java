package cloud.wepp.worker.wepp;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;

/**
 * A file that is replaced as a whole: its readers see the old one or the new one.
 *
 * @param fresh where the new one is written
 */
record WholeFile(Path file, Path fresh) {

  /** One that nobody else writes: what a process that died has left is written over. */
  static WholeFile of(Path file) {
    return new WholeFile(file, file.resolveSibling("." + file.getFileName() + ".part"));
  }

  /** One that others may write at the same time. */
  static WholeFile amongOthers(Path file) throws IOException {
    Path fresh = Files.createTempFile(file.getParent(), "." + file.getFileName() + ".", ".part");
    WholeFile whole = new WholeFile(file, fresh);
    whole.orNothing(
        () -> Files.setPosixFilePermissions(fresh, PosixFilePermissions.fromString("rw-r--r--")));
    return whole;
  }

  void write(String text) throws IOException {
    replace(out -> {
      ByteBuffer bytes = StandardCharsets.UTF_8.encode(text);
      while (bytes.hasRemaining()) {
        out.write(bytes);
      }
    });
  }

  /** The new one is on disk before it is seen. */
  void copyOf(Path from) throws IOException {
    replace(out -> {
      try (FileChannel in = FileChannel.open(from)) {
        long size = in.size();
        for (long at = 0; at < size; ) {
          at += in.transferTo(at, size - at, out);
        }
      }
      out.force(true);
    });
  }

  @FunctionalInterface
  private interface Content {
    void writeTo(FileChannel out) throws IOException;
  }

  private void replace(Content content) throws IOException {
    orNothing(() -> {
      try (FileChannel out =
          FileChannel.open(
              fresh,
              StandardOpenOption.CREATE,
              StandardOpenOption.TRUNCATE_EXISTING,
              StandardOpenOption.WRITE)) {
        content.writeTo(out);
      }
      Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    });
  }

  @FunctionalInterface
  private interface Work {
    void run() throws IOException;
  }

  private void orNothing(Work work) throws IOException {
    try {
      work.run();
    } catch (IOException e) {
      try {
        Files.deleteIfExists(fresh);
      } catch (IOException also) {
        e.addSuppressed(also);
      }
      throw e;
    }
  }
}
