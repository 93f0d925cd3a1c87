package cloud.wepp.worker.observe;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.InstantSource;
import java.util.Optional;

/**
 * A folder that jobs need, mostly on another machine: how fast it answers, whether it can be
 * written, as whom, and how much room there is.
 */
public final class Mount implements AutoCloseable {
  private final Wanted wanted;
  private final String mark;
  private final SlowCheck check;
  private volatile Seen seen = Seen.NOTHING;
  private boolean wasThere; // own thread

  /**
   * What is wanted of it.
   *
   * @param written whether jobs write there
   * @param optional whether it may be missing from the beginning, and is then left alone
   * @param owner {@code uid:gid} that new files must have
   * @param minFree bytes
   */
  public record Wanted(
      Path folder, boolean written, boolean optional, Optional<String> owner, long minFree) {}

  /** What the last look found: seconds and bytes; NaN for what was not looked at. */
  record Seen(double stat, double write, double free, double size) {
    static final Seen NOTHING = new Seen(Double.NaN, Double.NaN, Double.NaN, Double.NaN);
  }

  /**
   * @param worker whose own file there is written
   */
  public Mount(Wanted wanted, String worker, SlowCheck.Pace pace, InstantSource clock) {
    this.wanted = wanted;
    mark = ".rq-worker-probe-" + worker;
    check = new SlowCheck(wanted.folder().toString(), pace, this::look, clock);
  }

  public void start() {
    check.start();
  }

  public Path folder() {
    return wanted.folder();
  }

  Seen seen() {
    return seen;
  }

  boolean isWell() {
    return check.found().well();
  }

  double unansweredSeconds() {
    return check.unanswered().toMillis() / 1000.0;
  }

  /** What a probe asks. */
  public Probes.Check check() {
    return check.check();
  }

  /** Looks at once, which takes for ever where the file system does not answer. */
  public Probes.Found look() {
    Path folder = wanted.folder();
    try {
      long start = System.nanoTime();
      boolean there = Files.isDirectory(folder);
      final double stat = seconds(start);
      if (!there) {
        seen = Seen.NOTHING;
        boolean left = wanted.optional() && !wasThere && Files.notExists(folder);
        return new Probes.Found(
            left, folder + (left ? " is not there, and need not be" : " is no folder"));
      }
      wasThere = true;
      FileStore store = Files.getFileStore(folder);
      double free = (double) store.getUsableSpace();
      double size = (double) store.getTotalSpace();
      seen = new Seen(stat, Double.NaN, free, size);
      if (free < wanted.minFree()) {
        return new Probes.Found(false, "%s has %.0f MB left".formatted(folder, free / 1e6));
      }
      return wanted.written()
          ? write(stat, free, size)
          : new Probes.Found(
              true, "answers in %.3f s, has %.0f GB left".formatted(stat, free / 1e9));
    } catch (IOException e) {
      return new Probes.Found(false, "%s cannot be read: %s".formatted(folder, e));
    }
  }

  private Probes.Found write(double stat, double free, double size) {
    Path file = wanted.folder().resolve(mark);
    try {
      long start = System.nanoTime();
      try (FileChannel out =
          FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
        out.write(ByteBuffer.wrap(new byte[] {'\n'}));
        out.force(true);
      }
      String owner = owner(file);
      Files.delete(file);
      double write = seconds(start);
      seen = new Seen(stat, write, free, size);
      return wanted.owner().filter(expected -> !expected.equals(owner)).isPresent()
          ? new Probes.Found(
              false,
              "what is written to %s belongs to %s, not to %s"
                  .formatted(wanted.folder(), owner, wanted.owner().get()))
          : new Probes.Found(
              true,
              "answers in %.3f s, is written in %.3f s, has %.0f GB left"
                  .formatted(stat, write, free / 1e9));
    } catch (IOException e) {
      return new Probes.Found(false, "%s cannot be written: %s".formatted(wanted.folder(), e));
    }
  }

  /** {@code uid:gid} of a file. */
  public static String owner(Path file) throws IOException {
    return Files.getAttribute(file, "unix:uid") + ":" + Files.getAttribute(file, "unix:gid");
  }

  private static double seconds(long since) {
    return (System.nanoTime() - since) / 1e9;
  }

  @Override
  public void close() {
    check.close();
  }
}
