package cloud.wepp.worker.process;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Small hostile programs as models: each run ends with all that came from it. */
class ProcessRunnerIT {
  private static ProcessRunner runner;
  @TempDir Path folder;

  @BeforeAll
  static void start() {
    runner = ProcessRunner.start();
  }

  @AfterAll
  static void stop() {
    runner.close();
  }

  private ProcessSpec spec(@Nullable Duration timeout, String script) {
    return spec(timeout, Map.of(), script);
  }

  private ProcessSpec spec(
      @Nullable Duration timeout, Map<String, String> environment, String script) {
    return new ProcessSpec(
        List.of("/bin/sh", "-c", script),
        folder,
        null,
        folder.resolve("out"),
        environment,
        timeout,
        Duration.ofSeconds(1));
  }

  private String output() throws IOException {
    return Files.readString(folder.resolve("out"));
  }

  @Test
  void tellsTheExitCode() throws Exception {
    assertThat(runner.run(spec(null, "exit 7")).exit()).isEqualTo(7);
  }

  @Test
  void tellsTheSignalAsANegativeNumber() throws Exception {
    assertThat(runner.run(spec(null, "kill -9 $$")).exit()).isEqualTo(-9);
  }

  @Test
  void readsAFileAndWritesBothStreamsToAnother() throws Exception {
    Path in = Files.writeString(folder.resolve("in"), "answers\n");
    ProcessSpec spec = spec(null, "cat; pwd; echo $COLOUR; echo trouble >&2");
    runner.run(
        new ProcessSpec(
            spec.command(),
            folder,
            in,
            spec.output(),
            Map.of("COLOUR", "red"),
            null,
            spec.grace()));
    assertThat(output()).isEqualTo("answers\n" + folder.toRealPath() + "\nred\ntrouble\n");
  }

  @Test
  void saysWhatCannotBeStarted() {
    assertThatThrownBy(() ->
            runner.run(
                new ProcessSpec(
                    List.of("/no/such/program"),
                    folder,
                    null,
                    folder.resolve("out"),
                    Map.of(),
                    null,
                    Duration.ofSeconds(1))))
        .isInstanceOf(SpawnFailed.class)
        .hasMessage("cannot start /no/such/program: No such file or directory");
  }

  @Test
  void endsAProcessThatIgnoresTermAfterItsTimeout() throws Exception {
    ProcessEnd end =
        runner.run(spec(Duration.ofMillis(300), "trap '' TERM; while :; do sleep 1; done"));
    assertThat(end.timedOut()).isTrue();
    assertThat(end.exit()).isEqualTo(-9);
  }

  @Test
  void endsAChildThatMadeASessionOfItsOwn() throws Exception {
    runner.run(spec(Duration.ofSeconds(20), "setsid sleep 1000 & echo $!"));
    long child = Long.parseLong(output().strip());
    assertThat(ProcessHandle.of(child).filter(ProcessHandle::isAlive)).isEmpty();
  }

  @Test
  void anInterruptEndsEverythingBeforeItIsThrown() throws Exception {
    Path fifo = folder.resolve("ready");
    runner.run(spec(null, "mkfifo ready"));
    CompletableFuture<String> ended = new CompletableFuture<>();
    Thread slot =
        Thread.ofPlatform()
            .start(() -> {
              try {
                runner.run(spec(null, "sleep 1000 & echo $! >ready; wait"));
                ended.complete("ran to its end");
              } catch (InterruptedException e) {
                ended.complete("interrupted");
              } catch (SpawnFailed e) {
                ended.completeExceptionally(e);
              }
            });
    long child = Long.parseLong(Files.readString(fifo).strip());
    slot.interrupt();
    assertThat(ended.get(30, TimeUnit.SECONDS)).isEqualTo("interrupted");
    assertThat(ProcessHandle.of(child).filter(ProcessHandle::isAlive)).isEmpty();
  }

  @Test
  void tellsMemoryAndTime() throws Exception {
    ProcessEnd end = runner.run(spec(null, "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"));
    assertThat(end.peakRssBytes()).isBetween(100_000L, 100_000_000L);
    assertThat(end.user()).isPositive();
    assertThat(end.wall()).isGreaterThanOrEqualTo(end.user().dividedBy(2));
  }

  @Test
  void aLostClaimEndsItsProcesses() throws Exception {
    Map<String, String> environment = Map.of(ProcessRunner.CLAIM_VARIABLE, "lost-claim");
    Path fifo = folder.resolve("ready");
    runner.run(spec(null, "mkfifo ready"));
    CompletableFuture<Integer> exit = new CompletableFuture<>();
    Thread.ofPlatform()
        .start(() -> {
          try {
            exit.complete(
                runner.run(spec(null, environment, "echo up >ready; exec sleep 1000")).exit());
          } catch (SpawnFailed | InterruptedException e) {
            exit.completeExceptionally(e);
          }
        });
    assertThat(Files.readString(fifo)).isEqualTo("up\n");
    runner.leaseLost("lost-claim");
    assertThat(exit.get(30, TimeUnit.SECONDS)).isEqualTo(-9);
  }

