package cloud.wepp.worker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.JobRecord;
import cloud.wepp.rq.MalformedJob;
import cloud.wepp.rq.ResultCodec;
import cloud.wepp.rq.Settlement;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.job.JobOutcome;
import cloud.wepp.worker.job.StopReason;
import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is written when a job ends: outcome and the job's own fields in, settlement out. */
class VerdictTest {
  private static final Verdict VERDICT = new Verdict(Duration.ofSeconds(500), Duration.ofDays(365));

  private static JobRecord job(Map<String, @Nullable String> fields) {
    Map<String, byte[]> bytes = new HashMap<>();
    fields.forEach((name, value) -> {
      if (value != null) {
        bytes.put(name, value.getBytes(UTF_8));
      }
    });
    return new JobRecord("a-job", bytes);
  }

  private static JobOutcome outcome(String how) {
    return switch (how) {
      case "returned" -> new JobOutcome.Succeeded(PyValue.of(7));
      case "failed" -> new JobOutcome.Failed("Exception: why\n");
      case "recorded" -> new JobOutcome.Recorded("finished", "", "Exception: why\n");
      default -> new JobOutcome.Cut(StopReason.valueOf(how.toUpperCase(Locale.ROOT)));
    };
  }

  /** A settlement in a few words; times to live in seconds. */
  private static String shown(Settlement settlement) {
    return switch (settlement) {
      case Settlement.Finish finish -> "finish, keep " + finish.ttl().toSeconds();
      case Settlement.Fail fail -> "fail, keep " + fail.ttl().toSeconds();
      case Settlement.Stop stop -> "stop, keep " + stop.ttl().toSeconds();
      case Settlement.Retry retry -> "retry after " + retry.interval().toSeconds();
      case Settlement.GiveBack giveBack -> "give back";
      case Settlement.Leave leave -> "leave";
      case Settlement.Recorded recorded -> "rq's own, else " + shown(recorded.otherwise());
    };
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      nullValues = "-",
      textBlock =
          """
          # outcome   | retries_left | retry_intervals | result_ttl | failure_ttl | settlement
          returned    | -            | -               | -          | -           | finish, keep 500
          returned    | -            | -               | 60         | 9           | finish, keep 60
          returned    | -            | -               | 0          | -           | finish, keep 0
          returned    | -            | -               | -1         | -           | finish, keep -1
          returned    | 3            | [5]             | -          | -           | finish, keep 500
          returned    | -            | -               | ''         | -           | finish, keep 500
          returned    | -            | -               | None       | -           | finish, keep 500
          failed      | -            | -               | 60         | -           | fail, keep 31536000
          failed      | -            | -               | 60         | 9           | fail, keep 9
          failed      | -            | -               | -          | -1          | fail, keep -1
          failed      | 0            | [5]             | -          | -           | fail, keep 31536000
          failed      | -1           | [5]             | -          | -           | fail, keep 31536000
          failed      | 1            | -               | -          | -           | retry after 0
          failed      | 3            | [5]             | -          | -           | retry after 5
          timeout     | -            | -               | -          | 9           | fail, keep 9
          timeout     | 1            | [5]             | -          | -           | retry after 5
          killed      | -            | -               | -          | 9           | fail, keep 9
          killed      | 1            | [5]             | -          | -           | retry after 5
          stopped     | -            | -               | 60         | -           | stop, keep 31536000
          stopped     | 1            | [5]             | 60         | 9           | stop, keep 9
          drained     | -            | -               | 60         | 9           | rq's own, else give back
          drained     | 1            | [5]             | 60         | 9           | rq's own, else give back
          claim_lost  | -            | -               | 60         | 9           | leave
          claim_lost  | 1            | [5]             | 60         | 9           | leave
          recorded    | -            | -               | 60         | 9           | rq's own, else fail, keep 9
          recorded    | 1            | [5]             | 60         | 9           | rq's own, else retry after 5
          """)
  void anOutcomeAndTheJobsFieldsMakeASettlement(
      String how,
      @Nullable String retriesLeft,
      @Nullable String intervals,
      @Nullable String resultTtl,
      @Nullable String failureTtl,
      String settlement) {
    Map<String, @Nullable String> fields = new HashMap<>();
    fields.put("retries_left", retriesLeft);
    fields.put("retry_intervals", intervals);
    fields.put("result_ttl", resultTtl);
    fields.put("failure_ttl", failureTtl);
    assertThat(shown(VERDICT.of(job(fields), false, outcome(how), true))).isEqualTo(settlement);
  }

