package cloud.wepp.worker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.JobRecord;
import cloud.wepp.rq.ResultCodec;
import cloud.wepp.rq.Settlement;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.job.JobOutcome;
import cloud.wepp.worker.job.StopReason;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What an outcome means for a job, by rq's rules. */
class VerdictTest {
  private static final Duration WEEK = Duration.ofDays(7);
  private static final Duration YEAR = Duration.ofDays(365);
  private static final JobOutcome FAILED = new JobOutcome.Failed("Exception: no\n");

  private static Settlement of(JobOutcome outcome, String... fields) {
    Map<String, byte[]> hash = new HashMap<>();
    for (int i = 0; i < fields.length; i += 2) {
      hash.put(fields[i], fields[i + 1].getBytes(UTF_8));
    }
    return new Verdict(WEEK, YEAR).of(new JobRecord("1", hash), false, outcome);
  }

  private static Settlement cut(StopReason reason, String... fields) {
    return of(new JobOutcome.Cut(reason), fields);
  }

  private static String text(Settlement settlement) throws Exception {
    return switch (settlement) {
      case Settlement.Fail(String packed, Duration _) -> ResultCodec.traceback(packed);
      case Settlement.Stop(String packed, Duration _) -> ResultCodec.traceback(packed);
      default -> throw new AssertionError(settlement);
    };
  }

  @Test
  void noneIsNotWrittenAsAResult() {
    assertThat(of(new JobOutcome.Succeeded(PyValue.None.NONE)))
        .isEqualTo(new Settlement.Finish("", WEEK));
  }

  @Test
  void theJobsOwnTimesToLiveWin() {
    assertThat(of(new JobOutcome.Succeeded(PyValue.None.NONE), "result_ttl", "-1"))
        .isEqualTo(new Settlement.Finish("", Duration.ofSeconds(-1)));
    assertThat(of(FAILED, "failure_ttl", "60"))
        .isEqualTo(
            new Settlement.Fail(ResultCodec.excString("Exception: no\n"), Duration.ofSeconds(60)));
  }

  @Test
  void aFailureWithoutRetriesIsForGood() {
    assertThat(of(FAILED, "retries_left", "0")).isInstanceOf(Settlement.Fail.class);
  }

  /** rq counts intervals from the end of the retries, and repeats the first of them. */
  @ParameterizedTest
  @CsvSource({
    "'',3,0", "[0],2,0", "[60],1,60", "'[100, 200, 300]',3,100", "'[100, 200, 300]',2,200",
    "'[100, 200, 300]',1,300", "'[100, 200]',4,100", "'[100, 200]',1,200", "[],1,0", "nonsense,1,0"
  })
  void aFailureWithRetriesRunsAgain(String intervals, String left, long seconds) {
    assertThat(of(FAILED, "retries_left", left, "retry_intervals", intervals))
        .isEqualTo(new Settlement.Retry(Duration.ofSeconds(seconds)));
  }

  @Test
  void aTimeoutFailsInRqsWordsAndMayBeRetried() throws Exception {
    assertThat(text(cut(StopReason.TIMEOUT, "timeout", "42")))
        .isEqualTo(
            "rq.timeouts.JobTimeoutException: Task exceeded maximum timeout value (42 seconds)");
    assertThat(cut(StopReason.TIMEOUT, "retries_left", "1")).isInstanceOf(Settlement.Retry.class);
  }

  @Test
  void aStoppedJobIsNotRetried() throws Exception {
    Settlement stopped = cut(StopReason.STOPPED, "retries_left", "1");
    assertThat(stopped).isInstanceOf(Settlement.Stop.class);
    assertThat(text(stopped)).isEqualTo("Job stopped by user, work-horse terminated.");
  }

  @Test
  void aKilledHorseFailsTheJob() throws Exception {
    assertThat(text(cut(StopReason.KILLED)))
        .startsWith("Work-horse terminated unexpectedly; waitpid returned 9 (signal 9); ");
  }

  @Test
  void aDrainGivesBackAndALostClaimWritesNothing() {
    assertThat(cut(StopReason.DRAINED)).isEqualTo(new Settlement.GiveBack());
    assertThat(cut(StopReason.CLAIM_LOST)).isEqualTo(new Settlement.Leave());
  }
}
