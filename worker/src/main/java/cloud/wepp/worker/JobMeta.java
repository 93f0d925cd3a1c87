package cloud.wepp.worker;

import cloud.wepp.rq.pickle.MalformedPickle;
import cloud.wepp.rq.pickle.PickleReader;
import cloud.wepp.rq.pickle.PickleWriter;
import cloud.wepp.rq.pickle.PyJson;
import cloud.wepp.rq.pickle.PyValue;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A job's {@code meta}: one serialized dict, which is changed as a whole or not at all. */
public final class JobMeta {
  private JobMeta() {}

  /** The meta cannot be read, and so must not be written. */
  public static final class Unreadable extends Exception {
    Unreadable(String message) {
      super(message);
    }
  }

  static byte[] put(byte[] meta, boolean json, Map<String, PyValue> entries) throws Unreadable {
    Map<PyValue, PyValue> changed = new LinkedHashMap<>();
    for (PyValue.Entry entry : read(meta, json)) {
      changed.put(entry.key(), entry.value());
    }
    entries.forEach((key, value) -> changed.put(PyValue.of(key), value));
    PyValue dict =
        new PyValue.Dict(
            changed.entrySet().stream()
                .map(entry -> new PyValue.Entry(entry.getKey(), entry.getValue()))
                .toList());
    return json ? PyJson.write(dict) : PickleWriter.write(dict);
  }

  /**
   * Its entries, in their order. Whichever serializer has written it: no pickle of a dict begins as
   * JSON does.
   *
   * @param meta as rq's hash has it; may be empty
   */
  public static List<PyValue.Entry> read(byte[] meta) throws Unreadable {
    return read(meta, meta.length > 0 && meta[0] == '{');
  }

  private static List<PyValue.Entry> read(byte[] meta, boolean json) throws Unreadable {
    if (meta.length == 0) {
      return List.of();
    }
    try {
      PyValue value = json ? PyJson.read(meta) : PickleReader.read(meta);
      if (value instanceof PyValue.Dict dict) {
        return dict.entries();
      }
      throw new Unreadable("it is not a dict");
    } catch (MalformedPickle e) {
      throw new Unreadable(String.valueOf(e.getMessage()));
    }
  }
}
