package cloud.wepp.worker.cli;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.JobRecord;
import cloud.wepp.rq.pickle.PickleWriter;
import cloud.wepp.rq.pickle.PyValue;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What an operator's criteria match, and what is read of a job for them. */
class JobCriteriaTest {
  private static final String FUNCTION = "wepppy.rq.wepp_rq.run_watershed_rq";

  private static JobCriteria function(String pattern) {
    return new JobCriteria(null, pattern, null, null, List.of());
  }

  private static SeenJob job(byte[] data, byte[] meta) {
    return SeenJob.of(
        new JobRecord(
            "id",
            Map.of(
                "data",
                data,
                "meta",
                meta,
                "origin",
                "q".getBytes(java.nio.charset.StandardCharsets.UTF_8))));
  }

  private static byte[] meta(String... pairs) {
    List<PyValue.Entry> entries = new java.util.ArrayList<>();
    for (int i = 0; i < pairs.length; i += 2) {
      entries.add(new PyValue.Entry(PyValue.of(pairs[i]), PyValue.of(pairs[i + 1])));
    }
    return PickleWriter.write(new PyValue.Dict(entries));
  }

  @ParameterizedTest
  @CsvSource({
    "wepppy.rq.wepp_rq.run_watershed_rq, true",
    "wepppy.*.run_watershed_rq, true",
    "*watershed*, true",
    "*, true",
    "run_watershed_rq, false",
    "wepppy.rq, false",
    "wepppy?rq.wepp_rq.run_watershed_rq, false",
    "wepppy.rq.*.*.run_watershed_rq, false",
    "'', false",
  })
  void aPatternMatchesTheWholeName(String pattern, boolean matches) {
    SeenJob job = job(new Call(FUNCTION, List.of(), Map.of()).write(), new byte[0]);
    assertThat(function(pattern).matchKind(job)).isEqualTo(matches);
  }

  @Test
  void aRunIsTheFirstArgumentOrNamedOrInTheMeta() {
    SeenJob job =
        job(
            new Call(
                    FUNCTION,
                    List.of(PyValue.of("one"), PyValue.of("no")),
                    Map.of("runid", PyValue.of("two")))
                .write(),
            meta("runid", "three", "jobs:1,func:f", "child", "jobs", "no", "pid", "no"));
    assertThat(job.runs()).containsExactly("one", "two", "three");
    assertThat(job.children()).containsExactly("child");
    assertThat(job.status()).isEqualTo("created");
  }

  @Test
  void aCallThatCannotBeReadHasNoFunctionAndNoRunButItsChildren() {
    SeenJob job = job(new byte[] {1}, meta("runid", "r", "jobs:0,func:f", "child"));
    assertThat(job.runs()).isEmpty();
    assertThat(job.children()).containsExactly("child");
    assertThat(function("*").matchKind(job)).isFalse();
    assertThat(new JobCriteria("q", null, null, null, List.of()).matchKind(job)).isTrue();
  }

  @Test
  void aMetaThatCannotBeReadIsTold() {
    SeenJob job = job(new Call(FUNCTION, List.of(), Map.of()).write(), new byte[] {1});
    assertThat(job.metaReadable()).isFalse();
    assertThat(job.function()).isEqualTo(FUNCTION);
  }

  @Test
  void aMetaOfTheJsonSerializerIsRead() {
    SeenJob job =
        job(
            new Call(FUNCTION, List.of(), Map.of()).write(),
            "{\"jobs:0\": [\"a\", \"b\"], \"runid\": \"r\"}"
                .getBytes(java.nio.charset.StandardCharsets.UTF_8));
    assertThat(job.children()).containsExactly("a", "b");
    assertThat(job.runs()).containsExactly("r");
  }
}
