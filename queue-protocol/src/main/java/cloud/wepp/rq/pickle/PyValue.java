package cloud.wepp.rq.pickle;

import java.math.BigInteger;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A Python value as data. Nothing here can run Python code: an object of a class that has no case
 * of its own is kept as the {@link Reduced} recipe that the pickle held.
 */
public sealed interface PyValue {

  /** Python's {@code None}. */
  enum None implements PyValue {
    NONE
  }

  record Bool(boolean value) implements PyValue {}

  record Int(BigInteger value) implements PyValue {}

  record Real(double value) implements PyValue {}

  /** A text; lone surrogates are kept as they are. */
  record Str(String value) implements PyValue {}

  record Bytes(byte[] value) implements PyValue {}

  record ByteArray(byte[] value) implements PyValue {}

  record Tuple(List<PyValue> items) implements PyValue {}

  record ListOf(List<PyValue> items) implements PyValue {}

  record SetOf(List<PyValue> items, boolean frozen) implements PyValue {}

  /** A dict in the order of its keys. */
  record Dict(List<Entry> entries) implements PyValue {
    /** The value of a text key, or empty. */
    public Optional<PyValue> get(String key) {
      return entries.stream()
          .filter(e -> e.key() instanceof Str s && s.value().equals(key))
          .map(Entry::value)
          .findFirst();
    }
  }

  record Entry(PyValue key, PyValue value) {}

  /** A class or function named by a pickle. It is never looked up. */
  record Global(String module, String name) implements PyValue {}

  /**
   * An object as its recipe: call {@code callable} with {@code args}, then give it {@code state},
   * {@code items} and {@code entries}. The recipe is kept so that it can be written back unchanged;
   * it is never carried out.
   *
   * @param kwargs the keyword arguments of {@code __newobj_ex__}, else null
   * @param newObject whether the object is made by {@code cls.__new__} and not by a call
   */
  record Reduced(
      PyValue callable,
      PyValue args,
      @Nullable PyValue kwargs,
      boolean newObject,
      @Nullable PyValue state,
      List<PyValue> items,
      List<Entry> entries)
      implements PyValue {}

  static PyValue of(long value) {
    return new Int(BigInteger.valueOf(value));
  }

  static PyValue of(String value) {
    return new Str(value);
  }

  static PyValue of(boolean value) {
    return new Bool(value);
  }

  static PyValue of(double value) {
    return new Real(value);
  }

  static PyValue tuple(PyValue... items) {
    return new Tuple(List.of(items));
  }
}
