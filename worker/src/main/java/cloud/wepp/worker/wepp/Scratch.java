package cloud.wepp.worker.wepp;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A folder on this host for what this process needs for a while. It is removed by the next process
 * that needs one.
 */
final class Scratch {
  private static final Logger LOG = LoggerFactory.getLogger(Scratch.class);
  private static final String PREFIX = "rq-worker-";
  private static final String LOCK = "lock";

  private Scratch() {}

  /**
   * Makes a new folder, and removes those of processes that have ended.
   *
   * @param base the folder that it is made in; is made if it does not exist
   */
  @SuppressWarnings("resource") // the lock is held until this process ends, also by a kill
  static Path in(Path base) throws IOException {
    Files.createDirectories(base);
    try (DirectoryStream<Path> others = Files.newDirectoryStream(base, PREFIX + "*")) {
      for (Path other : others) {
        removeIfDead(other);
      }
    }
    Path folder = Files.createTempDirectory(base, PREFIX);
    FileLock _ =
        FileChannel.open(
                folder.resolve(LOCK), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)
            .lock();
    return folder;
  }

  private static void removeIfDead(Path other) {
    try (FileChannel lock = FileChannel.open(other.resolve(LOCK), StandardOpenOption.WRITE);
        FileLock dead = lock.tryLock()) {
      if (dead != null) {
        Stage.remove(other);
      }
    } catch (IOException | OverlappingFileLockException e) {
      LOG.debug("{} is left as it is: {}", other, e.toString());
    }
  }
}
