package cloud.wepp.worker.testing;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Map;

/**
 * The clock of a host, which can be set: for workers, and for the processes that it is given to.
 */
public final class HostClock implements InstantSource {
  private final Path library;
  private final Path file; // how many seconds it is ahead; mapped by the processes
  private volatile Duration ahead = Duration.ZERO;

  /** Makes its files in {@code folder}. */
  public HostClock(Path folder) throws IOException {
    library = Preload.library(folder, "/clock/clock.c");
    file = Files.write(folder.resolve("clock"), new byte[Long.BYTES]);
  }

  /** The environment of a process that goes by this clock. */
  public Map<String, String> environment() {
    return Map.of("LD_PRELOAD", library.toString(), "CLOCK_AHEAD", file.toString());
  }

  /** Sets it, so much ahead of the true time. */
  public void set(Duration now) throws IOException {
    ByteBuffer seconds = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.nativeOrder());
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      channel.write(seconds.putLong(0, now.toSeconds()), 0);
    }
    ahead = now;
  }

  @Override
  public Instant instant() {
    return InstantSource.system().instant().plus(ahead);
  }
}
