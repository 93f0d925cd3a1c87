package cloud.wepp.worker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import cloud.wepp.rq.pickle.MalformedPickle;
import cloud.wepp.rq.pickle.PickleReader;
import cloud.wepp.rq.pickle.PickleWriter;
import cloud.wepp.rq.pickle.PyJson;
import cloud.wepp.rq.pickle.PyValue;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A job's meta is changed as a whole, with all that others keep in it, or not at all. */
class JobMetaTest {
  private static final byte[] NO_META = {};
  private static final PyValue CHILD = PyValue.of("b6f7");

  private static PyValue.Dict dict(PyValue... keysAndValues) {
    List<PyValue.Entry> entries = new java.util.ArrayList<>();
    for (int i = 0; i < keysAndValues.length; i += 2) {
      entries.add(new PyValue.Entry(keysAndValues[i], keysAndValues[i + 1]));
    }
    return new PyValue.Dict(entries);
  }

  private static PyValue put(PyValue meta, Map<String, PyValue> entries)
      throws JobMeta.Unreadable, MalformedPickle {
    return PickleReader.read(JobMeta.put(PickleWriter.write(meta), false, entries));
  }

  @Test
  void aJobWithoutMetaGetsOne() throws Exception {
    Map<String, PyValue> entries = Map.of("runid", PyValue.of("a-run"));
    PyValue made = dict(PyValue.of("runid"), PyValue.of("a-run"));
    assertThat(PickleReader.read(JobMeta.put(NO_META, false, entries))).isEqualTo(made);
    assertThat(PyJson.read(JobMeta.put(NO_META, true, entries))).isEqualTo(made);
  }

  @Test
  void whatOthersKeepStaysInItsOrder() throws Exception {
    PyValue meta =
        dict(
            PyValue.of("jobs:0,func:f"),
            CHILD,
            PyValue.of("pid"),
            PyValue.of(1),
            PyValue.of(3),
            CHILD);
    assertThat(put(meta, Map.of("pid", PyValue.of(2), "exc_string", PyValue.of("why"))))
        .isEqualTo(
            dict(
                PyValue.of("jobs:0,func:f"),
                CHILD,
                PyValue.of("pid"),
                PyValue.of(2),
                PyValue.of(3),
                CHILD,
                PyValue.of("exc_string"),
                PyValue.of("why")));
  }

  @Test
  void objectsOfClassesUnknownHereStayAsTheyAre() throws Exception {
    PyValue object =
        new PyValue.Reduced(
            new PyValue.Global("wepppy.topo", "Feature"),
            PyValue.tuple(),
            null,
            true,
            dict(PyValue.of("id"), PyValue.of(7)),
            List.of(),
            List.of());
    PyValue meta = dict(PyValue.of("feature"), object);
    assertThat(put(meta, Map.of("pid", PyValue.of(2))))
        .isEqualTo(dict(PyValue.of("feature"), object, PyValue.of("pid"), PyValue.of(2)));
  }

  @Test
  void jsonStaysJson() throws Exception {
    byte[] meta = "{\"a\": [1, null], \"pid\": 1}".getBytes(UTF_8);
    assertThat(
            new String(JobMeta.put(meta, true, Map.of("pid", PyValue.of(2))), UTF_8)
                .replace(" ", ""))
        .isEqualTo("{\"a\":[1,null],\"pid\":2}");
  }

  @Test
  void aPickleOfAnythingButADictIsLeftAlone() {
    assertThatThrownBy(() -> put(new PyValue.ListOf(List.of()), Map.of()))
        .isInstanceOf(JobMeta.Unreadable.class)
        .hasMessage("it is not a dict");
  }

  @ParameterizedTest
  @ValueSource(strings = {"garbage", "\u0080\u0005", "."})
  void aPickleThatCannotBeReadIsLeftAlone(String meta) {
    assertThatThrownBy(() -> JobMeta.put(meta.getBytes(UTF_8), false, Map.of()))
        .isInstanceOf(JobMeta.Unreadable.class);
  }

  @ParameterizedTest
  @ValueSource(strings = {"garbage", "[]", "{\"a\":", "null"})
  void jsonThatIsNoDictIsLeftAlone(String meta) {
    assertThatThrownBy(() -> JobMeta.put(meta.getBytes(UTF_8), true, Map.of()))
        .isInstanceOf(JobMeta.Unreadable.class);
  }
}
