package cloud.wepp.worker;

import cloud.wepp.rq.JobRecord;
import cloud.wepp.rq.ResultCodec;
import cloud.wepp.rq.Settlement;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.job.JobOutcome;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/**
 * What an outcome means for the job: rq's rules for times to live and retries.
 *
 * @param resultTtl for jobs that name none; rq's default is 500 s
 * @param failureTtl for jobs that name none; rq's default is a year
 */
record Verdict(Duration resultTtl, Duration failureTtl) {
  private static final JsonMapper JSON = JsonMapper.builder().build();

  /**
   * @param again whether a job that its worker cannot go on with may be begun again
   */
  Settlement of(JobRecord job, boolean json, JobOutcome outcome, boolean again) {
    return switch (outcome) {
      case JobOutcome.Succeeded(PyValue.None none) -> new Settlement.Finish("", resultTtl(job));
      case JobOutcome.Succeeded(PyValue value) ->
          new Settlement.Finish(ResultCodec.returnValue(value, json), resultTtl(job));
      case JobOutcome.Failed(String traceback, var c) -> failed(job, traceback);
      case JobOutcome.Recorded(var ending, var error, String otherwise) ->
          new Settlement.Recorded(failed(job, otherwise));
      case JobOutcome.Cut(var reason) ->
          switch (reason) {
            case TIMEOUT, KILLED -> failed(job, reason.text(job.timeoutSeconds()));
            case STOPPED ->
                new Settlement.Stop(
                    ResultCodec.excString(reason.text(job.timeoutSeconds())), failureTtl(job));
            case DRAINED ->
                new Settlement.Recorded(
                    again
                        ? new Settlement.GiveBack()
                        : failed(job, reason.text(job.timeoutSeconds())));
            case CLAIM_LOST -> new Settlement.Leave();
          };
    };
  }

  /** A failure, which uses up a retry if one is left. */
  Settlement failed(JobRecord job, String traceback) {
    long retries = job.number("retries_left").orElse(0);
    if (retries > 0) {
      return new Settlement.Retry(interval(job.text("retry_intervals"), retries));
    }
    return fail(job, traceback);
  }

  /** A failure for good. */
  Settlement.Fail fail(JobRecord job, String traceback) {
    return new Settlement.Fail(ResultCodec.excString(traceback), failureTtl(job));
  }

  /** rq counts intervals from the front, and repeats the first for the retries that have none. */
  private static Duration interval(String intervals, long retriesLeft) {
    if (intervals.isEmpty()) {
      return Duration.ZERO;
    }
    try {
      long @Nullable [] seconds = JSON.readValue(intervals, long[].class);
      if (seconds == null || seconds.length == 0) {
        return Duration.ZERO;
      }
      int index = Math.clamp(seconds.length - retriesLeft, 0, seconds.length - 1);
      return Duration.ofSeconds(Math.max(0, seconds[index]));
    } catch (JacksonException e) {
      return Duration.ZERO;
    }
  }

  private Duration resultTtl(JobRecord job) {
    return Duration.ofSeconds(job.number("result_ttl").orElse(resultTtl.toSeconds()));
  }

  private Duration failureTtl(JobRecord job) {
    return Duration.ofSeconds(job.number("failure_ttl").orElse(failureTtl.toSeconds()));
  }
}
