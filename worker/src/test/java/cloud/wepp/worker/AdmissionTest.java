package cloud.wepp.worker;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.worker.config.ConfigReader;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AdmissionTest {
  private Admission admission;

  @BeforeEach
  void limits() throws Exception {
    admission =
        new Admission(
            ConfigReader.read(
                    null,
                    Map.of(),
                    List.of(
                        "routing.queue-slots=batch:1, other:2",
                        "routing.function-slots=*.long:1,*:3"))
                .config()
                .routing());
  }

  @Test
  void aQueueHasItsSlots() {
    admission.enter("slot 1", "batch", "a.short");
    assertThat(admission.admitsQueue("batch")).isFalse();
    assertThat(admission.admitsQueue("other")).isTrue();
    assertThat(admission.admitsQueue("default")).isTrue();
    admission.leave("slot 1");
    assertThat(admission.admitsQueue("batch")).isTrue();
  }

  @Test
  void aFunctionHasTheSlotsOfEveryPatternThatMeansIt() {
    admission.enter("slot 1", "default", "a.long");
    assertThat(admission.admitsFunction("b.long")).isFalse();
    assertThat(admission.admitsFunction("a.short")).isTrue();
    admission.enter("slot 2", "default", "a.short");
    admission.enter("slot 3", "default", "a.short");
    assertThat(admission.admitsFunction("a.short")).isFalse();
    admission.leave("slot 1");
    assertThat(admission.admitsFunction("b.long")).isTrue();
  }

  @Test
  void theVersionTellsWhenSomethingMayHaveBecomeFree() {
    admission.enter("slot 1", "default", "a.long");
    long before = admission.version();
    admission.leave("slot 2");
    assertThat(admission.version()).isEqualTo(before);
    admission.leave("slot 1");
    assertThat(admission.version()).isNotEqualTo(before);
    before = admission.version();
    assertThat(admission.pause(Set.of("queue default"))).isTrue();
    assertThat(admission.pause(Set.of("queue default"))).isFalse();
    assertThat(admission.version()).isNotEqualTo(before);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          # paused              | queue | function | worker
          queue default         | no    | yes      | yes
          queue default2        | yes   | yes      | yes
          function a.*          | yes   | no       | yes
          function a            | yes   | yes      | yes
          worker pod            | yes   | yes      | no
          worker pod-0123abcd   | yes   | yes      | no
          worker pod-0123abcd.2 | yes   | yes      | no
          worker pod-0123abcd.1 | yes   | yes      | yes
          worker po             | yes   | yes      | yes
          """)
  void whatIsPausedIsNotAdmitted(String paused, String queue, String function, String worker) {
    admission.pause(Set.of(paused));
    assertThat(admission.admitsQueue("default")).isEqualTo(queue.equals("yes"));
    assertThat(admission.admitsFunction("a.run")).isEqualTo(function.equals("yes"));
    assertThat(admission.admitsWorker("pod-0123abcd.2")).isEqualTo(worker.equals("yes"));
  }
}
