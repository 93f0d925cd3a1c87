package cloud.wepp.worker.process;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reads the lines of a file that another process writes; each call reads what is new. */
public final class LineTail implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(LineTail.class);

  /** A longer line is cut into several, so that a flood without line ends stays small here. */
  private static final int LONGEST_LINE = 8192;

  private static final long MOST_OF_A_LOOK = 1 << 20;

  private final FileChannel channel;
  private final ByteBuffer buffer = ByteBuffer.allocate(65536);
  private final StringBuilder line = new StringBuilder(); // a char for each byte
  private final Consumer<String> lines;

  /**
   * @param lines told of every line that is not blank, without the blanks around it
   */
  public LineTail(Path file, Consumer<String> lines) throws IOException {
    channel = FileChannel.open(file);
    this.lines = lines;
  }

  /**
   * Reads what is new, but not all of a flood: the caller has other things to do. The rest, and
   * what cannot be read now, is read later.
   */
  public void look() {
    try {
      read(MOST_OF_A_LOOK);
    } catch (IOException e) {
      LOG.warn("The output of a running process cannot be read: {}", e.toString());
    }
  }

  private void read(long most) throws IOException {
    int count = 0;
    for (long left = most; left > 0 && count >= 0; left -= count) {
      count = channel.read(buffer.clear());
      String text = ISO_8859_1.decode(buffer.flip()).toString();
      for (int from = 0; from < text.length(); ) {
        int end = text.indexOf('\n', from);
        line.append(text, from, end < 0 ? text.length() : end);
        if (end >= 0 || line.length() > LONGEST_LINE) {
          tell();
        }
        from = end < 0 ? text.length() : end + 1;
      }
    }
  }

  private void tell() {
    String told = new String(line.toString().getBytes(ISO_8859_1), UTF_8).strip();
    line.setLength(0);
    if (!told.isEmpty()) {
      lines.accept(told);
    }
  }

  /** Reads what is left, also a last line without an end. */
  public void rest() throws IOException {
    read(Long.MAX_VALUE);
    tell();
  }

  /** Reads what is left. */
  @Override
  public void close() throws IOException {
    try (channel) {
      rest();
    }
  }
}
