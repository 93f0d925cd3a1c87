package cloud.wepp.worker.wepp;

import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The {@code .err} file of a model. One that cannot be written fails no simulation. */
final class ModelLog implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ModelLog.class);

  private final Path file;
  private final String prefix;
  private @Nullable Writer writer;

  /**
   * @param prefix of what the worker itself notes
   */
  ModelLog(Path file, String prefix) {
    this.file = file;
    this.prefix = prefix;
    try {
      writer = Files.newBufferedWriter(file);
    } catch (IOException e) {
      giveUp(e);
    }
  }

  /** A line of the worker's own. */
  void note(String text) {
    line(prefix + text);
  }

  /** The same, for those who look at the log while the model runs. */
  void noteNow(String text) {
    note(text);
    if (writer != null) {
      try {
        writer.flush();
      } catch (IOException e) {
        giveUp(e);
      }
    }
  }

  /** A line of the model's. */
  void line(String text) {
    if (writer != null) {
      try {
        writer.write(text + "\n");
      } catch (IOException e) {
        giveUp(e);
      }
    }
  }

  private void giveUp(IOException e) {
    LOG.warn("The log {} cannot be written: {}. The model runs on.", file, e.toString());
    writer = null;
  }

  @Override
  public void close() {
    if (writer != null) {
      try {
        writer.close();
      } catch (IOException e) {
        giveUp(e);
      }
    }
  }
}
