package cloud.wepp.worker.wepp;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/**
 * Which executable made which outputs of which inputs: one record for each run of a model that went
 * well, kept as JSON in {@code .provenance/<stem>.json} below the working folder.
 *
 * @param model for people
 * @param job rq's id of the job
 * @param version the worker's
 * @param at when the outputs were in place
 * @param doubts what the run is doubtful for
 */
record Provenance(
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

  /** The version of this worker that wrote or reads a record. */
  static final String VERSION =
      Objects.requireNonNullElse(Provenance.class.getPackage().getImplementationVersion(), "dev");

  /**
   * A file.
   *
   * @param name as the model is told it
   * @param sha256 in hex; null for the pass files of a routing run, whose own records have it
   */
  record Item(String name, long bytes, @Nullable String sha256) {
    static Item of(String name, FileScan scan) {
      return new Item(name, scan.bytes(), scan.sha256());
    }

    private boolean isStill(Path runs) throws IOException {
      Path file = runs.resolve(name);
      return Files.exists(file)
          && Files.size(file) == bytes
          && FileScan.of(file).sha256().equals(sha256);
    }
  }

  private static Path file(Model model) {
    return model.runs().resolve(FOLDER).resolve(model.stem() + ".json");
  }

  /** All files that the model is known to read. */
  static List<Item> inputs(Model model, Answers answers) throws IOException {
    List<Item> items = new ArrayList<>();
    items.add(Item.of(model.stem() + ".run", FileScan.of(model.answers())));
    for (String name : answers.inputs()) {
      Path file = model.runs().resolve(name);
      items.add(
          model.kind().routing && !name.startsWith(model.stem())
              ? new Item(name, Files.size(file), null)
              : Item.of(name, FileScan.of(file)));
    }
    for (String name : Stage.SIDECARS) {
      Path file = model.runs().resolve(name);
      if (Files.isRegularFile(file)) {
        items.add(Item.of(name, FileScan.of(file)));
      }
    }
    return items;
  }

  /** Keeps the record. */
  void write(Model model) throws IOException {
    Path file = file(model);
    Path fresh = file.resolveSibling("." + file.getFileName() + ".part");
    Files.createDirectories(file.getParent());
    Files.writeString(fresh, JSON.writeValueAsString(this));
    Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  /** What is known of a model's last good run; empty if nothing is. */
  static Optional<Provenance> of(Model model) throws IOException {
    return read(file(model));
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
  static void forget(Model model) throws IOException {
    Files.deleteIfExists(file(model));
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

  /** All records below a run folder's {@code wepp/runs}, by name. */
  static List<Provenance> all(Path runs) throws IOException {
    Path folder = runs.resolve(FOLDER);
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
}
