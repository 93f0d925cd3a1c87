package cloud.wepp.worker.cli;

import cloud.wepp.rq.JobActions;
import cloud.wepp.rq.JobActions.Answer;
import cloud.wepp.rq.JobActions.Deed;
import cloud.wepp.rq.JobActions.Registry;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.StringJoiner;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * Finds the jobs that an operator means, acts on each, and prints a line for each.
 *
 * @param dry whether nothing is changed, and the lines tell what would be done
 */
record BulkJobs(JobActions actions, PrintStream out, boolean dry) {
  private static final int LONGEST_RUN = 60;
  private static final List<Registry> UNFINISHED =
      List.of(Registry.WIP, Registry.SCHEDULED, Registry.DEFERRED, Registry.READY);

  /** Puts failed and stopped jobs back into their queues. */
  void requeue(JobCriteria wanted) {
    List<String> ids =
        wanted.jobs().isEmpty()
            ? ids(queues(wanted), queue -> actions.registered(Registry.FAILED, queue).stream())
            : wanted.jobs();
    List<SeenJob> chosen =
        see(ids).stream().filter(wanted::matchKind).filter(wanted::matchRun).toList();
    String cause = wanted.cause();
    if (cause != null) {
      List<SeenJob> failed = chosen;
      List<String> errors = actions.errors(failed.stream().map(SeenJob::id).toList());
      chosen = new ArrayList<>();
      for (int i = 0; i < failed.size(); i++) {
        if (errors.get(i).contains(cause)) {
          chosen.add(failed.get(i));
        }
      }
    }
    Map<Deed, Integer> counts = new EnumMap<>(Deed.class);
    chosen.forEach(job -> act(job, actions::requeue, counts));
    summarize(counts);
  }

  /**
   * Cancels jobs that wait, and has those stopped that run. A run, or a job, stands for all jobs
   * below it.
   */
  void cancel(JobCriteria wanted) {
    Map<Deed, Integer> counts = new EnumMap<>(Deed.class);
    Set<String> seen = new HashSet<>();
    boolean again = true;
    while (again) {
      again = false;
      for (SeenJob job : toCancel(wanted)) {
        if (seen.add(job.id())) {
          Deed deed = act(job, actions::cancel, counts);
          // A job that runs can have enqueued more of its tree after the tree was read.
          again |= deed == Deed.ASKED && !dry && isTree(wanted);
        }
      }
    }
    summarize(counts);
  }

  private static boolean isTree(JobCriteria wanted) {
    return wanted.run() != null || !wanted.jobs().isEmpty();
  }

  private List<SeenJob> toCancel(JobCriteria wanted) {
    Collection<SeenJob> chosen;
    if (isTree(wanted)) {
      SequencedMap<String, SeenJob> below = new LinkedHashMap<>();
      if (wanted.run() != null) {
        List<String> all =
            new ArrayList<>(ids(actions.queues(), queue -> actions.anywhere(queue).stream()));
        all.addAll(actions.limited());
        below.putAll(tree(see(all).stream().filter(wanted::matchRun).map(SeenJob::id).toList()));
      }
      if (!wanted.jobs().isEmpty()) {
        SequencedMap<String, SeenJob> named = tree(wanted.jobs());
        if (wanted.run() == null) {
          below = named;
        } else {
          below.keySet().retainAll(named.keySet());
        }
      }
      chosen = below.values();
    } else {
      List<String> unfinished = new ArrayList<>(ids(queues(wanted), this::unfinished));
      unfinished.addAll(actions.limited());
      chosen = see(unfinished);
    }
    return chosen.stream().filter(wanted::matchKind).toList();
  }

  private List<String> queues(JobCriteria wanted) {
    String queue = wanted.queue();
    return queue == null ? actions.queues() : List.of(queue);
  }

  private Stream<String> unfinished(String queue) {
    return Stream.concat(
        actions.queued(queue).stream(),
        UNFINISHED.stream().flatMap(registry -> actions.registered(registry, queue).stream()));
  }

  private static List<String> ids(
      List<String> queues, Function<String, Stream<String>> idsOfQueue) {
    return queues.stream().flatMap(idsOfQueue).toList();
  }

  private List<SeenJob> see(Collection<String> ids) {
    return actions.read(ids.stream().distinct().toList(), SeenJob::of);
  }

  /** The jobs and all that are below them, parents first. Each is visited once. */
  private SequencedMap<String, SeenJob> tree(List<String> roots) {
    SequencedMap<String, SeenJob> found = new LinkedHashMap<>();
    Set<String> level = new LinkedHashSet<>(roots);
    while (!level.isEmpty()) {
      List<SeenJob> read = see(level);
      read.forEach(job -> found.put(job.id(), job));
      level = new LinkedHashSet<>();
      for (SeenJob job : read) {
        job.children().stream().filter(id -> !found.containsKey(id)).forEach(level::add);
      }
    }
    return found;
  }

  private Deed act(
      SeenJob job, Function<JobActions.Target, Answer> action, Map<Deed, Integer> counts) {
    Answer answer = action.apply(new JobActions.Target(job.id(), job.function(), job.run(), dry));
    counts.merge(answer.deed(), 1, Integer::sum);
    String text = text(answer);
    if (!job.metaReadable()) {
      text += "; its meta cannot be read, and with it the jobs below it";
    }
    out.println(
        String.join(
            "  ",
            SeenJob.shown(job.id()),
            SeenJob.shown(job.function()),
            SeenJob.shown(job.runs().stream().findFirst().map(BulkJobs::cut).orElse("")),
            SeenJob.shown(job.status()),
            text));
    return answer.deed();
  }

  private String text(Answer answer) {
    String detail = SeenJob.shown(answer.detail());
    return switch (answer.deed()) {
      case CANCELED -> would("canceled");
      case ASKED -> would("told to stop, on worker ") + detail;
      case REQUEUED -> would("requeued");
      case LIMITED -> would("requeued, waiting for a place in its limit ") + detail;
      case LEFT -> "left alone: " + detail;
    };
  }

  private String would(String done) {
    return dry ? "would be " + done : done;
  }

  /** What may be a run id, or any text that a function was given. */
  private static String cut(String text) {
    return text.length() > LONGEST_RUN ? text.substring(0, LONGEST_RUN) + "..." : text;
  }

  private void summarize(Map<Deed, Integer> counts) {
    StringJoiner summary = new StringJoiner(", ", "", ".").setEmptyValue("No job matches.");
    counts.forEach((deed, count) ->
        summary.add(
            count
                + " "
                + switch (deed) {
                  case CANCELED -> would("canceled");
                  case ASKED -> would("told to stop");
                  case REQUEUED -> would("requeued");
                  case LIMITED -> would("requeued, waiting for a limit");
                  case LEFT -> "left alone";
                }));
    out.println(summary);
  }
}
