package cloud.wepp.worker.process;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A process to run.
 *
 * @param command the absolute path of the executable, then its arguments; there is no shell
 * @param directory the working directory
 * @param stdin the file read as standard input; null for {@code /dev/null}
 * @param output the file that standard output and standard error are written to; made anew
 * @param environment variables on top of this process's own
 * @param timeout when the process is ended by force; null for never
 * @param grace how long after TERM the whole session is sent KILL
 * @param limits for the process and what comes from it
 */
public record ProcessSpec(
    List<String> command,
    Path directory,
    @Nullable Path stdin,
    Path output,
    Map<String, String> environment,
    @Nullable Duration timeout,
    Duration grace,
    Limits limits) {

  /** Without limits. */
  public ProcessSpec(
      List<String> command,
      Path directory,
      @Nullable Path stdin,
      Path output,
      Map<String, String> environment,
      @Nullable Duration timeout,
      Duration grace) {
    this(command, directory, stdin, output, environment, timeout, grace, Limits.NONE);
  }
}
