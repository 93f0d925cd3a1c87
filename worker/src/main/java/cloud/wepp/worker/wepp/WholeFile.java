package cloud.wepp.worker.wepp;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Collection;
import java.util.List;
import java.util.Map;

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
    orNothing(
        List.of(whole),
        () -> Files.setPosixFilePermissions(fresh, PosixFilePermissions.fromString("rw-r--r--")));
    return whole;
  }

  void write(String text) throws IOException {
    orNothing(
        List.of(this),
        () -> {
          Files.writeString(fresh, text);
          show();
        });
  }

  /** The new one is on disk before it is seen. */
  void copyOf(Path from) throws IOException {
    copies(Map.of(this, from));
  }

  /**
   * Several at once: all new ones are on disk before the first is seen. To wait for the disk once
   * for all is much quicker than once for each.
   */
  static void copies(Map<WholeFile, Path> files) throws IOException {
    orNothing(
        files.keySet(),
        () -> {
          for (Map.Entry<WholeFile, Path> file : files.entrySet()) {
            file.getKey().fill(file.getValue());
          }
          for (WholeFile file : files.keySet()) {
            try (FileChannel out = FileChannel.open(file.fresh, StandardOpenOption.WRITE)) {
              out.force(true);
            }
          }
          for (WholeFile file : files.keySet()) {
            file.show();
          }
        });
  }

  private void fill(Path from) throws IOException {
    try (FileChannel in = FileChannel.open(from);
        FileChannel out =
            FileChannel.open(
                fresh,
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE)) {
      long size = in.size();
      for (long at = 0; at < size; ) {
        at += in.transferTo(at, size - at, out);
      }
    }
  }

  private void show() throws IOException {
    Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  @FunctionalInterface
  private interface Work {
    void run() throws IOException;
  }

  private static void orNothing(Collection<WholeFile> files, Work work) throws IOException {
    try {
      work.run();
    } catch (IOException e) {
      for (WholeFile file : files) {
        try {
          Files.deleteIfExists(file.fresh);
        } catch (IOException also) {
          e.addSuppressed(also);
        }
      }
      throw e;
    }
  }
}
