package cloud.wepp.worker.wepp;

import cloud.wepp.worker.process.ProcessEnd;
import cloud.wepp.worker.process.ProcessRunner;
import cloud.wepp.worker.process.ProcessSpec;
import cloud.wepp.worker.process.SpawnFailed;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Whether the executables of a folder start on this machine: each is run without input.
 *
 * @param count of executables
 * @param broken those that do not start, with the reason
 */
public record StartCheck(int count, SortedMap<String, String> broken) {
  /** A model without input ends at once, or waits, and has started then. */
  private static final Duration LONGEST = Duration.ofSeconds(2);

  /** Of shells and the dynamic loader: what was to be run cannot be. */
  private static final int NOT_FOUND = 127;

  /** Runs each; what they write goes with their folder below {@code scratch}. */
  public static StartCheck of(Path folder, Path scratch, ProcessRunner processes)
      throws IOException, InterruptedException {
    List<Path> executables;
    try (Stream<Path> files = Files.list(folder)) {
      executables =
          files
              .filter(file ->
                  Files.isRegularFile(file)
                      && !file.getFileName().toString().contains(".")) // what goes with them
              .sorted()
              .toList();
    }
    SortedMap<String, String> broken = new TreeMap<>();
    for (Path executable : executables) {
      String why = broken(executable, scratch, processes);
      if (why != null) {
        broken.put(executable.getFileName().toString(), why);
      }
    }
    return new StartCheck(executables.size(), broken);
  }

  private static @Nullable String broken(Path executable, Path scratch, ProcessRunner processes)
      throws IOException, InterruptedException {
    if (!Files.isExecutable(executable)) {
      return "it is not executable";
    }
    Path folder = Files.createTempDirectory(scratch, "rq-worker-start");
    try {
      Path said = folder.resolve("said");
      ProcessEnd end =
          processes.run(
              new ProcessSpec(
                  List.of(executable.toString()),
                  folder,
                  null,
                  said,
                  Map.of(),
                  LONGEST,
                  Duration.ZERO));
      return end.exit() == NOT_FOUND
          ? Files.readString(said, StandardCharsets.ISO_8859_1).strip()
          : null;
    } catch (SpawnFailed e) {
      return e.getMessage();
    } finally {
      Stage.remove(folder);
    }
  }
}
