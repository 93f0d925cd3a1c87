package cloud.wepp.worker;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.JobRecord;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.process.Limits;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JobLimitsTest {
  private static Limits limits(String function, Map<String, PyValue> meta, String... sets)
      throws Exception {
    byte[] bytes = JobMeta.put(new byte[0], false, meta);
    return new JobLimits(ConfigReader.read(null, Map.of(), List.of(sets)).config().limits())
        .of(function, new JobRecord("a-job", Map.of("meta", bytes)));
  }

  @Test
  void withoutSettingsThereAreNone() throws Exception {
    Limits limits = limits("a.b", Map.of());
    assertThat(limits.memoryBytes() + limits.cpuSeconds()).isZero();
    assertThat(limits.openFiles() + limits.fileBytes()).isZero();
    assertThat(limits.more()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "m.long,  0,   200", // the pattern's
    "m.long,  100, 100", // a job may lower it
    "m.long,  300, 300", // and raise it so far
    "m.long,  900, 400",
    "m.short, 0,   50", // the first pattern that matches
    "m.short, 70,  50",
    "n.any,   0,   0",
    "n.any,   70,  70",
  })
  void aJobMayLowerItsBoundAndRaiseItAsFarAsThatSays(String function, int asks, long gets)
      throws Exception {
    Map<String, PyValue> meta = Map.of("rq_worker_memory_mb", PyValue.of((long) asks));
    assertThat(limits(function, meta, "limits.memory=m.long:200-400, m.*:50").memoryBytes())
        .isEqualTo(gets << 20);
  }

  @Test
  void everyKindHasItsSettingAndItsKey() throws Exception {
    Limits limits =
        limits(
            "a.b",
            Map.of("rq_worker_file_mb", PyValue.of(1L), "rq_worker_cpu_seconds", PyValue.of(5L)),
            "limits.open-files=*:64",
            "limits.cpu-time=*:60");
    assertThat(limits.openFiles()).isEqualTo(64);
    assertThat(limits.cpuSeconds()).isEqualTo(5);
    assertThat(limits.fileBytes()).isEqualTo(1 << 20);
  }

  @Test
  void memoryGrowsSoOftenAndSoFar() throws Exception {
    Limits limits =
        limits(
            "a.b",
            Map.of(),
            "limits.memory=*:100-350",
            "limits.memory-retries=3",
            "limits.memory-factor=2");
    Limits second = limits.more().orElseThrow();
    Limits third = second.more().orElseThrow();
    assertThat(List.of(second.memoryBytes() >> 20, third.memoryBytes() >> 20))
        .containsExactly(200L, 350L);
    assertThat(third.more()).as("no farther").isEmpty();
  }
}
