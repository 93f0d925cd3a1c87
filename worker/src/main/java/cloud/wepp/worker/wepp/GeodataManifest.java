package cloud.wepp.worker.wepp;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The files that a worker needs, such as station files and executables: a line for each, {@code
 * sha256 size path}, sorted by path.
 */
public record GeodataManifest(List<Entry> entries) {
  private static final Pattern LINE = Pattern.compile("([0-9a-f]{64})  (\\d{1,18})  (/.+)");

  /** One file. */
  public record Entry(String sha256, long bytes, Path file) {
    private String line() {
      return "%s  %d  %s\n".formatted(sha256, bytes, file);
    }
  }

  /**
   * Reads all files below some folders, or files themselves. Links are followed; what begins with a
   * dot, as NFS's own files and snapshots do, is left out.
   */
  public static GeodataManifest of(Collection<Path> roots) throws IOException {
    TreeMap<String, Entry> found = new TreeMap<>();
    for (Path root : roots) {
      Path real = root.toAbsolutePath().normalize();
      try (Stream<Path> all = Files.walk(real, FileVisitOption.FOLLOW_LINKS)) {
        for (Path file : all.filter(Files::isRegularFile).toList()) {
          if (!isHidden(real.relativize(file))) {
            found.put(file.toString(), entry(file));
          }
        }
      } catch (UncheckedIOException e) {
        throw e.getCause();
      }
    }
    return new GeodataManifest(List.copyOf(found.values()));
  }

  private static boolean isHidden(Path below) {
    for (Path part : below) {
      if (part.toString().startsWith(".")) {
        return true;
      }
    }
    return false;
  }

  private static Entry entry(Path file) throws IOException {
    if (file.toString().indexOf('\n') >= 0) {
      throw new IOException("a name with a line end cannot stand in a manifest: " + file);
    }
    return new Entry(FileScan.sha256(file), Files.size(file), file);
  }

  /**
   * Reads a manifest.
   *
   * @throws IOException also if a line is not of its form, or there is none
   */
  public static GeodataManifest read(Path file) throws IOException {
    List<Entry> entries = new ArrayList<>();
    List<String> lines = Files.readAllLines(file);
    for (int i = 0; i < lines.size(); i++) {
      Matcher line = LINE.matcher(lines.get(i));
      if (!line.matches()) {
        throw new IOException("line %d of %s is not `sha256  size  /path`".formatted(i + 1, file));
      }
      entries.add(new Entry(line.group(1), Long.parseLong(line.group(2)), Path.of(line.group(3))));
    }
    if (entries.isEmpty()) {
      throw new IOException(file + " is empty");
    }
    return new GeodataManifest(List.copyOf(entries));
  }

  /** Replaces a file as a whole. */
  public void write(Path file) throws IOException {
    WholeFile.of(file).write(text());
  }

  public String text() {
    StringBuilder text = new StringBuilder();
    entries.forEach(entry -> text.append(entry.line()));
    return text.toString();
  }

  /**
   * Compares the files with what is known of them.
   *
   * @param quick by their sizes alone
   * @param wrong told of each that is missing or another one, in words
   * @return how many those are
   */
  public int verify(boolean quick, Consumer<String> wrong) {
    int count = 0;
    for (Entry entry : entries) {
      String found = found(entry, quick);
      if (!found.isEmpty()) {
        count++;
        wrong.accept(entry.file() + " " + found);
      }
    }
    return count;
  }

  /** Empty when all is well. */
  private static String found(Entry entry, boolean quick) {
    try {
      long bytes = Files.size(entry.file());
      if (bytes != entry.bytes()) {
        return "has %d bytes, not %d".formatted(bytes, entry.bytes());
      }
      return quick || FileScan.sha256(entry.file()).equals(entry.sha256())
          ? ""
          : "has another content";
    } catch (NoSuchFileException e) {
      return "is missing";
    } catch (IOException e) {
      return "cannot be read: " + e;
    }
  }
}
