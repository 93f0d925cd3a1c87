package cloud.wepp.rq.pickle;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * Python's text encodings in pickles. Lone surrogates pass, as Python's {@code surrogatepass} lets
 * them.
 */
final class PyText {
  private PyText() {}

  static PyValue latin1(byte[] bytes) {
    return PyValue.of(new String(bytes, ISO_8859_1));
  }

  static PyValue utf8(byte[] bytes) throws MalformedPickle {
    try {
      return PyValue.of(
          StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString());
    } catch (CharacterCodingException e) {
      return PyValue.of(withSurrogates(bytes));
    }
  }

  private static String withSurrogates(byte[] bytes) throws MalformedPickle {
    StringBuilder text = new StringBuilder(bytes.length);
    int start = 0;
    for (int i = 0; i + 2 < bytes.length; i++) {
      if ((bytes[i] & 0xff) == 0xed
          && (bytes[i + 1] & 0xe0) == 0xa0
          && (bytes[i + 2] & 0xc0) == 0x80) {
        text.append(strict(bytes, start, i));
        text.append((char) (0xd800 | (bytes[i + 1] & 0x1f) << 6 | bytes[i + 2] & 0x3f));
        i += 2;
        start = i + 1;
      }
    }
    return text.append(strict(bytes, start, bytes.length)).toString();
  }

  private static String strict(byte[] bytes, int from, int to) throws MalformedPickle {
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(bytes, from, to - from))
          .toString();
    } catch (CharacterCodingException e) {
      throw MalformedPickle.broken("a text is not UTF-8");
    }
  }

  static byte[] encode(String text) {
    if (text.codePoints().noneMatch(c -> c >= 0xd800 && c <= 0xdfff)) {
      return text.getBytes(StandardCharsets.UTF_8);
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    text.codePoints()
        .forEach(c -> {
          if (c >= 0xd800 && c <= 0xdfff) {
            out.write(0xe0 | c >> 12);
            out.write(0x80 | c >> 6 & 0x3f);
            out.write(0x80 | c & 0x3f);
          } else {
            out.writeBytes(Character.toString(c).getBytes(StandardCharsets.UTF_8));
          }
        });
    return out.toByteArray();
  }

  /** Protocol 0: backslash u and U escapes in Latin-1 text. */
  static PyValue rawUnicodeEscape(String line) throws MalformedPickle {
    StringBuilder text = new StringBuilder(line.length());
    for (int i = 0; i < line.length(); i++) {
      char c = line.charAt(i);
      int digits =
          c == '\\' && i + 1 < line.length()
              ? switch (line.charAt(i + 1)) {
                case 'u' -> 4;
                case 'U' -> 8;
                default -> 0;
              }
              : 0;
      if (digits == 0) {
        text.append(c);
      } else {
        text.appendCodePoint(hex(line, i + 2, digits));
        i += digits + 1;
      }
    }
    return PyValue.of(text.toString());
  }

  /** Protocol 0: a Python 2 string literal. */
  static PyValue quoted(String line) throws MalformedPickle {
    if (line.length() < 2
        || line.charAt(0) != line.charAt(line.length() - 1)
        || line.charAt(0) != '\'' && line.charAt(0) != '"') {
      throw MalformedPickle.broken("a text is not quoted");
    }
    StringBuilder text = new StringBuilder(line.length());
    for (int i = 1; i < line.length() - 1; i++) {
      char c = line.charAt(i);
      if (c != '\\') {
        text.append(c);
        continue;
      }
      char escape = line.charAt(++i);
      switch (escape) {
        case 'n' -> text.append('\n');
        case 'r' -> text.append('\r');
        case 't' -> text.append('\t');
        case '\\', '\'', '"' -> text.append(escape);
        case 'x' -> {
          text.append((char) hex(line, i + 1, 2));
          i += 2;
        }
        default -> text.append('\\').append(escape);
      }
    }
    return PyValue.of(text.toString());
  }

  private static int hex(String line, int from, int digits) throws MalformedPickle {
    try {
      int code = Integer.parseInt(line.substring(from, from + digits), 16);
      if (Character.isValidCodePoint(code)) {
        return code;
      }
    } catch (NumberFormatException | StringIndexOutOfBoundsException e) {
      throw MalformedPickle.broken("an escape in a text is cut or not hexadecimal");
    }
    throw MalformedPickle.broken("an escape in a text is no character");
  }
}
