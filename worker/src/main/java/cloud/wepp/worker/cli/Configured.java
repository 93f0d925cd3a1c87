package cloud.wepp.worker.cli;

import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.InvalidConfig;
import cloud.wepp.worker.config.WorkerConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Option;

/** Where the configuration comes from. */
final class Configured {
  private static final Logger LOG = LoggerFactory.getLogger(Configured.class);

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "a YAML file of settings; see `rq-worker settings`")
  private @Nullable Path file;

  @Option(
      names = "--set",
      paramLabel = "KEY=VALUE",
      description = "one setting, for example worker.slots=4; wins over file and environment")
  private List<String> sets = new ArrayList<>();

  @Option(
      names = "--preset",
      paramLabel = "NAME",
      description =
          "settings in place of the defaults: weppcloud-default, weppcloud-batch or"
              + " weppcloud-fork-archive; also RQ_WORKER_PRESET in the environment")
  private @Nullable String preset;

  WorkerConfig read() throws InvalidConfig {
    return warned(readQuietly());
  }

  ConfigReader.Read readQuietly() throws InvalidConfig {
    Map<String, String> environment = Main.environment();
    if (preset != null) {
      environment.put(ConfigReader.PRESET, preset);
    }
    return ConfigReader.read(file, environment, sets);
  }

  static WorkerConfig warned(ConfigReader.Read read) {
    read.warnings().forEach(LOG::warn);
    return read.config();
  }
}
