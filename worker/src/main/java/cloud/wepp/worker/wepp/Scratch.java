package cloud.wepp.worker.wepp;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A folder on this host for what this process needs for a while. It is removed by the next process
 * that needs one.
 *
 * @param lock held until this process ends, also by a kill
 */
record Scratch(Path folder, FileLock lock) {
  private static final Logger LOG = LoggerFactory.getLogger(Scratch.class);
  private static final String PREFIX = "rq-worker-";
  private static final String LOCK = "lock";

  /**
   * By base. A lock's file is not to be opened again: who closes it lets the lock go, whoever has
   * it.
   */
  private static final Map<Path, Scratch> OWN = new HashMap<>(); // guarded by the class

  /**
   * This process's folder below a base. The first time it is made, and those of processes that have
   * ended are removed.
   *
   * @param base is made if it does not exist
   */
  static synchronized Path in(Path base) throws IOException {
    Path real = Files.createDirectories(base).toRealPath();
    Scratch own = OWN.get(real);
    if (own == null) {
      own = make(real);
      OWN.put(real, own);
    }
    return own.folder;
  }

  @SuppressWarnings("resource") // see lock
  private static Scratch make(Path base) throws IOException {
    try (DirectoryStream<Path> others = Files.newDirectoryStream(base, PREFIX + "*")) {
      for (Path other : others) {
        removeIfDead(other);
      }
    }
    Path unlocked = Files.createTempDirectory(base, "new-" + PREFIX);
    FileLock lock =
        FileChannel.open(
                unlocked.resolve(LOCK), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)
            .lock();
    Path folder = base.resolve(unlocked.getFileName().toString().substring("new-".length()));
    return new Scratch(Files.move(unlocked, folder), lock);
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
