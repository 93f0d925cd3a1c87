package cloud.wepp.worker.cli;

import cloud.wepp.rq.JobActions;
import cloud.wepp.rq.LostJobs;
import cloud.wepp.worker.ledger.OpenJobs;
import cloud.wepp.worker.ledger.OpenJobs.OpenJob;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Compares Redis with the history, and prints a line for each job that only one of them has.
 *
 * @param dry whether nothing is changed, and the lines tell what would be done
 */
record Reconcile(
    JobActions actions, LostJobs lost, OpenJobs history, PrintStream out, boolean dry) {
  private static final int PAGE = 1000;
  private static final int LONGEST = 60;

  /**
   * Puts jobs that had not ended, and that Redis does not have, back into their queues.
   *
   * @param queues only of these; all when empty
   * @param days only jobs that started in the last days
   */
  void requeue(List<String> queues, int days) {
    int done = 0;
    List<OpenJob> jobs = lost(queues, days);
    for (OpenJob job : jobs) {
      byte[] payload = history.payload(job.id());
      String why = lost.restore(job.id(), job.queue(), payload, dry);
      done += why.isEmpty() ? 1 : 0;
      line(
          job.id(),
          job.queue(),
          job.description().isEmpty() ? job.function() : job.description(),
          job.started(),
          job.status() + ", and not in Redis",
          why.isEmpty() ? would("requeued") : "left alone: " + why);
    }
    out.printf(
        "%d jobs had not ended and are not in Redis: %d %s.%n",
        jobs.size(), done, would("requeued"));
  }

  /**
   * An end leaves the stream only when the history has it. So a job without an event in the stream,
   * which the history calls open after that was read, has not ended.
   */
  private List<OpenJob> lost(List<String> queues, int days) {
    Set<String> missing = lost.missing(history.list(days).stream().map(OpenJob::id).toList());
    missing.removeAll(lost.unwritten());
    return missing.isEmpty()
        ? List.of()
        : history.list(days).stream()
            .filter(job -> missing.contains(job.id()))
            .filter(job -> queues.isEmpty() || queues.contains(job.queue()))
            .toList();
  }

  /** Tells the history of the jobs that only Redis has. */
  void fill(List<String> queues) {
    List<String> ids = new ArrayList<>(inRedis(queues));
    Set<String> unwritten = lost.unwritten();
    int found = 0;
    int done = 0;
    for (int from = 0; from < ids.size(); from += PAGE) {
      List<String> page = ids.subList(from, Math.min(ids.size(), from + PAGE));
      Set<String> known = history.known(page);
      List<String> unknown =
          page.stream().filter(id -> !known.contains(id) && !unwritten.contains(id)).toList();
      for (SeenJob job : actions.read(unknown, SeenJob::of)) {
        if (!queues.isEmpty() && !queues.contains(job.queue())) {
          continue;
        }
        String why = lost.found(new JobActions.Target(job.id(), job.function(), job.run(), dry));
        found++;
        done += why.isEmpty() ? 1 : 0;
        line(
            job.id(),
            job.queue(),
            job.function(),
            job.run(),
            job.status() + ", and not in the history",
            why.isEmpty() ? would("told to the history") : "left alone: " + why);
      }
    }
    out.printf(
        "%d jobs of Redis are not in the history: %d %s.%n",
        found, done, would("told to the history"));
  }

  private Set<String> inRedis(List<String> queues) {
    Stream<String> everywhere =
        (queues.isEmpty() ? actions.queues() : queues)
            .stream().flatMap(queue -> actions.anywhere(queue).stream());
    return Stream.concat(everywhere, actions.limited().stream())
        .collect(Collectors.toCollection(LinkedHashSet::new));
  }

  private String would(String done) {
    return dry ? "would be " + done : done;
  }

  private void line(String... cells) {
    out.println(Stream.of(cells).map(Reconcile::shown).collect(Collectors.joining("  ")));
  }

  private static String shown(String text) {
    String shown = SeenJob.shown(text);
    return shown.length() > LONGEST ? shown.substring(0, LONGEST) + "..." : shown;
  }
}
