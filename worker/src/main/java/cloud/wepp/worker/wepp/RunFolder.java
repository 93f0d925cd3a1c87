package cloud.wepp.worker.wepp;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The files of one WEPPcloud run that this worker reads and writes beside the model's own. */
record RunFolder(Path folder) {
  private static final Logger LOG = LoggerFactory.getLogger(RunFolder.class);
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final DateTimeFormatter LOG_TIME =
      DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm:ss,SSS", Locale.ROOT).withZone(ZoneOffset.UTC);

  /** The key of the run's RedisPrep hash. */
  String prepKey() {
    return String.valueOf(folder.getFileName());
  }

  /** Old runs may lie on a mount that is read-only by now. */
  void checkWritable() throws JobFailed {
    if (!Files.isWritable(folder)) {
      throw new JobFailed(
          "PermissionError",
          ("the run folder %s cannot be written, so nothing was run. If it is one of the older runs"
                  + " on a read-only mount, copy it to the folder of the newer runs.")
              .formatted(folder));
    }
  }

  /** Where WEPP runs. */
  Path runs() {
    return folder.resolve("wepp/runs");
  }

  /**
   * Where CLIGEN runs.
   *
   * @throws JobFailed if it does not exist, or is elsewhere by a link
   */
  Path climate() throws JobFailed {
    Path climate = folder.resolve("climate");
    try {
      if (!climate.toRealPath().startsWith(folder.toRealPath())) {
        throw new JobFailed("ValueError", climate + " is a link out of the run; nothing was run");
      }
      return climate;
    } catch (IOException e) {
      throw new JobFailed("FileNotFoundError", "there is no folder " + climate);
    }
  }

  /** The numbers of all hillslopes that have a {@code p<number>.run}, in order. */
  List<Integer> hillslopes() throws JobFailed {
    try (Stream<Path> files = Files.list(runs())) {
      return files
          .map(file -> String.valueOf(file.getFileName()))
          .filter(name -> name.matches("p\\d{1,7}\\.run"))
          .map(name -> Integer.valueOf(name.substring(1, name.length() - 4)))
          .sorted(Comparator.naturalOrder())
          .toList();
    } catch (IOException e) {
      throw new JobFailed(
          "FileNotFoundError", "the folder %s cannot be read: %s".formatted(runs(), e));
    }
  }

  /** What WEPPcloud has chosen for a run: {@code wepp.nodb}, which is only read here. */
  record Choices(Optional<String> weppBin, boolean multiOfe) {}

  /** The choices of the run; none when it has no {@code wepp.nodb}. */
  Choices choices() throws JobFailed {
    Path file = folder.resolve("wepp.nodb");
    if (!Files.exists(file)) {
      return new Choices(Optional.empty(), false);
    }
    try {
      JsonNode root = JSON.readTree(Files.readString(file));
      JsonNode state = root.path("py/state").isObject() ? root.path("py/state") : root;
      String bin = state.path("_wepp_bin").asString("");
      return new Choices(
          bin.isEmpty() ? Optional.empty() : Optional.of(bin),
          state.path("_multi_ofe").asBoolean(false));
    } catch (IOException e) {
      throw new JobFailed("OSError", "%s cannot be read: %s".formatted(file, e));
    } catch (JacksonException e) {
      throw new JobFailed(
          "ValueError", "%s is not JSON: %s".formatted(file, e.getOriginalMessage()));
    }
  }

  /** Adds a line to {@code rq.log}, which WEPPcloud shows to the user. */
  void log(Instant at, String text) {
    append("rq.log", "%s INFO %s\n".formatted(LOG_TIME.format(at), text));
  }

  /** Adds a failure to {@code exceptions.log}. */
  void logException(Instant at, String function, String traceback) {
    String time = DateTimeFormatter.ISO_INSTANT.format(at);
    append("exceptions.log", "[%s] %s failed\n%s\n".formatted(time, function, traceback));
  }

  private void append(String name, String text) {
    Path file = folder.resolve(name);
    try {
      Files.writeString(file, text, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      LOG.warn("{} cannot be written: {}", file, e.toString());
    }
  }

  /** Replaces {@code redisprep.dump} as a whole: a reader sees the old or the new one. */
  void dumpPrep(Map<String, String> hash) {
    Path file = folder.resolve("redisprep.dump");
    try {
      WholeFile.amongOthers(file).write(JSON.writeValueAsString(hash));
    } catch (IOException e) {
      LOG.warn("{} cannot be written: {}", file, e.toString());
    }
  }
}
