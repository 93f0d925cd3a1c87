package cloud.wepp.worker.wepp;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.pickle.PyRepr;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.job.JobContext;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobOutcome;
import cloud.wepp.worker.job.StopReason;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A job function that works in the folder of a run, with what WEPPcloud does around each of its
 * own: status lines, logs and meta.
 *
 * @param panel the part of the run's page that is told: its status channel is {@code
 *     <runid>:<panel>}
 * @param parameters their names in order; the first is {@code runid}
 * @param required how many of them have no default
 */
record RunFunction(
    RunFolders folders, String panel, List<String> parameters, int required, Body body)
    implements JobHandler {

  /** What the function does. */
  @FunctionalInterface
  interface Body {
    PyValue run(RunFolder folder, Arguments arguments, JobContext context)
        throws JobFailed, InterruptedException;
  }

  @Override
  public JobOutcome handle(Call call, JobContext context) throws InterruptedException {
    String name = call.function().substring(call.function().lastIndexOf('.') + 1);
    try {
      Arguments arguments = Arguments.bind(call, parameters, required);
      RunFolder folder = new RunFolder(folders.find(arguments.text("runid")));
      folder.checkWritable();
      return new Shown(name, shown(name, arguments), folder, channel(arguments, panel), context)
          .run(() -> body.run(folder, arguments, context));
    } catch (JobFailed e) {
      return failed(e.traceback(name), e.cause(), context);
    }
  }

  /** The status channel of the run that is the first argument. */
  static String channel(Arguments arguments, String panel) {
    return arguments.shown("runid") + ":" + panel;
  }

  /** As WEPPcloud writes a call: the run id bare, the other arguments by name. */
  private static String shown(String name, Arguments arguments) {
    StringBuilder shown = new StringBuilder(name).append('(');
    String separator = "";
    for (String parameter : arguments.values().keySet()) {
      shown.append(separator);
      if (!parameter.equals("runid")) {
        shown.append(parameter).append('=');
      }
      shown.append(arguments.shown(parameter));
      separator = ", ";
    }
    return shown.append(')').toString();
  }

  private static JobOutcome failed(String traceback, String cause, JobContext context) {
    boolean _ = context.putMeta(Map.of("exc_string", PyValue.of(traceback)));
    return new JobOutcome.Failed(traceback, cause);
  }

  /** One call with what its user sees of it: status lines, logs and meta. */
  private record Shown(
      String name, String call, RunFolder folder, String channel, JobContext context) {

    @FunctionalInterface
    interface Work {
      PyValue run() throws JobFailed, InterruptedException;
    }

    JobOutcome run(Work work) throws InterruptedException {
      boolean _ =
          context.putMeta(
              Map.of(
                  "pid", PyValue.of(ProcessHandle.current().pid()),
                  "runid", PyValue.of(channel.substring(0, channel.lastIndexOf(':')))));
      log("%s: %s (%s)".formatted(context.queue(), context.description(), context.jobId()));
      tell("STARTED " + call);
      boolean toldEnd = false;
      try {
        PyValue result = work.run();
        String shown = result instanceof PyValue.None ? "" : " -> " + PyRepr.of(result);
        tell("COMPLETED " + call + shown);
        toldEnd = true;
        log("%s: Job OK (%s)".formatted(context.queue(), context.jobId()));
        return new JobOutcome.Succeeded(result);
      } catch (JobFailed e) {
        toldEnd = true;
        return fail(e.traceback(call), e.cause());
      } catch (InterruptedException e) {
        // rq's alarm raises inside the function; a stop kills it, and then it says nothing.
        if (context.stopReason().equals(Optional.of(StopReason.TIMEOUT))) {
          JobOutcome _ = fail(StopReason.TIMEOUT.text(context.timeoutSeconds()), "timeout");
        }
        toldEnd = true;
        throw e;
      } finally {
        if (!toldEnd) {
          tell("EXCEPTION " + call);
        }
      }
    }

    private JobOutcome fail(String traceback, String cause) {
      tell("EXCEPTION " + call);
      folder.logException(context.clock().instant(), name, traceback);
      log("%s: Job %s failed".formatted(context.queue(), context.jobId()));
      return failed(traceback, cause, context);
    }

    private void tell(String text) {
      context.publish(channel, "rq:" + context.jobId() + " " + text);
    }

    private void log(String text) {
      folder.log(context.clock().instant(), text);
    }
  }
}
