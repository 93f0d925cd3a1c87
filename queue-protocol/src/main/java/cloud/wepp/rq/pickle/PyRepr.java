package cloud.wepp.rq.pickle;

import java.math.BigDecimal;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** Values as Python's {@code repr} writes them. */
public final class PyRepr {
  private PyRepr() {}

  public static String of(PyValue value) {
    return switch (value) {
      case PyValue.None none -> "None";
      case PyValue.Bool bool -> bool.value() ? "True" : "False";
      case PyValue.Int integer -> integer.value().toString();
      case PyValue.Real real -> of(real.value());
      case PyValue.Str text -> quoted(text.value());
      case PyValue.Bytes bytes -> "b" + bytes(bytes.value());
      case PyValue.ByteArray bytes -> "bytearray(b" + bytes(bytes.value()) + ")";
      case PyValue.Tuple tuple ->
          tuple.items().size() == 1
              ? "(" + of(tuple.items().getFirst()) + ",)"
              : "(" + joined(tuple.items()) + ")";
      case PyValue.ListOf list -> "[" + joined(list.items()) + "]";
      case PyValue.SetOf set -> {
        String members = set.items().isEmpty() ? "" : "{" + joined(set.items()) + "}";
        yield set.frozen() ? "frozenset(" + members + ")" : members.isEmpty() ? "set()" : members;
      }
      case PyValue.Dict dict ->
          dict.entries().stream()
              .map(entry -> of(entry.key()) + ": " + of(entry.value()))
              .collect(Collectors.joining(", ", "{", "}"));
      case PyValue.Global global -> "<" + global.module() + "." + global.name() + ">";
      case PyValue.Reduced object -> of(object.callable()) + of(object.args());
    };
  }

  private static String joined(List<PyValue> items) {
    return items.stream().map(PyRepr::of).collect(Collectors.joining(", "));
  }

  /** The shortest digits that give the number again; an exponent below 1e-4 and from 1e16 on. */
  public static String of(double value) {
    if (Double.isNaN(value)) {
      return "nan";
    }
    if (Double.isInfinite(value)) {
      return value > 0 ? "inf" : "-inf";
    }
    if (value == 0) {
      return 1 / value < 0 ? "-0.0" : "0.0";
    }
    BigDecimal decimal = new BigDecimal(Double.toString(value)).stripTrailingZeros();
    // Java always gives two digits; Python gives one where one is enough.
    BigDecimal one = decimal.round(new java.math.MathContext(1));
    if (one.doubleValue() == value) {
      decimal = one.stripTrailingZeros();
    }
    int exponent = decimal.precision() - decimal.scale() - 1;
    if (exponent >= -4 && exponent < 16) {
      String plain = decimal.toPlainString();
      return plain.contains(".") ? plain : plain + ".0";
    }
    String digits = decimal.unscaledValue().abs().toString();
    return (value < 0 ? "-" : "")
        + digits.charAt(0)
        + (digits.length() > 1 ? "." + digits.substring(1) : "")
        + String.format(Locale.ROOT, "e%s%02d", exponent < 0 ? "-" : "+", Math.abs(exponent));
  }

  private static String quoted(String text) {
    char quote = text.contains("'") && !text.contains("\"") ? '"' : '\'';
    StringBuilder repr = new StringBuilder(text.length() + 2).append(quote);
    text.codePoints()
        .forEach(c -> {
          switch (c) {
            case '\n' -> repr.append("\\n");
            case '\r' -> repr.append("\\r");
            case '\t' -> repr.append("\\t");
            case '\\' -> repr.append("\\\\");
            default -> {
              if (c == quote) {
                repr.append('\\').append(quote);
              } else if (c < 0x20 || c == 0x7f || c >= 0x80 && c < 0xa1 || c == 0xad) {
                repr.append("\\x%02x".formatted(c));
              } else if (c >= 0xd800 && c <= 0xdfff) {
                repr.append("\\u%04x".formatted(c));
              } else {
                repr.appendCodePoint(c);
              }
            }
          }
        });
    return repr.append(quote).toString();
  }

  private static String bytes(byte[] bytes) {
    StringBuilder repr = new StringBuilder("'");
    for (byte b : bytes) {
      switch (b) {
        case '\n' -> repr.append("\\n");
        case '\r' -> repr.append("\\r");
        case '\t' -> repr.append("\\t");
        case '\\' -> repr.append("\\\\");
        case '\'' -> repr.append("\\'");
        default -> {
          if (b < 0x20 || b == 0x7f) {
            repr.append("\\x%02x".formatted(b & 0xff));
          } else {
            repr.append((char) b);
          }
        }
      }
    }
    return repr.append('\'').toString();
  }
}
