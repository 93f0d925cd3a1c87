package cloud.wepp.worker;

import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.observe.Metrics;
import cloud.wepp.worker.observe.Mount;
import cloud.wepp.worker.observe.Probes;
import cloud.wepp.worker.observe.SlowCheck;
import cloud.wepp.worker.wepp.GeodataManifest;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Whether the folders and files that jobs need are there and answer; a worker is ready then. */
public final class StorageChecks implements AutoCloseable {
  /** Those of WEPPcloud, where they are there. */
  private static final List<String> USUAL = List.of("/wc1:rw", "/geodata:ro");

  /** So long the files of a manifest may be looked at: thousands of them, over a network. */
  private static final Duration LONGEST_QUICK_CHECK = Duration.ofMinutes(5);

  private static final Duration AGAIN = Duration.ofMinutes(1); // after some were wrong
  private static final int MOST_NAMED = 3;

  private final List<Mount> mounts;
  private final Optional<Path> manifest;
  private final @Nullable SlowCheck geodata;
  private volatile double wrong = Double.NaN; // entries of the manifest

  public StorageChecks(WorkerConfig config, InstantSource clock) {
    WorkerConfig.Mounts wanted = config.mounts();
    boolean usual = wanted.folders().isEmpty();
    mounts =
        wanted.folders().orElse(USUAL).stream()
            .filter(folder -> !folder.equals("off"))
            .map(folder -> mount(folder, usual, config, clock))
            .toList();
    manifest = config.geodata().manifest();
    geodata =
        manifest
            .map(file ->
                new SlowCheck(
                    "geodata",
                    new SlowCheck.Pace(AGAIN, LONGEST_QUICK_CHECK),
                    () -> look(file),
                    clock))
            .orElse(null);
  }

  private static Mount mount(
      String folder, boolean optional, WorkerConfig config, InstantSource clock) {
    WorkerConfig.Mounts wanted = config.mounts();
    int colon = folder.indexOf(':');
    Path path = Path.of(colon < 0 ? folder : folder.substring(0, colon)).normalize();
    return new Mount(
        new Mount.Wanted(
            path,
            folder.endsWith(":rw"),
            optional,
            wanted.owner(),
            folder.endsWith(":rw") ? (long) wanted.minFree() << 20 : 0),
        Connections.name(config),
        new SlowCheck.Pace(wanted.every(), wanted.longest()),
        clock);
  }

  /** By sizes; once all is well it stays so: what is on a mount that fails is told by the mount. */
  private Probes.Found look(Path manifest) {
    if (wrong == 0) {
      return new Probes.Found(true, "as " + manifest + " says");
    }
    List<String> named = new ArrayList<>();
    try {
      GeodataManifest known = GeodataManifest.read(manifest);
      int count =
          known.verify(
              true,
              what -> {
                if (named.size() < MOST_NAMED) {
                  named.add(what);
                }
              });
      wrong = count;
      return count == 0
          ? look(manifest)
          : new Probes.Found(
              false,
              "%d of %d files of %s are wrong: %s%s"
                  .formatted(
                      count,
                      known.entries().size(),
                      manifest,
                      String.join(", ", named),
                      count > named.size() ? ", …" : ""));
    } catch (IOException e) {
      return new Probes.Found(false, "the manifest cannot be read: " + e);
    }
  }

  /** What a ready worker needs. */
  List<Probes.Check> checks() {
    return Stream.concat(
            mounts.stream().map(Mount::check), Stream.ofNullable(geodata).map(SlowCheck::check))
        .toList();
  }

  /** The same, but each looks when it is asked, however long that takes. */
  public List<Probes.Check> looks() {
    Stream<Probes.Check> folders =
        mounts.stream().map(mount -> new Probes.Check(mount.folder().toString(), mount::look));
    Stream<Probes.Check> files =
        manifest.stream().map(file -> new Probes.Check("geodata", () -> look(file)));
    return Stream.concat(folders, files).toList();
  }

  void start(Metrics metrics) {
    mounts.forEach(metrics::watch);
    mounts.forEach(Mount::start);
    if (geodata != null) {
      metrics.watchGeodata(() -> wrong);
      geodata.start();
    }
  }

  @Override
  public void close() {
    mounts.forEach(Mount::close);
    if (geodata != null) {
      geodata.close();
    }
  }
}
