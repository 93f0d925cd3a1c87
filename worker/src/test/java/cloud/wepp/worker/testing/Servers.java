package cloud.wepp.worker.testing;

import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.demo.SampleRuns;
import cloud.wepp.worker.demo.SampleWatershed;
import cloud.wepp.worker.demo.StandIn;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import tools.jackson.databind.json.JsonMapper;

/**
 * Real servers, the stand-in model and sample runs, for suites outside this JVM. Prints one line of
 * JSON that tells where they are, and ends them when its standard input ends.
 */
public final class Servers {
  private Servers() {}

  /** Takes one argument: the folder for the model and the runs. */
  public static void main(String[] args) throws IOException {
    Path folder = Files.createDirectories(Path.of(args[0])).toRealPath();
    Path runs = folder.resolve("runs");
    Path bin = StandIn.install(folder.resolve("bin"));
    SampleWatershed.layOut(runs.resolve("sa/sample"));
    SampleRuns.watershed7(runs.resolve("wa/watershed-7"));
    try (RedisServer redis = RedisServer.start();
        PostgresServer postgres = PostgresServer.start()) {
      System.out.println(
          JsonMapper.builder()
              .build()
              .writeValueAsString(
                  Map.of(
                      "redis_url", redis.url(),
                      "postgres_url", postgres.url(),
                      "wepp_bin", bin.toString(),
                      "runs", runs.toString())));
      System.in.transferTo(OutputStream.nullOutputStream());
    }
  }
}
