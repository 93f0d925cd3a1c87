package cloud.wepp.worker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import cloud.wepp.rq.pickle.PickleReader;
import cloud.wepp.rq.pickle.PickleWriter;
import cloud.wepp.rq.pickle.PyRepr;
import cloud.wepp.rq.pickle.PyValue;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** A job's meta is changed as a whole: what others put there stays. */
class JobMetaTest {
  private static final Map<String, PyValue> PID = Map.of("pid", PyValue.of(7));

  @Test
  void addsToNothing() throws Exception {
    assertThat(PyRepr.of(PickleReader.read(JobMeta.put(new byte[0], false, PID))))
        .isEqualTo("{'pid': 7}");
  }

  @Test
  void keepsWhatIsThereInItsOrder() throws Exception {
    byte[] before =
        PickleWriter.write(
            new PyValue.Dict(
                List.of(
                    new PyValue.Entry(PyValue.of("runid"), PyValue.of("my-run")),
                    new PyValue.Entry(PyValue.of("pid"), PyValue.of(1)),
                    new PyValue.Entry(PyValue.of(5), PyValue.None.NONE))));
    assertThat(PyRepr.of(PickleReader.read(JobMeta.put(before, false, PID))))
        .isEqualTo("{'runid': 'my-run', 'pid': 7, 5: None}");
  }

  @Test
  void readsAndWritesJsonForJsonJobs() throws Exception {
    byte[] after = JobMeta.put("{\"x\": 1}".getBytes(UTF_8), true, PID);
    assertThat(new String(after, UTF_8)).isEqualToIgnoringWhitespace("{\"x\": 1, \"pid\": 7}");
  }

  @Test
  void leavesAloneWhatItCannotRead() {
    assertThatThrownBy(() -> JobMeta.put("junk".getBytes(UTF_8), false, PID))
        .isInstanceOf(JobMeta.Unreadable.class);
    assertThatThrownBy(() -> JobMeta.put(PickleWriter.write(PyValue.of(1)), false, PID))
        .hasMessage("it is not a dict");
  }
}
