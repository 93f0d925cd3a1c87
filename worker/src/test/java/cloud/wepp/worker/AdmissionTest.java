package cloud.wepp.worker;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.InvalidConfig;
import cloud.wepp.worker.config.WorkerConfig;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AdmissionTest {
  private Admission admission;

  private static Admission admission(long memory, String... sets) throws InvalidConfig {
    WorkerConfig config = ConfigReader.read(null, Map.of(), List.of(sets)).config();
    return new Admission(config.routing(), config.limits(), memory);
  }

  @BeforeEach
  void limits() throws Exception {
    admission =
        admission(
            Long.MAX_VALUE,
            "routing.queue-slots=batch:1, other:2",
            "routing.function-slots=*.long:1,*:3");
  }

  private void enter(String worker, String queue, String function) {
    admission.enter(worker, queue, of(function, ""));
  }

  private static Routes.Route of(String function, String run) {
    return new Routes.Route(Routes.Way.NATIVE, function, run);
  }

  private boolean admits(String function) {
    return admission.admits(of(function, ""));
  }

  @Test
  void aRunIsForOneJobAtATime() {
    admission.enter("slot 1", "default", of("a.b", "run 1"));
    assertThat(admission.admits(of("a.c", "run 1"))).isFalse();
    assertThat(admission.admits(of("a.c", "run 2"))).isTrue();
    assertThat(admission.admits(of("a.c", ""))).isTrue();
    admission.leave("slot 1");
    assertThat(admission.admits(of("a.c", "run 1"))).isTrue();
  }

  @Test
  void aRunThatIsBusyElsewhereIsLeftAloneForAWhile() {
    admission.enter("slot 1", "default", of("a.b", "run 1"));
    admission.missed("slot 1");
    long before = admission.version();
    assertThat(admission.admits(of("a.b", "run 1"))).isFalse();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (admission.version() == before) {
      assertThat(System.nanoTime()).isLessThan(deadline);
      LockSupport.parkNanos(1_000_000);
    }
    assertThat(admission.admits(of("a.b", "run 1"))).isTrue();
  }

  @Test
  void jobsWaitForMemoryButOneMayAlwaysRun() throws Exception {
    admission = admission(4L << 30, "limits.function-memory=*.big:3000,*.huge:9000");
    assertThat(admits("a.huge")).as("alone").isTrue();
    enter("slot 1", "default", "a.big");
    assertThat(admits("a.big")).isFalse();
    assertThat(admits("a.huge")).isFalse();
    assertThat(admits("a.small")).as("nothing is known of it").isTrue();
    admission.expect(Map.of("a.big", 1L << 30, "a.small", 1L << 30));
    assertThat(admits("a.big")).as("the past knows better").isTrue();
    enter("slot 2", "default", "a.small");
    assertThat(admits("a.small")).as("3000 MiB and 1 GiB are taken").isFalse();
    admission.leave("slot 1");
    assertThat(admits("a.small")).isTrue();
  }

  @Test
  void aQueueHasItsSlots() {
    enter("slot 1", "batch", "a.short");
    assertThat(admission.admitsQueue("batch")).isFalse();
    assertThat(admission.admitsQueue("other")).isTrue();
    assertThat(admission.admitsQueue("default")).isTrue();
    admission.leave("slot 1");
    assertThat(admission.admitsQueue("batch")).isTrue();
  }

  @Test
  void aFunctionHasTheSlotsOfEveryPatternThatMeansIt() {
    enter("slot 1", "default", "a.long");
    assertThat(admits("b.long")).isFalse();
    assertThat(admits("a.short")).isTrue();
    enter("slot 2", "default", "a.short");
    enter("slot 3", "default", "a.short");
    assertThat(admits("a.short")).isFalse();
    admission.leave("slot 1");
    assertThat(admits("b.long")).isTrue();
  }

  @Test
  void theVersionTellsWhenSomethingMayHaveBecomeFree() {
    enter("slot 1", "default", "a.long");
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
    assertThat(admits("a.run")).isEqualTo(function.equals("yes"));
    assertThat(admission.admitsWorker("pod-0123abcd.2")).isEqualTo(worker.equals("yes"));
  }
}
