package cloud.wepp.worker.process;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import cloud.wepp.worker.process.ProcessEnd.Cause;
import cloud.wepp.worker.testing.Processes;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Programs that misbehave: each ends, for the reason that is told, and nothing of it is left. */
class HostileProcessIT {
  private static final long MB = 1_000_000;

  @RegisterExtension static final Processes PROCESSES = new Processes();
  @TempDir Path folder;
  private final String claim = "hostile-" + UUID.randomUUID();

  @AfterEach
  void nothingIsLeft() {
    assertThat(ProcFs.all())
        .filteredOn(stat -> ProcFs.hasVariable(stat.id().pid(), variable()))
        .isEmpty();
  }

  private String variable() {
    return ProcessRunner.CLAIM_VARIABLE + "=" + claim;
  }

  private ProcessEnd run(Duration timeout, Limits limits, String script) throws Exception {
    return PROCESSES
        .runner()
        .run(
            new ProcessSpec(
                List.of("/bin/sh", "-c", script),
                folder,
                null,
                folder.resolve("out"),
                Map.of(ProcessRunner.CLAIM_VARIABLE, claim),
                timeout,
                Duration.ofMillis(300),
                limits));
  }

  private ProcessEnd run(Duration timeout, String script) throws Exception {
    return run(timeout, Limits.NONE, script);
  }

  private ProcessEnd run(String script) throws Exception {
    return run(Duration.ofMinutes(1), script);
  }

  private static Limits limits(long memoryBytes, long cpuSeconds, long openFiles, long fileBytes) {
    return new Limits(memoryBytes, cpuSeconds, openFiles, fileBytes, Limits.Growth.NONE);
  }

  @Test
  void oneThatNeverEnds() throws Exception {
    ProcessEnd end = run(Duration.ofMillis(200), "while :; do :; done");
    assertThat(end.cause()).isEqualTo(Cause.TIMED_OUT);
    assertThat(end.words()).matches("was ended by signal 15 after .* s;.*; its time was over");
  }

  @Test
  void oneThatIgnoresTerm() throws Exception {
    ProcessEnd end = run(Duration.ofMillis(200), "trap '' TERM; while :; do sleep 1; done");
    assertThat(end.cause()).isEqualTo(Cause.TIMED_OUT);
    assertThat(end.exit()).isEqualTo(-9);
  }

  @Test
  void oneThatForksAndForgets() throws Exception {
    ProcessEnd end = run("(sleep 1000 & sleep 1000 &) ; exit 3");
    assertThat(end.cause()).isEqualTo(Cause.EXITED);
    assertThat(end.exit()).isEqualTo(3);
  }

  @Test
  void oneWhoseGrandchildMakesASessionAndForks() throws Exception {
    assertThat(run("(setsid sh -c 'sleep 1000 & exec sleep 1000' &)").exit()).isZero();
  }

  @Test
  void oneThatDiesByASignal() throws Exception {
    ProcessEnd end = run("kill -SEGV $$");
    assertThat(end.cause()).isEqualTo(Cause.SIGNAL);
    assertThat(end.words()).startsWith("was ended by signal 11 after 0.");
  }

  @Test
  void oneThatIsStopped() throws Exception {
    assertThat(run(Duration.ofMillis(200), "kill -STOP $$").cause()).isEqualTo(Cause.TIMED_OUT);
  }

  @Test
  void oneThatLeavesItsOutputLocked() throws Exception {
    run("(exec 9>lock; flock 9; touch held; exec sleep 1000) & until [ -e held ]; do :; done");
    assertThat(run("flock -n lock true").exit()).as("the lock is free").isZero();
  }

  @Test
  void oneThatAllocatesMoreThanItMay() throws Exception {
    // tail keeps what has no line end: it is a child, and what counts is the session
    ProcessEnd end =
        run(
            Duration.ofMinutes(1),
            limits(60 * MB, 0, 0, 0),
            "(head -c 150000000 /dev/zero; sleep 1000) | tail & wait");
    assertThat(end.cause()).isEqualTo(Cause.MEMORY);
    assertThat(end.exit()).isEqualTo(-9);
    assertThat(end.usage().peakRssBytes()).isBetween(60 * MB, 400 * MB);
    assertThat(end.words()).matches(".* by signal 9 .*; peak memory .* MB; its limit was 60 MB");
  }

  @Test
  void oneThatTakesMoreProcessorTimeThanItMay() throws Exception {
    ProcessEnd end =
        run(Duration.ofMinutes(1), limits(0, 1, 0, 0), "exec sh -c 'while :; do :; done'");
    assertThat(end.cause()).isEqualTo(Cause.CPU_TIME);
    assertThat(end.words()).endsWith("; its limit was 1 s of processor time");
    assertThat(end.usage().preemptions() + end.usage().waits()).isPositive();
  }

  @Test
  void oneThatWritesMoreThanItMay() throws Exception {
    ProcessEnd end =
        run(
            Duration.ofMinutes(1),
            limits(0, 0, 0, MB),
            "sleep 0.1; exec head -c 9000000 /dev/zero");
    assertThat(end.cause()).isEqualTo(Cause.FILE_SIZE);
    assertThat(folder.resolve("out").toFile().length()).isEqualTo(MB);
  }

  @Test
  void oneThatOpensMoreThanItMay() throws Exception {
    run(Duration.ofMinutes(1), limits(0, 0, 7, 0), "sleep 0.1; ulimit -n");
    assertThat(Files.readString(folder.resolve("out"))).isEqualTo("7\n");
  }

  @Test
  void anInterruptTellsWhatWasUsed() {
    Thread.currentThread().interrupt();
    assertThatThrownBy(() -> run("sleep 1000"))
        .isInstanceOfSatisfying(
            ProcessStopped.class,
            stopped -> assertThat(stopped.end().cause()).isEqualTo(Cause.STOPPED));
  }

  @Test
  void oneThatFloodsItsOutputFillsNoHeap() throws Exception {
    Process jvm =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx24m",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                Flood.class.getName(),
                folder.toString())
            .redirectErrorStream(true)
            .start();
    assertThat(new String(jvm.getInputStream().readAllBytes(), UTF_8))
        .endsWith("told 1000000000\n");
    assertThat(jvm.waitFor()).isZero();
  }

  /** Runs a flood, tells its lines, and prints of how many characters they were. */
  static final class Flood {
    private Flood() {}

    public static void main(String[] args) throws Exception {
      Path folder = Path.of(args[0]);
      Path out = Files.createFile(folder.resolve("flood"));
      AtomicLong told = new AtomicLong();
      try (ProcessRunner processes = ProcessRunner.start();
          LineTail tail = new LineTail(out, line -> told.addAndGet(line.length()))) {
        processes.run(
            new ProcessSpec(
                List.of("/bin/sh", "-c", "head -c 1000000000 /dev/zero | tr '\\0' x"),
                folder,
                null,
                out,
                Map.of(),
                null,
                Duration.ofSeconds(1)),
            Duration.ofMillis(250),
            tail::look);
      }
      System.out.println("told " + told);
    }
  }
}