  @Test
  void aClaimThatIsNotConfirmedIsFrozenUntilItIs() throws Exception {
    Map<String, String> environment = Map.of(ProcessRunner.CLAIM_VARIABLE, "late-claim");
    Path fifo = folder.resolve("ready");
    runner.run(spec(null, "mkfifo ready"));
    runner.leaseUntil("late-claim", Duration.ofMillis(300));
    CompletableFuture<Integer> exit = new CompletableFuture<>();
    Thread.ofPlatform()
        .start(() -> {
          try {
            exit.complete(
                runner
                    .run(spec(null, environment, "echo $$ >ready; read line <ready; exit 5"))
                    .exit());
          } catch (SpawnFailed | InterruptedException e) {
            exit.completeExceptionally(e);
          }
        });
    int pid = Integer.parseInt(Files.readString(fifo).strip());
    awaitStopped(pid);
    runner.leaseUntil("late-claim", Duration.ofMinutes(1));
    Files.writeString(fifo, "go on\n");
    assertThat(exit.get(30, TimeUnit.SECONDS)).isEqualTo(5);
  }

  /** The kernel tells nobody of a stop but the parent's waitpid, which is the reaper's. */
  private static void awaitStopped(int pid) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    ProcFs.Stat stat = ProcFs.stat(pid);
    while (stat != null && !stat.stopped() && System.nanoTime() < deadline) {
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
      stat = ProcFs.stat(pid);
    }
    assertThat(stat).isNotNull().matches(ProcFs.Stat::stopped);
  }

  @Test
  void aGuardThatWasKilledIsReplaced() throws Exception {
    ProcessHandle guard = guard();
    guard.destroyForcibly();
    guard.onExit().get(30, TimeUnit.SECONDS);
    assertThat(runner.run(spec(null, "exit 0")).exit()).isZero();
    assertThat(runner.run(spec(null, "exit 0")).exit()).isZero();
    assertThat(guard().pid()).isNotEqualTo(guard.pid());
  }

  private static ProcessHandle guard() {
    return ProcessHandle.current()
        .children()
        .filter(child ->
            new String(Libc.readAll("/proc/" + child.pid() + "/cmdline"), UTF_8)
                .contains(Guard.class.getName()))
        .filter(ProcessHandle::isAlive)
        .findFirst()
        .orElseThrow();
  }

  @Test
  void killingTheJvmLeavesNoChild() throws Exception {
    Process jvm =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                Sleepers.class.getName(),
                folder.toString())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    // Watched by pidfd: this JVM adopts the orphans, and as zombies they would look alive.
    List<Integer> sleepers = new ArrayList<>();
    try (BufferedReader pids = jvm.inputReader();
        Arena arena = Arena.ofConfined()) {
      for (int i = 0; i < Sleepers.COUNT; i++) {
        sleepers.add(Libc.pidfd(Integer.parseInt(pids.readLine())));
      }
      assertThat(sleepers).allMatch(fd -> fd >= 0);
      jvm.destroyForcibly();
      MemorySegment set = Libc.pollSet(arena, 1);
      for (int sleeper : sleepers) {
        Libc.pollSlot(set, 0, sleeper);
        Libc.poll(set, 1, TimeUnit.SECONDS.toNanos(30));
        assertThat(Libc.pollReady(set, 0)).as("a child has ended").isTrue();
        Libc.close(sleeper);
      }
    }
  }

  /** A JVM to be killed: prints the pids of the processes it runs. */
  static final class Sleepers {
    static final int COUNT = 3;

    private Sleepers() {}

    public static void main(String[] args) throws Exception {
      Path folder = Path.of(args[0]);
      ProcessRunner runner = ProcessRunner.start();
      for (int i = 0; i < COUNT; i++) {
        Path fifo = folder.resolve("pid" + i);
        new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor();
        String script =
            (i == 0 ? "setsid " : "") + "sh -c 'echo $$ >" + fifo + "; exec sleep 1000'";
        Path out = folder.resolve("sleeper" + i);
        Thread.ofPlatform()
            .start(() -> {
              try {
                runner.run(
                    new ProcessSpec(
                        List.of("/bin/sh", "-c", script),
                        folder,
                        null,
                        out,
                        Map.of(),
                        null,
                        Duration.ofSeconds(1)));
              } catch (SpawnFailed | InterruptedException e) {
                throw new IllegalStateException(e);
              }
            });
        System.out.println(Files.readString(fifo).strip());
      }
    }
  }
}
