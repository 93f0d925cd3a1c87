package cloud.wepp.worker.wepp;

import cloud.wepp.worker.job.JobContext;
import cloud.wepp.worker.process.ProcessEnd;
import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Faults of the file system, which say nothing of the model or its inputs: a stale handle of NFS, a
 * full disk, a server that does not answer. They are known by the system's words for them, which
 * both Java and Fortran pass on.
 */
final class StorageFault {
  private static final Logger LOG = LoggerFactory.getLogger(StorageFault.class);

  static final String NO_SPACE = "No space left on device";

  /** ESTALE, EIO, ENOSPC, ETIMEDOUT, EDQUOT, EROFS, EHOSTDOWN. */
  private static final List<String> WORDS =
      List.of(
          "Stale file handle",
          "Input/output error",
          NO_SPACE,
          "Connection timed out",
          "Disk quota exceeded",
          "Read-only file system",
          "Host is down");

  private static final long ALMOST_NOTHING = 1 << 20; // bytes
  private static final int ATTEMPTS = 5;
  private static final Duration FIRST_PAUSE = Duration.ofMillis(200);

  private StorageFault() {}

  /** Work on files. */
  @FunctionalInterface
  interface Work<T> {
    T run() throws IOException, JobFailed;
  }

  /** Whether a message tells of one. */
  static boolean in(String message) {
    return WORDS.stream().anyMatch(message::contains);
  }

  static boolean is(IOException e) {
    return in(e.toString());
  }

  /** Whether nothing more can be written, of which gfortran's programs do not tell. */
  static boolean isFull(Path folder) throws IOException {
    return Files.getFileStore(folder).getUsableSpace() < ALMOST_NOTHING;
  }

  /** How a job ends for which the storage failed. */
  static JobFailed failure(String what) {
    return new JobFailed(
        "OSError",
        "the storage failed, not the model: " + what,
        List.of(),
        ProcessEnd.Cause.INFRASTRUCTURE.word());
  }

  /**
   * Does the work, again after a while if the storage failed.
   *
   * @param what is done, for messages
   * @throws JobFailed if it cannot be done
   */
  static <T> T retrying(String what, JobContext context, Work<T> work)
      throws JobFailed, InterruptedException {
    for (int n = 1; ; n++) {
      try {
        return work.run();
      } catch (ClosedByInterruptException e) {
        Thread.interrupted(); // as every method that throws this
        throw new InterruptedException(what + " was interrupted");
      } catch (IOException e) {
        if (!is(e)) {
          throw new JobFailed("OSError", what + " failed: " + e);
        }
        if (n == ATTEMPTS) {
          throw failure("%s failed %d times, the last time: %s".formatted(what, n, e));
        }
        LOG.warn("Job {}: {} failed: {}. Trying again.", context.jobId(), what, e.toString());
        context.pause(backoff(n));
      }
    }
  }

  /** How often one program has met a fault and was tried again. */
  static final class Retries {
    private final String program;
    private final int most;
    private int met;

    /**
     * @param program for people
     */
    Retries(String program, int most) {
      this.program = program;
      this.most = most;
    }

    /**
     * Waits before the next attempt.
     *
     * @param fault the words for it
     * @throws JobFailed if there is none
     */
    void await(String fault, ModelLog log, JobContext context)
        throws JobFailed, InterruptedException {
      if (met == most) {
        throw failure("%s said '%s', in %d attempts".formatted(program, fault, met + 1));
      }
      met++;
      log.note("storage fault, trying again: " + fault);
      context.pause(backoff(met));
    }
  }

  /** Twice as long each time, and not the same for all. */
  private static Duration backoff(int attempt) {
    long millis = FIRST_PAUSE.toMillis() << attempt;
    return Duration.ofMillis(millis + ThreadLocalRandom.current().nextLong(millis));
  }
}
