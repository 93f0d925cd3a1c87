package cloud.wepp.worker.demo;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** One input file, read line by line. A cut or garbled file crashes as a Fortran READ does. */
final class InputFile {
  private final String name;
  private final String text;
  private int at;

  private InputFile(String name, String text) {
    this.name = name;
    this.text = text;
  }

  static boolean exists(String name) {
    return Files.isRegularFile(Path.of(name));
  }

  static InputFile open(String name) throws IOException {
    return new InputFile(name, new String(Files.readAllBytes(Path.of(name)), ISO_8859_1));
  }

  String name() {
    return name;
  }

  /** Without what follows the last dot: the "p1" of p1.man. */
  String baseName() {
    int dot = name.lastIndexOf('.');
    return dot < 0 ? name : name.substring(0, dot);
  }

  boolean atEnd() {
    return at >= text.length();
  }

  String line() throws Stop {
    if (atEnd()) {
      throw Stop.endOfFile();
    }
    int end = text.indexOf('\n', at);
    String line = text.substring(at, end < 0 ? text.length() : end);
    at += line.length() + 1;
    return line;
  }

  /** The next line that is neither blank nor a comment. */
  String data() throws Stop {
    String line = line();
    while (line.isBlank() || line.charAt(0) == '#') {
      line = line();
    }
    return line;
  }

  void skipData(int lines) throws Stop {
    for (int i = 0; i < lines; i++) {
      data();
    }
  }

  /** What follows the comment line that holds these words. */
  void seek(String words) throws Stop {
    String line = line();
    while (line.isEmpty() || line.charAt(0) != '#' || !line.contains(words)) {
      line = line();
    }
  }

  int number() throws Stop {
    return whole(fields(data()), 0);
  }

  /** The fields of a line: separated by blanks and commas, quoted text kept whole. */
  static List<String> fields(String line) {
    List<String> fields = new ArrayList<>();
    int end = 0;
    for (int start = 0; start < line.length(); start = end + 1) {
      char first = line.charAt(start);
      end = start;
      if (separates(first)) {
        continue;
      }
      boolean quoted = first == '\'';
      do {
        end++;
      } while (end < line.length()
          && (quoted ? line.charAt(end) != '\'' : !separates(line.charAt(end))));
      fields.add(line.substring(quoted ? start + 1 : start, end));
    }
    return fields;
  }

  private static boolean separates(char c) {
    return c <= ' ' || c == ',';
  }

  static int whole(List<String> fields, int item) throws Stop {
    try {
      return Integer.parseInt(field(fields, item));
    } catch (NumberFormatException e) {
      throw garbled("integer", item);
    }
  }

  /** A number, which may be NaN: WEPP reads on with it. */
  static double real(List<String> fields, int item) throws Stop {
    try {
      return Double.parseDouble(field(fields, item));
    } catch (NumberFormatException e) {
      throw garbled("real number", item);
    }
  }

  private static String field(List<String> fields, int item) throws Stop {
    if (item >= fields.size()) {
      throw Stop.endOfFile();
    }
    return fields.get(item);
  }

  private static Stop garbled(String what, int item) {
    Columns text = new Columns().add("Bad ").add(what).add(" for item ").whole(item + 1, 1);
    return Stop.crashed(text.add(" in list input").toString());
  }
}
