package cloud.wepp.rq.pickle;

import cloud.wepp.rq.pickle.PyValue.Entry;
import cloud.wepp.rq.pickle.PyValue.Global;
import cloud.wepp.rq.pickle.PyValue.Reduced;
import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.util.List;

/** Writes values as pickles of protocol 4, which every Python from 3.4 on reads. */
public final class PickleWriter {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  private PickleWriter() {}

  public static byte[] write(PyValue value) {
    PickleWriter writer = new PickleWriter();
    writer.op(0x80);
    writer.op(4);
    writer.value(value);
    writer.op('.');
    return writer.out.toByteArray();
  }

  private void value(PyValue value) {
    switch (value) {
      case PyValue.None none -> op('N');
      case PyValue.Bool bool -> op(bool.value() ? 0x88 : 0x89);
      case PyValue.Int integer -> integer(integer.value());
      case PyValue.Real real -> {
        op('G');
        long bits = Double.doubleToRawLongBits(real.value());
        for (int shift = 56; shift >= 0; shift -= 8) {
          op((int) (bits >>> shift));
        }
      }
      case PyValue.Str text -> text(text.value());
      case PyValue.Bytes bytes -> sized(bytes.value(), 'C', 'B');
      case PyValue.ByteArray bytes ->
          value(reduced(new Global("builtins", "bytearray"), new PyValue.Bytes(bytes.value())));
      case PyValue.Tuple tuple -> tuple(tuple.items());
      case PyValue.ListOf list -> {
        op(']');
        items(list.items(), 'e');
      }
      case PyValue.SetOf set -> {
        if (set.frozen()) {
          op('(');
          set.items().forEach(this::value);
          op(0x91);
        } else {
          op(0x8f);
          items(set.items(), 0x90);
        }
      }
      case PyValue.Dict dict -> {
        op('}');
        entries(dict.entries());
      }
      case Global global -> {
        text(global.module());
        text(global.name());
        op(0x93);
      }
      case Reduced object -> object(object);
    }
  }

  private static Reduced reduced(Global callable, PyValue argument) {
    return new Reduced(callable, PyValue.tuple(argument), null, false, null, List.of(), List.of());
  }

  private void object(Reduced object) {
    value(object.callable());
    value(object.args());
    PyValue kwargs = object.kwargs();
    if (kwargs != null) {
      value(kwargs);
      op(0x92);
    } else {
      op(object.newObject() ? 0x81 : 'R');
    }
    items(object.items(), 'e');
    entries(object.entries());
    PyValue state = object.state();
    if (state != null) {
      value(state);
      op('b');
    }
  }

  private void tuple(List<PyValue> items) {
    if (items.isEmpty()) {
      op(')');
      return;
    }
    if (items.size() > 3) {
      op('(');
    }
    items.forEach(this::value);
    op(items.size() > 3 ? 't' : 0x84 + items.size());
  }

  private void items(List<PyValue> items, int opcode) {
    if (!items.isEmpty()) {
      op('(');
      items.forEach(this::value);
      op(opcode);
    }
  }

  private void entries(List<Entry> entries) {
    if (!entries.isEmpty()) {
      op('(');
      for (Entry entry : entries) {
        value(entry.key());
        value(entry.value());
      }
      op('u');
    }
  }

  private void integer(BigInteger value) {
    if (value.bitLength() < 32) {
      op('J');
      little(value.intValue(), 4);
      return;
    }
    byte[] big = value.toByteArray();
    if (big.length < 256) {
      op(0x8a);
      op(big.length);
    } else {
      op(0x8b);
      little(big.length, 4);
    }
    for (int i = big.length - 1; i >= 0; i--) {
      op(big[i]);
    }
  }

  private void text(String text) {
    sized(PyText.encode(text), 0x8c, 'X');
  }

  private void sized(byte[] bytes, int shortOpcode, int longOpcode) {
    if (bytes.length < 256) {
      op(shortOpcode);
      op(bytes.length);
    } else {
      op(longOpcode);
      little(bytes.length, 4);
    }
    out.writeBytes(bytes);
  }

  private void little(int value, int size) {
    for (int i = 0; i < size; i++) {
      op(value >>> 8 * i);
    }
  }

  private void op(int value) {
    out.write(value);
  }
}
