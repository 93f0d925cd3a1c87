package cloud.wepp.worker.process;

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
import java.util.function.BooleanSupplier;
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
    assertThat(end.usage().peakRssBytes()).isBetween(100_000L, 100_000_000L);
    assertThat(end.usage().user()).isPositive();
    assertThat(end.wall()).isGreaterThanOrEqualTo(end.usage().user().dividedBy(2));
  }

  /** A run on a thread of its own. */
  private static CompletableFuture<ProcessEnd> started(ProcessSpec spec) {
    CompletableFuture<ProcessEnd> end = new CompletableFuture<>();
    Thread.ofPlatform()
        .start(() -> {
          try {
            end.complete(runner.run(spec));
          } catch (SpawnFailed | InterruptedException e) {
            end.completeExceptionally(e);
          }
        });
    return end;
  }

  private static Map<String, String> claim(String id) {
    return Map.of(ProcessRunner.CLAIM_VARIABLE, id);
  }

  /** For what /proc alone tells, and tells nobody by itself. */
  private static void await(String what, BooleanSupplier seen) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (!seen.getAsBoolean()) {
      assertThat(System.nanoTime()).as("waited in vain: %s", what).isLessThan(deadline);
      LockSupport.parkNanos(5_000_000);
    }
  }

  private static boolean frozen(int pid) {
    ProcFs.Stat stat = ProcFs.stat(pid);
    return stat != null && stat.stopped();
  }

  @Test
  void aLostClaimEndsItsProcesses() throws Exception {
    Path fifo = folder.resolve("ready");
    runner.run(spec(null, "mkfifo ready"));
    CompletableFuture<ProcessEnd> end =
        started(spec(null, claim("lost-claim"), "echo up >ready; exec sleep 1000"));
    assertThat(Files.readString(fifo)).isEqualTo("up\n");
    runner.leaseLost("lost-claim");
    assertThat(end.get(30, TimeUnit.SECONDS).exit()).isEqualTo(-9);
  }

  @Test
  void aClaimThatIsLostWhileItsProcessIsStartedEndsItToo() throws Exception {
    runner.leaseLost("early-loss");
    CompletableFuture<ProcessEnd> end = started(spec(null, claim("early-loss"), "sleep 1000"));
    assertThat(end.get(30, TimeUnit.SECONDS).exit()).isEqualTo(-9);
    runner.leaseEnded("early-loss");
  }

  @Test
  void aClaimThatIsNotConfirmedInTimeIsFrozenUntilItIs() throws Exception {
    runner.run(spec(null, "mkfifo ready go"));
    runner.leaseUntil("late-claim", Duration.ofMinutes(1));
    CompletableFuture<ProcessEnd> end =
        started(
            spec(
                null,
                claim("late-claim"),
                "setsid sleep 1000 & echo $$ $! >ready; read line <go; echo $line"));
    String[] pids = Files.readString(folder.resolve("ready")).strip().split(" ", 2);
    int model = Integer.parseInt(pids[0]);
    int child = Integer.parseInt(pids[1]);
    runner.leaseUntil("late-claim", Duration.ZERO);
    await("both are frozen", () -> frozen(model) && frozen(child));
    assertThat(end).isNotDone();

    runner.leaseUntil("late-claim", Duration.ofMinutes(1));
    await("both go on", () -> !frozen(model) && !frozen(child));
    Files.writeString(folder.resolve("go"), "on\n");
    assertThat(end.get(30, TimeUnit.SECONDS).exit()).isZero();
    assertThat(output()).isEqualTo("on\n");
    runner.leaseEnded("late-claim");
  }

  /** Returns when it has ended. */
  private static int killGuard() {
    int pid = runner.guardPid();
    int fd = Libc.pidfd(pid);
    try (Arena arena = Arena.ofConfined()) {
      Libc.signal(fd, Libc.SIGKILL);
      MemorySegment set = Libc.pollSet(arena, 1);
      Libc.pollSlot(set, 0, fd);
      Libc.poll(set, 1, TimeUnit.SECONDS.toNanos(30));
      assertThat(Libc.pollReady(set, 0)).as("the guard has ended").isTrue();
    } finally {
      Libc.close(fd);
    }
    return pid;
  }

  @Test
  void aKilledGuardIsReplacedAtTheNextRunAndStillEndsTheSessions() throws Exception {
    runner.run(spec(null, "mkfifo ready"));
    CompletableFuture<ProcessEnd> end =
        started(spec(null, claim("guarded-claim"), "echo up >ready; exec sleep 1000"));
    assertThat(Files.readString(folder.resolve("ready"))).isEqualTo("up\n");
    int killed = killGuard();
    runner.run(spec(null, "sleep 0.2")); // long enough for the guard to be told
    assertThat(runner.guardPid()).isNotEqualTo(killed);
    runner.leaseLost("guarded-claim");
    assertThat(end.get(30, TimeUnit.SECONDS).exit()).isEqualTo(-9);
  }

  @Test
  void aClaimThatIsLostWhileNoGuardLivesIsEndedByTheNextOne() throws Exception {
    runner.run(spec(null, "mkfifo ready"));
    CompletableFuture<ProcessEnd> end =
        started(spec(null, claim("unguarded-claim"), "echo up >ready; exec sleep 1000"));
    assertThat(Files.readString(folder.resolve("ready"))).isEqualTo("up\n");
    killGuard();
    runner.leaseLost("unguarded-claim");
    assertThat(end.get(30, TimeUnit.SECONDS).exit()).isEqualTo(-9);
  }

  @Test
  void whatAKilledGuardFrozeIsThawedByTheNextOne() throws Exception {
    runner.run(spec(null, "mkfifo ready go"));
    runner.leaseUntil("frozen-claim", Duration.ofMinutes(1));
    CompletableFuture<ProcessEnd> end =
        started(spec(null, claim("frozen-claim"), "echo $$ >ready; read line <go"));
    int model = Integer.parseInt(Files.readString(folder.resolve("ready")).strip());
    runner.leaseUntil("frozen-claim", Duration.ZERO);
    await("the model is frozen", () -> frozen(model));
    killGuard();
    runner.leaseUntil("frozen-claim", Duration.ofMinutes(1));
    await("the model goes on", () -> !frozen(model));
    Files.writeString(folder.resolve("go"), "on\n");
    assertThat(end.get(30, TimeUnit.SECONDS).exit()).isZero();
    runner.leaseEnded("frozen-claim");
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
