package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.InstanceOfAssertFactories.STRING;

import cloud.wepp.rq.pickle.PyRepr;
import cloud.wepp.rq.pickle.PyValue;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;

class ProgressTest {
  private final List<String> metas = new ArrayList<>();
  private boolean redis = true; // takes it
  private final RecordingContext job =
      new RecordingContext() {
        @Override
        public boolean putMeta(Map<String, PyValue> entries) {
          metas.add(PyRepr.of(Objects.requireNonNull(entries.get("progress"))));
          return redis;
        }
      };

  private Progress progress(String where) {
    return new Progress(
        "hillslopes", new Progress.Telling(where, Duration.ofSeconds(5)), "a-run:wepp", job);
  }

  private void pass(int seconds) {
    job.now = job.now.plusSeconds(seconds);
  }

  private static String at(int completed, String percent, String time) {
    return "{'completed': %d, 'total': 40, 'unit': 'hillslopes', 'percent': %s, 'updated_at': '%s'}"
        .formatted(completed, percent, time);
  }

  @Test
  void isToldNotTooOftenAndOnlyWhenItHasChanged() {
    job.now = Instant.parse("2026-11-25T14:00:00Z");
    Progress progress = progress("meta");
    progress.at(1, 40);
    assertThat(metas).as("in the first moments").isEmpty();
    pass(5);
    progress.at(3, 40);
    progress.at(4, 40);
    assertThat(metas).containsExactly(at(3, "7.5", "2026-11-25T14:00:05Z"));
    pass(60);
    progress.at(2, 40);
    assertThat(metas).as("late ones do not go back").hasSize(2).last(STRING).contains(": 4,");
    pass(60);
    progress.at(4, 40);
    assertThat(metas).as("nothing new").hasSize(2);
    progress.at(5, 40);
    progress.at(6, 40);
    progress.close();
    assertThat(metas).as("and the last of it").hasSize(4).last(STRING).contains(": 6,");
    progress.close();
    assertThat(metas).hasSize(4);
    assertThat(job.said).isEmpty();
  }

  @Test
  void ofAShortJobNothingIsTold() {
    try (Progress progress = progress("channel")) {
      progress.at(1, 40);
      progress.at(40, 40);
    }
    assertThat(metas).isEmpty();
    assertThat(job.said).isEmpty();
  }

  @Test
  void beginsAgainWithTheNextAttempt() {
    Progress progress = progress("meta");
    pass(5);
    progress.at(30, 40);
    progress.again();
    pass(5);
    progress.at(2, 40);
    assertThat(metas).hasSize(2).last(STRING).contains(": 2,");
    progress.again();
    progress.close();
    assertThat(metas).hasSize(2);
  }

  @Test
  void whatRedisDidNotTakeIsToldLater() {
    Progress progress = progress("meta");
    redis = false;
    pass(5);
    progress.at(7, 40);
    pass(30);
    progress.at(7, 40);
    assertThat(metas).as("Redis is left alone for a while").hasSize(1);
    redis = true;
    progress.close();
    assertThat(metas).hasSize(2).last(STRING).contains(": 7,");
  }

  @Test
  void goesToTheChannelWhereThatIsWished() {
    Progress progress = progress("channel");
    pass(5);
    progress.at(12, 40);
    assertThat(metas).hasSize(1);
    assertThat(job.said)
        .containsExactly(
            new RecordingContext.Said(
                "a-run:wepp", "rq:" + job.jobId() + " STATUS 12 of 40 hillslopes"));
  }

  @Test
  void isNotToldWhereNobodyWantsItOrNothingIsCounted() {
    Progress off = progress("off");
    Progress unknown = progress("meta");
    pass(5);
    off.at(12, 40);
    unknown.at(3, 0);
    off.close();
    unknown.close();
    assertThat(metas).isEmpty();
  }

  @Test
  void yearsAreReadFromWhatModelsSay() {
    Years years = new Years();
    assertThat(years.begins("SIMULATION YEAR =           1")).isTrue();
    assertThat(years.begins("20 mar 2001  routing runoff & erosion event on OFE 1")).isFalse();
    assertThat(years.begins("SIMULATION YEAR =           2")).isTrue();
    assertThat(years.current()).isEqualTo(2);

    Years routing = new Years();
    assertThat(routing.begins("ROUTING runoff event on channel   1 on day    3 of year 2000"))
        .isTrue();
    assertThat(routing.begins("ROUTING runoff event on channel   2 on day    3 of year 2000"))
        .isFalse();
    assertThat(routing.begins("ROUTING  hillslope pass file event on day    1 of year 2002"))
        .isTrue();
    assertThat(routing.current()).isEqualTo(3);
    assertThat(routing.simulated()).isZero();
  }
}
