package cloud.wepp.worker.python;

import cloud.wepp.worker.job.JobContext;
import cloud.wepp.worker.process.LineTail;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a job prints: a file while it runs, lines of the worker's log under the job's id, and for
 * those who follow it.
 */
final class JobOutput implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(JobOutput.class);

  private final Path file;
  private final LineTail lines;

  JobOutput(Path file, JobContext context) throws IOException {
    this.file = file;
    Files.writeString(file, "");
    lines =
        new LineTail(
            file,
            line -> {
              LOG.info("{}: {}", context.jobId(), line);
              context.printed(line);
            });
  }

  Path file() {
    return file;
  }

  /** Logs what is new. */
  void look() {
    lines.look();
  }

  @Override
  public void close() {
    try (lines) {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      LOG.warn("The output of a job cannot be read to its end: {}", e.toString());
    }
  }
}
