package cloud.wepp.worker.demo;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import org.jspecify.annotations.Nullable;

/** The questions on stdout, and their answers on stdin: one line each, read when it is needed. */
final class Dialogue {
  /** What does not fit into the executable's file names is cut off. */
  private static final int NAME_LENGTH = 50;

  private final BufferedReader answers;
  private final OutputStream out = new FileOutputStream(FileDescriptor.out);
  private StringBuilder said = new StringBuilder();
  private boolean defaulted;

  Dialogue(InputStream answers) {
    this.answers = new BufferedReader(new InputStreamReader(answers, UTF_8));
  }

  void say(String line) {
    said.append(' ').append(line).append('\n');
  }

  void show(byte[] text) {
    said.append(new String(text, UTF_8));
  }

  void flush() throws IOException {
    out.write(said.toString().getBytes(UTF_8));
    said = new StringBuilder();
  }

  String ask(String question) throws IOException {
    say("");
    say(question.concat(" --> "));
    @Nullable String answer = answers.readLine();
    if (answer == null) {
      throw Stop.endOfFile();
    }
    return answer.strip();
  }

  boolean yes(String question) throws IOException {
    String answer = ask(question.concat(" (Y/N)? [N]"));
    return answer.startsWith("Y") || answer.startsWith("y");
  }

  /** Asks for a number. Any other answer counts as the least, and the run ends with a note. */
  int option(String question, int least, int most) throws IOException {
    int answer = number(ask(question));
    boolean offered = answer >= least && answer <= most;
    defaulted |= !offered;
    return offered ? answer : least;
  }

  /** Whether an option was answered with what it does not offer. */
  boolean defaulted() {
    return defaulted;
  }

  /** Asks for a number of years. Nonsense counts as one, and nothing is said about it. */
  int years() throws IOException {
    return Math.max(1, number(ask("Enter number of years to simulate")));
  }

  int count(String question) throws IOException {
    int answer = number(ask(question));
    if (answer < 1) {
      throw Stop.crashed("Bad integer for item 1 in list input");
    }
    return answer;
  }

  String name(String question) throws IOException {
    String answer = ask(question);
    String name = answer.substring(0, Math.min(NAME_LENGTH, answer.length()));
    say("");
    say("file name read in: ".concat(name));
    return name;
  }

  InputFile input(String what) throws IOException {
    String question = "Enter name of file containing ".concat(what).concat(" data");
    String name = name(question);
    if (!InputFile.exists(name)) {
      throw refused(question, name, "File does not exist");
    }
    return InputFile.open(name);
  }

  Stop refused(String question, String name, String why) {
    say("***ERROR***");
    say(question.concat(" -->"));
    return Stop.refused(new Columns().left(name, NAME_LENGTH).add(why).toString());
  }

  private static int number(String answer) {
    try {
      return Integer.parseInt(answer);
    } catch (NumberFormatException e) {
      return -1;
    }
  }
}
