package cloud.wepp.worker.cli;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.JobRecord;
import cloud.wepp.rq.MalformedJob;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.JobMeta;
import java.util.ArrayList;
import java.util.List;

/**
 * A job as an operator sees it.
 *
 * @param queue its origin; empty when it names none
 * @param status rq's word, or {@code gone}
 * @param function its function's name; empty when its call cannot be read
 * @param runs the run ids that it carries: first argument, {@code runid}, {@code meta["runid"]};
 *     none when its call cannot be read
 * @param children the jobs that its meta names under {@code jobs:…}
 * @param metaReadable whether {@code runs} and {@code children} are whole
 */
record SeenJob(
    String id,
    String queue,
    String status,
    String function,
    List<String> runs,
    List<String> children,
    boolean metaReadable) {

  static SeenJob of(JobRecord job) {
    if (job.data().length == 0) {
      return new SeenJob(job.id(), "", "gone", "", List.of(), List.of(), true);
    }
    List<String> runs = new ArrayList<>();
    String function = function(job, runs);
    List<String> children = new ArrayList<>();
    boolean metaReadable = true;
    try {
      for (PyValue.Entry entry : JobMeta.read(job.meta())) {
        if (entry.key() instanceof PyValue.Str(String key)) {
          if (key.startsWith("jobs:")) {
            addIds(children, entry.value());
          } else if (key.equals("runid") && !function.isEmpty()) {
            addText(runs, entry.value());
          }
        }
      }
    } catch (JobMeta.Unreadable e) {
      metaReadable = false;
    }
    String status = job.text("status");
    return new SeenJob(
        job.id(),
        job.origin(),
        status.isEmpty() ? "created" : status,
        function,
        List.copyOf(runs),
        List.copyOf(children),
        metaReadable);
  }

  /** The run to show: any function's first argument may be a text, but WEPPcloud's is the run. */
  String run() {
    return runs.isEmpty() || !function.startsWith("wepppy.") ? "" : runs.getFirst();
  }

  private static String function(JobRecord job, List<String> runs) {
    try {
      Call call = Call.read(job.data());
      if (!call.args().isEmpty()) {
        addText(runs, call.args().getFirst());
      }
      addText(runs, call.kwargs().getOrDefault("runid", PyValue.None.NONE));
      return call.function();
    } catch (MalformedJob e) {
      return "";
    }
  }

  private static void addText(List<String> texts, PyValue value) {
    if (value instanceof PyValue.Str(String text)) {
      texts.add(text);
    }
  }

  private static void addIds(List<String> ids, PyValue value) {
    switch (value) {
      case PyValue.ListOf(List<PyValue> items) -> items.forEach(item -> addText(ids, item));
      case PyValue.Tuple(List<PyValue> items) -> items.forEach(item -> addText(ids, item));
      default -> addText(ids, value);
    }
  }

  /** What somebody else chose, a name or any text, on one line. */
  static String shown(String text) {
    String shown = text.replaceAll("[\\p{Cntrl}\\u2028\\u2029]", "?");
    return shown.isEmpty() ? "-" : shown;
  }
}
