package cloud.wepp.worker.wepp;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
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

  /**
   * Held until this process ends, also by a kill. Their files are not to be opened again: who
   * closes a lock's file lets the lock go, whoever has it.
   */
  private static final Map<Path, FileLock> OWN = new ConcurrentHashMap<>();

  private Scratch() {}

  /**
   * Makes a new folder, and removes those of processes that have ended.
   *
   * @param base the folder that it is made in; is made if it does not exist
   */
  @SuppressWarnings("resource") // see OWN
  static Path in(Path base) throws IOException {
    Files.createDirectories(base);
    try (DirectoryStream<Path> others = Files.newDirectoryStream(base, PREFIX + "*")) {
      for (Path other : others) {
        if (!OWN.containsKey(other)) {
          removeIfDead(other);
        }
      }
    }
    Path unlocked = Files.createTempDirectory(base, "new-" + PREFIX);
    FileLock lock =
        FileChannel.open(
                unlocked.resolve(LOCK), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)
            .lock();
    Path folder = base.resolve(unlocked.getFileName().toString().substring("new-".length()));
    OWN.put(folder, lock);
    return Files.move(unlocked, folder);
  }

  private static void removeIfDead(Path other) {
    try (FileChannel lock = FileChannel.open(other.resolve(LOCK), StandardOpenOption.WRITE);
        FileLock dead = lock.tryLock()) {
      if (dead != null) {
        Stage.remove(other);
      }
    } catch (IOException e) {
      LOG.debug("{} is left as it is: {}", other, e.toString());
    }
  }
}