  @ParameterizedTest
  @CsvSource({"'', 'rq''s own, else fail, keep 9'", "2, 'rq''s own, else retry after 0'"})
  void aJobThatMayNotBeBegunAgainFailsWhenItsWorkerHasToLeave(String retries, String settlement) {
    JobRecord job = job(Map.of("failure_ttl", "9", "retries_left", retries));
    assertThat(shown(VERDICT.of(job, false, outcome("drained"), false))).isEqualTo(settlement);
  }

  /** Recorded from rq: intervals count from the front; the first serves retries without one. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          # intervals     | retries left before this one | seconds
          [100, 200, 300] | 3                            | 100
          [100, 200, 300] | 2                            | 200
          [100, 200, 300] | 1                            | 300
          [100, 200]      | 4                            | 100
          [100, 200]      | 3                            | 100
          [100, 200]      | 2                            | 100
          [100, 200]      | 1                            | 200
          [100]           | 3                            | 100
          [100]           | 1                            | 100
          [0]             | 1                            | 0
          [-5]            | 1                            | 0
          []              | 1                            | 0
          60              | 1                            | 0
          null            | 1                            | 0
          [               | 1                            | 0
          ["soon"]        | 1                            | 0
          {}              | 1                            | 0
          """)
  void theIntervalOfARetryIsChosenAsByRq(String intervals, String left, long seconds) {
    JobRecord job = job(Map.of("retries_left", left, "retry_intervals", intervals));
    assertThat(VERDICT.of(job, false, outcome("failed"), true))
        .isEqualTo(new Settlement.Retry(Duration.ofSeconds(seconds)));
  }

  @Test
  void aReturnValueIsWrittenInTheJobsOwnSerializer() throws MalformedJob {
    PyValue value = PyValue.tuple(PyValue.of(true), PyValue.of(1.5));
    JobOutcome outcome = new JobOutcome.Succeeded(value);
    Settlement.Finish pickled = (Settlement.Finish) VERDICT.of(job(Map.of()), false, outcome, true);
    assertThat(ResultCodec.returnValue(pickled.returnValue(), false)).isEqualTo(value);
    Settlement.Finish json = (Settlement.Finish) VERDICT.of(job(Map.of()), true, outcome, true);
    assertThat(ResultCodec.returnValue(json.returnValue(), true))
        .isEqualTo(new PyValue.ListOf(java.util.List.of(PyValue.of(true), PyValue.of(1.5))));
  }

  @Test
  void noneIsNoReturnValue() {
    assertThat(VERDICT.of(job(Map.of()), false, new JobOutcome.Succeeded(PyValue.None.NONE), true))
        .isEqualTo(new Settlement.Finish("", Duration.ofSeconds(500)));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          timeout | rq.timeouts.JobTimeoutException: Task exceeded maximum timeout value (60 seconds)
          killed  | Work-horse terminated unexpectedly; waitpid returned 9 (signal 9); ended by rq's kill-horse command.
          failed  | Exception: why
          """)
  void aFailureSaysWhyInRqsWords(String how, String text) throws MalformedJob {
    Settlement.Fail fail =
        (Settlement.Fail) VERDICT.of(job(Map.of("timeout", "60")), false, outcome(how), true);
    assertThat(ResultCodec.traceback(fail.excString()).strip()).isEqualTo(text);
  }

  @Test
  void aStopSaysSoInRqsWords() throws MalformedJob {
    Settlement.Stop stop =
        (Settlement.Stop) VERDICT.of(job(Map.of()), false, outcome("stopped"), true);
    assertThat(ResultCodec.traceback(stop.excString()))
        .isEqualTo("Job stopped by user, work-horse terminated.");
  }
}
