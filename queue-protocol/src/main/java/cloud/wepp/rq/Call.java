package cloud.wepp.rq;

import cloud.wepp.rq.pickle.MalformedPickle;
import cloud.wepp.rq.pickle.PickleReader;
import cloud.wepp.rq.pickle.PickleWriter;
import cloud.wepp.rq.pickle.PyJson;
import cloud.wepp.rq.pickle.PyValue;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a job asks for: a function by its dotted name, and its arguments as data.
 *
 * @param function rq's {@code func_name}, for example {@code wepppy.rq.wepp_rq.run_watershed_rq}
 * @param hasInstance whether the call is a method of a pickled object, which only Python can run
 * @param args positional arguments; rq accepts a list or a tuple
 * @param kwargs keyword arguments in the order of the call
 * @param json whether the job uses rq's JSON serializer; its result and meta then do too
 */
public record Call(
    String function,
    boolean hasInstance,
    List<PyValue> args,
    Map<String, PyValue> kwargs,
    boolean json) {

  /** A call of a function, to be pickled. */
  public Call(String function, List<PyValue> args, Map<String, PyValue> kwargs) {
    this(function, false, args, kwargs, false);
  }

  /**
   * Reads the field {@code data} of a job: pickle or JSON, compressed or not.
   *
   * @throws MalformedJob says what was found
   */
  public static Call read(byte[] data) throws MalformedJob {
    byte[] plain = plain(data);
    try {
      boolean json = plain.length > 0 && (plain[0] == '[' || plain[0] == '{');
      return of(json ? PyJson.read(plain) : PickleReader.read(plain), json);
    } catch (MalformedPickle e) {
      throw new MalformedJob(String.valueOf(e.getMessage()), e.refused());
    }
  }

  /** The field {@code data}: a compressed pickle. */
  public byte[] write() {
    List<PyValue.Entry> named = new ArrayList<>();
    kwargs.forEach((name, value) -> named.add(new PyValue.Entry(PyValue.of(name), value)));
    return Zlib.deflate(
        PickleWriter.write(
            PyValue.tuple(
                PyValue.of(function),
                PyValue.None.NONE,
                new PyValue.Tuple(args),
                new PyValue.Dict(named))));
  }

  private static byte[] plain(byte[] data) throws MalformedJob {
    try {
      return Zlib.inflate(data).orElse(data);
    } catch (Zlib.TooLarge e) {
      throw new MalformedJob("it unpacks to more than " + Zlib.MOST_BYTES + " bytes", true);
    }
  }

  private static Call of(PyValue value, boolean json) throws MalformedJob {
    List<PyValue> parts = sequence(value, "the call");
    if (parts.size() != 4) {
      throw wrong("the call has " + parts.size() + " parts and not four");
    }
    if (!(parts.getFirst() instanceof PyValue.Str function)) {
      throw wrong("the function's name is no text");
    }
    Map<String, PyValue> kwargs = new LinkedHashMap<>();
    switch (parts.get(3)) {
      case PyValue.None none -> {}
      case PyValue.Dict dict -> {
        for (PyValue.Entry entry : dict.entries()) {
          if (!(entry.key() instanceof PyValue.Str name)) {
            throw wrong("a keyword argument's name is no text");
          }
          kwargs.put(name.value(), entry.value());
        }
      }
      default -> throw wrong("the keyword arguments are no dict");
    }
    return new Call(
        function.value(),
        !(parts.get(1) instanceof PyValue.None),
        parts.get(2) instanceof PyValue.None ? List.of() : sequence(parts.get(2), "the arguments"),
        kwargs,
        json);
  }

  private static List<PyValue> sequence(PyValue value, String what) throws MalformedJob {
    return switch (value) {
      case PyValue.Tuple tuple -> tuple.items();
      case PyValue.ListOf list -> list.items();
      default -> throw wrong(what + " is no tuple and no list");
    };
  }

  private static MalformedJob wrong(String message) {
    return new MalformedJob(message, false);
  }
}
