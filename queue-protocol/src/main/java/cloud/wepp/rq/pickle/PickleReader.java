package cloud.wepp.rq.pickle;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.US_ASCII;

import cloud.wepp.rq.pickle.PyValue.Entry;
import cloud.wepp.rq.pickle.PyValue.Global;
import cloud.wepp.rq.pickle.PyValue.Reduced;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads pickles of protocols 0 to 5 as data. Nothing is imported, looked up or called. Lengths are
 * checked against the bytes that are left, so a short pickle cannot ask for much memory; nesting,
 * size and cycles are bounded.
 */
public final class PickleReader {
  private static final int MOST_OPERATIONS = 4_000_000;
  private static final int MOST_INT_BYTES = 4096;
  private static final int MOST_DIGITS = 9000;

  /** What MARK puts on the stack. */
  private static final Object MARK = new Object();

  private final ByteBuffer in;
  private final List<Object> stack = new ArrayList<>();
  private final Map<Long, PyValue> memo = new HashMap<>();
  private final IdentityHashMap<PyValue, Long> memoIndex =
      new IdentityHashMap<>(); // of objects that state may replace

  private PickleReader(byte[] pickle) {
    in = ByteBuffer.wrap(pickle).order(ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * Reads one pickle; bytes after its end are ignored, as Python does.
   *
   * @throws MalformedPickle says what was found, and where
   */
  public static PyValue read(byte[] pickle) throws MalformedPickle {
    PickleReader reader = new PickleReader(pickle);
    try {
      PyValue value = reader.run();
      PyShape.check(value);
      return value;
    } catch (MalformedPickle e) {
      String message = "byte %d: %s".formatted(reader.in.position(), e.getMessage());
      throw e.refused() ? MalformedPickle.refused(message) : MalformedPickle.broken(message);
    }
  }

  private PyValue run() throws MalformedPickle {
    for (int operations = 0; operations < MOST_OPERATIONS; operations++) {
      int opcode = unsigned(1);
      switch (opcode) {
        case 0x80 -> { // PROTO
          int protocol = unsigned(1);
          if (protocol > 5) {
            throw MalformedPickle.broken("protocol " + protocol + " is unknown");
          }
        }
        case 0x95 -> length(8); // FRAME: only its length is checked
        case '.' -> {
          PyValue value = pop();
          if (!stack.isEmpty()) {
            throw MalformedPickle.broken("values are left over at its end");
          }
          return value;
        }
        case '(' -> stack.add(MARK);
        case '0' -> { // POP
          if (stack.isEmpty()) {
            throw underflow();
          }
          stack.removeLast();
        }
        case '1' -> popMark(); // POP_MARK
        case '2' -> push(top()); // DUP
        case 'N' -> push(PyValue.None.NONE);
        case 0x88 -> push(PyValue.of(true));
        case 0x89 -> push(PyValue.of(false));
        case 'I' -> push(intLine());
        case 'L' -> push(longLine());
        case 'K' -> push(PyValue.of(unsigned(1)));
        case 'M' -> push(PyValue.of(unsigned(2)));
        case 'J' -> push(PyValue.of(fixed(4)));
        case 0x8a -> push(integer(unsigned(1)));
        case 0x8b -> push(integer((int) fixed(4)));
        case 'F' -> push(floatLine());
        case 'G' -> push(PyValue.of(Double.longBitsToDouble(Long.reverseBytes(fixed(8)))));
        case 'S' -> push(PyText.quoted(line()));
        case 'V' -> push(PyText.rawUnicodeEscape(line()));
        case 'T' -> push(PyText.latin1(bytes(length(4))));
        case 'U' -> push(PyText.latin1(bytes(length(1))));
        case 'X' -> push(PyText.utf8(bytes(length(4))));
        case 0x8c -> push(PyText.utf8(bytes(length(1))));
        case 0x8d -> push(PyText.utf8(bytes(length(8))));
        case 'B' -> push(new PyValue.Bytes(bytes(length(4))));
        case 'C' -> push(new PyValue.Bytes(bytes(length(1))));
        case 0x8e -> push(new PyValue.Bytes(bytes(length(8))));
        case 0x96 -> push(new PyValue.ByteArray(bytes(length(8))));
        case ')' -> push(new PyValue.Tuple(List.of()));
        case 't' -> push(new PyValue.Tuple(popMark()));
        case 0x85 -> push(tuple(1));
        case 0x86 -> push(tuple(2));
        case 0x87 -> push(tuple(3));
        case ']' -> push(new PyValue.ListOf(new ArrayList<>()));
        case 'l' -> push(new PyValue.ListOf(popMark()));
        case 'a' -> append(new ArrayList<>(List.of(pop())));
        case 'e' -> append(popMark());
        case '}' -> push(new PyValue.Dict(new ArrayList<>()));
        case 'd' -> push(new PyValue.Dict(entries(popMark())));
        case 's' -> {
          PyValue value = pop();
          putAll(entries(List.of(pop(), value)));
        }
        case 'u' -> putAll(entries(popMark()));
        case 0x8f -> push(new PyValue.SetOf(new ArrayList<>(), false));
        case 0x90 -> addItems(popMark());
        case 0x91 -> push(new PyValue.SetOf(PyShape.hashable(popMark()), true));
        case 'p' -> remember(number(line(), "a memo index"));
        case 'q' -> remember(unsigned(1));
        case 'r' -> remember(fixed(4) & 0xffff_ffffL);
        case 0x94 -> remember(memo.size());
        case 'g' -> recall(number(line(), "a memo index"));
        case 'h' -> recall(unsigned(1));
        case 'j' -> recall(fixed(4) & 0xffff_ffffL);
        case 'c' -> push(Globals.named(line(), line()));
        case 0x93 -> {
          PyValue name = pop();
          if (!(pop() instanceof PyValue.Str module) || !(name instanceof PyValue.Str attribute)) {
            throw MalformedPickle.broken("a global is not named by two texts");
          }
          push(Globals.named(module.value(), attribute.value()));
        }
        case 'R' -> {
          PyValue args = pop();
          push(reduce(pop(), args));
        }
        case 0x81 -> { // NEWOBJ
          PyValue args = pop();
          push(object(pop(), args, null, true));
        }
        case 0x92 -> { // NEWOBJ_EX
          PyValue kwargs = pop();
          PyValue args = pop();
          push(object(pop(), args, kwargs, true));
        }
        case 'i' -> { // INST
          Global cls = Globals.named(line(), line());
          push(object(cls, new PyValue.Tuple(popMark()), null, false));
        }
        case 'o' -> { // OBJ
          List<PyValue> items = popMark();
          if (items.isEmpty()) {
            throw underflow();
          }
          push(
              object(
                  items.getFirst(),
                  new PyValue.Tuple(items.subList(1, items.size())),
                  null,
                  false));
        }
        case 'b' -> build(pop());
        case 'P', 'Q' -> throw MalformedPickle.refused("it refers to an object outside of it");
        case 0x82, 0x83, 0x84 -> throw MalformedPickle.refused("it uses the extension registry");
        case 0x97, 0x98 -> throw MalformedPickle.refused("it refers to a buffer outside of it");
        default -> throw MalformedPickle.broken("opcode 0x%02x is unknown".formatted(opcode));
      }
    }
    throw MalformedPickle.refused("it has more than " + MOST_OPERATIONS + " operations");
  }

  private static PyValue reduce(PyValue callable, PyValue args) throws MalformedPickle {
    if (callable instanceof Global(String module, String name)
        && args instanceof PyValue.Tuple(List<PyValue> items)) {
      boolean builtin = module.equals("builtins") || module.equals("__builtin__");
      if (builtin && (name.equals("set") || name.equals("frozenset")) && items.size() <= 1) {
        if (items.isEmpty() || items.getFirst() instanceof PyValue.ListOf) {
          List<PyValue> members =
              items.isEmpty() ? List.of() : ((PyValue.ListOf) items.getFirst()).items();
          return new PyValue.SetOf(
              PyShape.hashable(new ArrayList<>(members)), name.equals("frozenset"));
        }
      }
      if (module.equals("_codecs") && name.equals("encode") && latin1(items)) {
        return new PyValue.Bytes(((PyValue.Str) items.getFirst()).value().getBytes(ISO_8859_1));
      }
      if (builtin && name.equals("bytes") && items.isEmpty()) {
        return new PyValue.Bytes(new byte[0]);
      }
      if (builtin && name.equals("bytearray")) {
        if (items.isEmpty()) {
          return new PyValue.ByteArray(new byte[0]);
        }
        if (items.getFirst() instanceof PyValue.Bytes bytes) {
          return new PyValue.ByteArray(bytes.value());
        }
        if (latin1(items)) {
          return new PyValue.ByteArray(
              ((PyValue.Str) items.getFirst()).value().getBytes(ISO_8859_1));
        }
      }
    }
    return object(callable, args, null, false);
  }

  private static boolean latin1(List<PyValue> items) {
    return items.size() == 2
        && items.get(0) instanceof PyValue.Str
        && (items.get(1).equals(PyValue.of("latin1"))
            || items.get(1).equals(PyValue.of("latin-1")));
  }

  private static PyValue object(
      PyValue callable,
      PyValue args,
      @org.jspecify.annotations.Nullable PyValue kwargs,
      boolean newObject)
      throws MalformedPickle {
    if (!(args instanceof PyValue.Tuple)) {
      throw MalformedPickle.broken("the arguments of a call are no tuple");
    }
    Globals.mayBeCalled(callable, args);
    return new Reduced(
        callable, args, kwargs, newObject, null, new ArrayList<>(), new ArrayList<>());
  }

  /**
   * The state replaces the object on the stack and in the memo; parts that hold it already are
   * older than it.
   */
  private void build(PyValue state) throws MalformedPickle {
    PyValue object = top();
    if (!(object instanceof Reduced r)) {
      throw MalformedPickle.broken("state is given to a value that has none");
    }
    Reduced built =
        new Reduced(
            r.callable(), r.args(), r.kwargs(), r.newObject(), state, r.items(), r.entries());
    stack.removeLast();
    push(built);
    Long index = memoIndex.remove(object);
    if (index != null) {
      memo.put(index, built);
      memoIndex.put(built, index);
    }
  }

  private void append(List<PyValue> items) throws MalformedPickle {
    switch (top()) {
      case PyValue.ListOf list -> list.items().addAll(items);
      case Reduced object -> object.items().addAll(items);
      default -> throw MalformedPickle.broken("items are given to a value that is no list");
    }
  }

  private void putAll(List<Entry> entries) throws MalformedPickle {
    switch (top()) {
      case PyValue.Dict dict -> dict.entries().addAll(entries);
      case Reduced object -> object.entries().addAll(entries);
      default -> throw MalformedPickle.broken("entries are given to a value that is no dict");
    }
  }

  private void addItems(List<PyValue> items) throws MalformedPickle {
    if (!(top() instanceof PyValue.SetOf set) || set.frozen()) {
      throw MalformedPickle.broken("members are given to a value that is no set");
    }
    set.items().addAll(PyShape.hashable(items));
  }

  private static List<Entry> entries(List<PyValue> items) throws MalformedPickle {
    if (items.size() % 2 != 0) {
      throw MalformedPickle.broken("a key has no value");
    }
    List<Entry> entries = new ArrayList<>(items.size() / 2);
    for (int i = 0; i < items.size(); i += 2) {
      PyShape.hashable(List.of(items.get(i)));
      entries.add(new Entry(items.get(i), items.get(i + 1)));
    }
    return entries;
  }

  private PyValue tuple(int size) throws MalformedPickle {
    PyValue[] items = new PyValue[size];
    for (int i = size - 1; i >= 0; i--) {
      items[i] = pop();
    }
    return PyValue.tuple(items);
  }

  private void push(PyValue value) {
    stack.add(value);
  }

  private PyValue top() throws MalformedPickle {
    if (stack.isEmpty() || !(stack.getLast() instanceof PyValue value)) {
      throw underflow();
    }
    return value;
  }

  private PyValue pop() throws MalformedPickle {
    PyValue value = top();
    stack.removeLast();
    return value;
  }

  private List<PyValue> popMark() throws MalformedPickle {
    int mark = stack.lastIndexOf(MARK);
    if (mark < 0) {
      throw MalformedPickle.broken("a mark is missing");
    }
    List<PyValue> items = new ArrayList<>(stack.size() - mark - 1);
    for (Object item : stack.subList(mark + 1, stack.size())) {
      items.add((PyValue) item);
    }
    stack.subList(mark, stack.size()).clear();
    return items;
  }

  private void remember(long index) throws MalformedPickle {
    PyValue value = top();
    memo.put(index, value);
    if (value instanceof Reduced) {
      memoIndex.put(value, index);
    }
  }

  private void recall(long index) throws MalformedPickle {
    PyValue value = memo.get(index);
    if (value == null) {
      throw MalformedPickle.broken("memo entry " + index + " was never stored");
    }
    push(value);
  }

  private static MalformedPickle underflow() {
    return MalformedPickle.broken("a value is missing");
  }

  // ---- bytes

  private int unsigned(int size) throws MalformedPickle {
    return (int) (fixed(size) & (size == 1 ? 0xff : 0xffff));
  }

  private long fixed(int size) throws MalformedPickle {
    if (in.remaining() < size) {
      throw MalformedPickle.broken("it ends in the middle");
    }
    return switch (size) {
      case 1 -> in.get();
      case 2 -> in.getShort();
      case 4 -> in.getInt();
      default -> in.getLong();
    };
  }

  private int length(int size) throws MalformedPickle {
    long length = fixed(size);
    if (size < 8) {
      length &= (1L << (8 * size)) - 1;
    }
    if (length < 0 || length > in.remaining()) {
      throw MalformedPickle.broken(
          "it says that %s bytes follow, but %d are left"
              .formatted(Long.toUnsignedString(length), in.remaining()));
    }
    return (int) length;
  }

  private byte[] bytes(int length) {
    byte[] bytes = new byte[length];
    in.get(bytes);
    return bytes;
  }

  private String line() throws MalformedPickle {
    int start = in.position();
    for (int i = start; i < in.limit(); i++) {
      if (in.get(i) == '\n') {
        byte[] bytes = bytes(i - start);
        in.position(i + 1);
        int length =
            bytes.length > 0 && bytes[bytes.length - 1] == '\r' ? bytes.length - 1 : bytes.length;
        return new String(bytes, 0, length, ISO_8859_1);
      }
    }
    throw MalformedPickle.broken("a line has no end");
  }

  private PyValue integer(int length) throws MalformedPickle {
    if (length < 0 || length > in.remaining()) {
      throw MalformedPickle.broken("an integer of " + length + " bytes does not fit");
    }
    if (length > MOST_INT_BYTES) {
      throw MalformedPickle.refused("an integer has " + length + " bytes");
    }
    byte[] little = bytes(length);
    byte[] big = new byte[length];
    for (int i = 0; i < length; i++) {
      big[i] = little[length - 1 - i];
    }
    return new PyValue.Int(length == 0 ? BigInteger.ZERO : new BigInteger(big));
  }

  private PyValue intLine() throws MalformedPickle {
    String line = line();
    return switch (line) {
      case "00" -> PyValue.of(false);
      case "01" -> PyValue.of(true);
      default -> decimal(line);
    };
  }

  private PyValue longLine() throws MalformedPickle {
    String line = line();
    return decimal(line.endsWith("L") ? line.substring(0, line.length() - 1) : line);
  }

  private static PyValue decimal(String digits) throws MalformedPickle {
    if (digits.length() > MOST_DIGITS) {
      throw MalformedPickle.refused("an integer has " + digits.length() + " digits");
    }
    try {
      return new PyValue.Int(new BigInteger(digits));
    } catch (NumberFormatException e) {
      throw MalformedPickle.broken("an integer is not a number");
    }
  }

  private static long number(String digits, String what) throws MalformedPickle {
    try {
      return Long.parseLong(digits);
    } catch (NumberFormatException e) {
      throw MalformedPickle.broken(what + " is not a number");
    }
  }

  private PyValue floatLine() throws MalformedPickle {
    String line = line().strip();
    return switch (line) {
      case "nan" -> PyValue.of(Double.NaN);
      case "inf" -> PyValue.of(Double.POSITIVE_INFINITY);
      case "-inf" -> PyValue.of(Double.NEGATIVE_INFINITY);
      default -> {
        if (line.length() > 400 || !US_ASCII.newEncoder().canEncode(line)) {
          throw MalformedPickle.broken("a float is not a number");
        }
        try {
          yield PyValue.of(Double.parseDouble(line));
        } catch (NumberFormatException e) {
          throw MalformedPickle.broken("a float is not a number");
        }
      }
    };
  }
}
