package cloud.wepp.worker.cli;

import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.wepp.GeodataManifest;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code rq-worker geodata}: the files that a worker needs, and whether they are there. */
@Command(
    name = "geodata",
    mixinStandardHelpOptions = true,
    description =
        "Lists the files that a worker needs, with sizes and checksums, and tells whether they are"
            + " there and the same.",
    subcommands = {GeodataCommand.Manifest.class, GeodataCommand.Verify.class})
final class GeodataCommand {

  private static Integer failed(IOException e) {
    System.err.println(
        "rq-worker: " + (e instanceof FileSystemException ? e.toString() : e.getMessage()));
    return 1;
  }

  @Command(
      name = "manifest",
      mixinStandardHelpOptions = true,
      description = "Writes a manifest: a line `sha256  size  path` for each file, sorted by path.")
  static final class Manifest implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();

    @Option(
        names = {"-o", "--output"},
        paramLabel = "FILE",
        description = "replaced as a whole; default: standard output")
    private @Nullable Path output;

    @Parameters(
        paramLabel = "PATH",
        description =
            "files, and folders with all in them but what begins with a dot; default: the"
                + " executables, wepp.bin-dir and cligen.bin-dir")
    private List<Path> paths = new ArrayList<>();

    @Override
    public Integer call() throws Exception {
      WorkerConfig config = configured.read();
      List<Path> roots =
          paths.isEmpty() ? List.of(config.wepp().binDir(), config.cligen().binDir()) : paths;
      try {
        GeodataManifest made = GeodataManifest.of(roots);
        if (output == null) {
          System.out.print(made.text());
        } else {
          made.write(output.toAbsolutePath());
          System.out.printf("%s: %d files%n", output, made.entries().size());
        }
        return 0;
      } catch (IOException e) {
        return failed(e);
      }
    }
  }

  @Command(
      name = "verify",
      mixinStandardHelpOptions = true,
      description = "Prints each file that is missing, or not what the manifest says; exit 1 then.")
  static final class Verify implements Callable<Integer> {
    @Mixin private final Configured configured = new Configured();

    @Option(names = "--quick", description = "look at sizes only")
    private boolean quick;

    @Parameters(
        arity = "0..1",
        paramLabel = "FILE",
        description = "the manifest; default: geodata.manifest")
    private @Nullable Path file;

    @Override
    public Integer call() throws Exception {
      Path manifest = file == null ? configured.read().geodata().manifest().orElse(null) : file;
      if (manifest == null) {
        System.err.println("rq-worker: name a manifest, or set geodata.manifest.");
        return 2;
      }
      try {
        GeodataManifest known = GeodataManifest.read(manifest);
        int wrong = known.verify(quick, System.out::println);
        System.out.printf("%d of %d files are wrong.%n", wrong, known.entries().size());
        return wrong == 0 ? 0 : 1;
      } catch (IOException e) {
        return failed(e);
      }
    }
  }
}
