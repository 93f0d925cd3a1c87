package cloud.wepp.worker.wepp;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/**
 * Which executable made which outputs of which inputs: one record for each run of a model that went
 * well, kept as JSON in {@code .provenance/<stem>.json} below the working folder. The inputs are
 * those that were there before it began.
 *
 * @param model for people
 * @param job rq's id of the job
 * @param version the worker's
 * @param at when the outputs were in place
 * @param doubts what the run is doubtful for
 */
public record Provenance(
    String model,
    String job,
    String version,
    Instant at,
    double seconds,
    Item executable,
    List<Item> inputs,
    List<Item> outputs,
    List<String> doubts) {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final String FOLDER = ".provenance";

  /**
   * A file.
   *
   * @param name as the model is told it
   * @param sha256 in hex; null for the pass files of a routing run, whose own records have it
   */
  public record Item(String name, long bytes, @Nullable String sha256) {
    static Item of(String name, FileScan scan) {
      return new Item(name, scan.bytes(), scan.sha256());
    }

    static Item of(String name, Path file) throws IOException {
      return new Item(name, Files.size(file), FileScan.sha256(file));
    }

    private boolean isStill(Path runs) throws IOException {
      Path file = runs.resolve(name);
      return Files.exists(file)
          && Files.size(file) == bytes
          && (sha256 == null || FileScan.sha256(file).equals(sha256));
    }
  }

  private static Path file(Path folder, String stem) {
    return folder.resolve(FOLDER).resolve(stem + ".json");
  }

  /** Files of a working folder. */
  static List<Item> items(Path folder, List<String> names) throws IOException {
    List<Item> items = new ArrayList<>();
    for (String name : names) {
      items.add(Item.of(name, folder.resolve(name)));
    }
    return items;
  }

  /** All files that the model is known to read. */
  static List<Item> inputs(Model model, Answers answers) throws IOException {
    List<Item> items = new ArrayList<>();
    items.add(Item.of(model.stem() + ".run", model.answers()));
    for (String name : answers.inputs()) {
      Path file = model.runs().resolve(name);
      items.add(
          model.kind().routing && !name.startsWith(model.stem())
              ? new Item(name, Files.size(file), null)
              : Item.of(name, file));
    }
    for (String name : Stage.SIDECARS) {
      Path file = model.runs().resolve(name);
      if (Files.isRegularFile(file)) {
        items.add(Item.of(name, file));
      }
    }
    return items;
  }

  /** Keeps the record. */
  void write(Path folder, String stem) throws IOException {
    Path file = file(folder, stem);
    Files.createDirectories(file.getParent());
    WholeFile.of(file).write(JSON.writeValueAsString(this));
  }

  /** What is known of a model's last good run; empty if nothing is. */
  static Optional<Provenance> of(Path folder, String stem) throws IOException {
    return read(file(folder, stem));
  }

  private static Optional<Provenance> read(Path file) throws IOException {
    try {
      return Optional.of(JSON.readValue(Files.readString(file), Provenance.class));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (JacksonException e) {
      throw new IOException("%s is no record of a run: %s".formatted(file, e.getMessage()), e);
    }
  }

  /** Removes the record of an earlier run, before its outputs are. */
  static void forget(Path folder, String stem) throws IOException {
    Files.deleteIfExists(file(folder, stem));
  }

  /** Whether this job has run the model, and neither inputs nor outputs have changed since. */
  boolean isStill(Model model, Answers answers, String thisJob, String executableSha256)
      throws IOException {
    if (!job.equals(thisJob)
        || !executableSha256.equals(executable.sha256)
        || !inputs.equals(inputs(model, answers))) {
      return false;
    }
    for (Item output : outputs) {
      if (!output.isStill(model.runs())) {
        return false;
      }
    }
    return true;
  }

  /** All records of a working folder, by name. */
  static List<Provenance> all(Path working) throws IOException {
    Path folder = working.resolve(FOLDER);
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    List<Provenance> all = new ArrayList<>();
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "[!.]*.json")) {
      for (Path file : files) {
        read(file).ifPresent(all::add);
      }
    }
    all.sort(
        Comparator.comparingInt((Provenance one) -> one.model.length())
            .thenComparing(Provenance::model));
    return all;
  }

  /**
   * Prints what is known of a run.
   *
   * @param json everything, instead of a line for each model
   * @param check whether the files are compared with what is known of them
   * @return whether nothing was found that has changed
   * @throws IOException if there is no such run, or a record cannot be read
   */
  public static boolean print(
      RunFolders folders, String run, boolean json, boolean check, PrintStream out)
      throws IOException {
    Path folder;
    try {
      folder = folders.find(run);
    } catch (JobFailed e) {
      throw new NoSuchFileException(String.valueOf(e.getMessage()));
    }
    Map<Path, List<Provenance>> known = new LinkedHashMap<>();
    for (Path working : List.of(folder.resolve("climate"), new RunFolder(folder).runs())) {
      known.put(working, all(working));
    }
    List<Provenance> all = known.values().stream().flatMap(List::stream).toList();
    if (json) {
      out.println(JSON.writerWithDefaultPrettyPrinter().writeValueAsString(all));
    } else if (all.isEmpty()) {
      out.printf("Nothing is known of %s: no model has ended well in %s.%n", run, folder);
    } else {
      out.printf(
          "%-28s  %-20s  %8s  %-12s  %-12s  %s%n",
          "model", "ended well", "seconds", "executable", "worker", "doubts");
      all.forEach(one -> one.print(out));
    }
    return !check || isSame(known, out);
  }

  private static boolean isSame(Map<Path, List<Provenance>> known, PrintStream out)
      throws IOException {
    boolean same = true;
    for (Map.Entry<Path, List<Provenance>> working : known.entrySet()) {
      for (Provenance one : working.getValue()) {
        for (String changed : one.changed(working.getKey())) {
          same = false;
          out.printf("%s: %s has changed since%n", one.model, changed);
        }
      }
    }
    return same;
  }

  private void print(PrintStream out) {
    out.printf(
        Locale.ROOT,
        "%-28s  %-20s  %8.1f  %-12.12s  %-12s  %s%n",
        model,
        at.truncatedTo(ChronoUnit.SECONDS),
        seconds,
        executable.sha256,
        version,
        doubts.isEmpty() ? "none" : String.join("; ", doubts));
  }

  private List<String> changed(Path runs) throws IOException {
    List<String> changed = new ArrayList<>();
    for (Item item : Stream.concat(inputs.stream(), outputs.stream()).toList()) {
      if (!item.isStill(runs)) {
        changed.add(item.name);
      }
    }
    if (!executable.isStill(runs)) {
      changed.add(executable.name);
    }
    return changed;
  }
}
