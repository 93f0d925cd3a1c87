package cloud.wepp.worker.process;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;

/**
 * Runs {@code /bin/true} so many times, so many at a time, with guard and accounting, once for each
 * line of standard input; prints the seconds that each took.
 */
public final class SpawnBench {
  private SpawnBench() {}

  public static void main(String[] args) throws Exception {
    int count = Integer.parseInt(args[0]);
    int parallel = Integer.parseInt(args[1]);
    Path folder = Files.createTempDirectory("spawn-bench");
    try (ProcessRunner runner = ProcessRunner.start();
        var threads = Executors.newFixedThreadPool(parallel);
        BufferedReader lines =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      double warmUp = seconds(runner, threads::invokeAll, folder, count, parallel);
      System.err.printf("warm-up %.3f s%n", warmUp);
      while (lines.readLine() != null) {
        System.out.println(seconds(runner, threads::invokeAll, folder, count, parallel));
        System.out.flush();
      }
    }
  }

  private interface InvokeAll {
    List<java.util.concurrent.Future<Integer>> all(List<Callable<Integer>> tasks)
        throws InterruptedException;
  }

  private static double seconds(
      ProcessRunner runner, InvokeAll threads, Path folder, int count, int parallel)
      throws Exception {
    List<Callable<Integer>> tasks = new ArrayList<>();
    for (int t = 0; t < parallel; t++) {
      Path output = folder.resolve("out" + t);
      int share = count / parallel + (t < count % parallel ? 1 : 0);
      tasks.add(() -> {
        int failed = 0;
        for (int i = 0; i < share; i++) {
          ProcessSpec spec =
              new ProcessSpec(
                  List.of("/bin/true"),
                  folder,
                  null,
                  output,
                  Map.of(ProcessRunner.CLAIM_VARIABLE, "bench"),
                  Duration.ofMinutes(1),
                  Duration.ofSeconds(1));
          failed += runner.run(spec).exit();
        }
        return failed;
      });
    }
    long start = System.nanoTime();
    for (var done : threads.all(tasks)) {
      if (done.get() != 0) {
        throw new IllegalStateException("/bin/true failed");
      }
    }
    return (System.nanoTime() - start) / 1e9;
  }
}
