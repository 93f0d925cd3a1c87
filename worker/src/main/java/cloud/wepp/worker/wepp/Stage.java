package cloud.wepp.worker.wepp;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Where one attempt of a model runs: in its run folder itself, or in a folder of this host in which
 * the inputs are links and the outputs are files, which are published when they are known to be
 * good. WEPP writes line by line, and a file that others can see half-written is worse than none.
 */
final class Stage implements RunCheck.Outputs, AutoCloseable {
  /** What WEPP reads from its working folder without being told. */
  static final List<String> SIDECARS =
      List.of(
          "beinpcalib.txt",
          "chan.inp",
          "chntyp.txt",
          "frost.txt",
          "gwcoeff.txt",
          "lcwb.txt",
          "partsize.dat",
          "phosphorus.txt",
          "pmetpara.txt",
          "snow.txt",
          "tc.txt",
          "tcr.txt",
          "wepp-co2.txt",
          "wepp_ui.txt",
          "wepp_observe.on");

  private final Model model;
  private final Answers answers;
  private final @Nullable Path root; // of the local folder
  private final Path runs;
  private final Map<String, FileScan> scans = new LinkedHashMap<>();

  private Stage(Model model, Answers answers, @Nullable Path root, Path runs) {
    this.model = model;
    this.answers = answers;
    this.root = root;
    this.runs = runs;
  }

  /** The run folder itself. */
  static Stage direct(Model model, Answers answers) {
    return new Stage(model, answers, null, model.runs());
  }

  /**
   * A new folder below {@code scratch}, as deep as the names of the files lead up and down again.
   */
  static Stage local(Model model, Answers answers, Path scratch) throws IOException {
    List<String> names = new ArrayList<>(answers.inputs());
    names.addAll(answers.outputs());
    int ups = 0;
    for (String name : names) {
      ups = Math.max(ups, ups(Path.of(name)));
    }
    Path root = Files.createTempDirectory(Files.createDirectories(scratch), "model-");
    Path runs = root;
    for (int i = 0; i < ups; i++) {
      runs = runs.resolve("up");
    }
    Stage stage = new Stage(model, answers, root, Files.createDirectories(runs.resolve("runs")));
    try {
      for (String sidecar : SIDECARS) {
        stage.link(sidecar);
      }
      for (String input : answers.inputs()) {
        stage.link(input);
      }
      for (String output : answers.outputs()) {
        if (!Path.of(output).isAbsolute()) {
          Files.createDirectories(stage.runs.resolve(output).normalize().getParent());
        }
      }
      return stage;
    } catch (IOException e) {
      stage.close();
      throw e;
    }
  }

  private static int ups(Path name) {
    int ups = 0;
    int deepest = 0;
    for (Path part : name) {
      ups += part.toString().equals("..") ? 1 : -1;
      deepest = Math.max(deepest, ups);
    }
    return name.isAbsolute() ? 0 : deepest;
  }

  private void link(String name) throws IOException {
    Path link = runs.resolve(name).normalize();
    if (!Path.of(name).isAbsolute() && !Files.exists(link, LinkOption.NOFOLLOW_LINKS)) {
      Files.createDirectories(link.getParent());
      Files.createSymbolicLink(link, model.runs().resolve(name).normalize());
    }
  }

  /** The working folder. */
  Path runs() {
    return runs;
  }

  @Override
  public FileScan scan(String output) throws IOException {
    FileScan scan = scans.get(output);
    if (scan == null) {
      scan = FileScan.of(runs.resolve(output));
      scans.put(output, scan);
    }
    return scan;
  }

  /** Puts the outputs into the run folder, each as a whole: others see the old file or the new. */
  void publish() throws IOException {
    if (root == null) {
      return;
    }
    Map<WholeFile, Path> files = new LinkedHashMap<>();
    for (String output : answers.outputs()) {
      if (!Path.of(output).isAbsolute()) {
        files.put(WholeFile.of(model.runs().resolve(output).normalize()), runs.resolve(output));
      }
    }
    try (DirectoryStream<Path> left = Files.newDirectoryStream(runs)) {
      for (Path file : left) {
        if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
            && !answers.outputs().contains(file.getFileName().toString())) {
          files.put(WholeFile.of(model.runs().resolve(file.getFileName())), file);
        }
      }
    }
    WholeFile.copies(files);
  }

  /** Removes the local folder. */
  @Override
  public void close() throws IOException {
    if (root != null) {
      remove(root);
    }
  }

  /** Removes a folder with all that is in it, but nothing that its links lead to. */
  static void remove(Path folder) throws IOException {
    Files.walkFileTree(
        folder,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes is) throws IOException {
            Files.delete(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path done, @Nullable IOException e)
              throws IOException {
            Files.delete(done);
            return FileVisitResult.CONTINUE;
          }
        });
  }
}
