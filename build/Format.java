import com.google.googlejavaformat.java.Main;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs google-java-format over every Java file below the folder named last; the rest is its own.
 */
class Format {
  public static void main(String[] args) throws IOException {
    Path folder = Path.of(args[args.length - 1]).normalize();
    List<String> command = new ArrayList<>(List.of(args).subList(0, args.length - 1));
    try (var files = Files.walk(folder)) {
      files
          .map(Path::toString)
          .filter(name -> name.endsWith(".java") && !name.contains("/target/"))
          .sorted()
          .forEach(command::add);
    }
    Main.main(command.toArray(String[]::new));
  }
}
