package cloud.wepp.worker.cli;

import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Which jobs an operator means: all that is given must hold. Null, or an empty list, is not given.
 *
 * @param queue the job's origin
 * @param function a dotted name in which {@code *} stands for any characters
 * @param run WEPPcloud's run id
 * @param cause part of the text of the job's last failure
 * @param jobs the ids of the jobs
 */
record JobCriteria(
    @Nullable String queue,
    @Nullable String function,
    @Nullable String run,
    @Nullable String cause,
    List<String> jobs) {

  boolean isEmpty() {
    return texts().findAny().isEmpty();
  }

  /** Whether something is given as an empty text, as a shell does with a variable that is unset. */
  boolean hasBlank() {
    return texts().anyMatch(String::isBlank);
  }

  private Stream<String> texts() {
    return Stream.concat(
        Stream.of(queue, function, run, cause)
            .mapMulti((text, given) -> {
              if (text != null) {
                given.accept(text);
              }
            }),
        jobs.stream());
  }

  /** Whether the job has the queue and function that are given. */
  boolean matchKind(SeenJob job) {
    return (queue == null || queue.equals(job.queue()))
        && (function == null || pattern(function).matcher(job.function()).matches());
  }

  /** Whether the job is of the run that is given. */
  boolean matchRun(SeenJob job) {
    return run == null || job.runs().contains(run);
  }

  /** An unknown function, which is empty, matches no pattern. */
  private static Pattern pattern(String function) {
    return Pattern.compile(
        "(?=.)"
            + Arrays.stream(function.split("\\*", -1))
                .map(Pattern::quote)
                .collect(Collectors.joining(".*")),
        Pattern.DOTALL);
  }
}
