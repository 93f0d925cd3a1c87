package cloud.wepp.worker.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The process beside the worker that freezes, thaws and ends what the worker cannot. */
@Timeout(120)
class GuardIT {
  private static final Duration LONG = Duration.ofMinutes(5);
  private static final Duration SHORT = Duration.ofMillis(200);

  @TempDir Path folder;
  private ProcessRunner runner;

  @BeforeEach
  void start() {
    runner = ProcessRunner.start();
  }

  @AfterEach
  void stop() {
    runner.close();
  }

  /** A process of a claim: tells its pid, waits until it may go on, and ends with 7. */
  private final class Model {
    final CompletableFuture<Integer> exit = new CompletableFuture<>();
    final int pid;
    private final Path go;

    Model(String claim) throws Exception {
      Path name = folder.resolve(claim);
      go = fifo(claim);
      Path told = fifo(claim + ".pid");
      ProcessSpec spec =
          spec(claim, "echo $$ >%s.pid; read line <%s; exit 7".formatted(name, name));
      Thread.ofPlatform()
          .start(() -> {
            try {
              exit.complete(runner.run(spec).exit());
            } catch (SpawnFailed | InterruptedException e) {
              exit.completeExceptionally(e);
            }
          });
      pid = Integer.parseInt(Files.readString(told).strip());
    }

    void goOn() throws Exception {
      Files.writeString(go, "go\n");
    }

    int exit() throws Exception {
      return exit.get(30, TimeUnit.SECONDS);
    }
  }

  private ProcessSpec spec(String claim, String script) {
    return new ProcessSpec(
        List.of("/bin/sh", "-c", script),
        folder,
        null,
        folder.resolve(claim + ".out"),
        Map.of(ProcessRunner.CLAIM_VARIABLE, claim),
        null,
        Duration.ofSeconds(1));
  }

  private Path fifo(String name) throws Exception {
    Path fifo = folder.resolve(name);
    assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor()).isZero();
    return fifo;
  }

  private static void awaitFrozen(int pid) {
    awaitState(pid, ProcFs.Stat::stopped);
  }

  private static void awaitRunning(int pid) {
    awaitState(pid, stat -> !stat.stopped());
  }

  private static void awaitState(int pid, Predicate<ProcFs.Stat> wanted) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    ProcFs.Stat stat = ProcFs.stat(pid);
    while (stat != null && !wanted.test(stat) && System.nanoTime() < deadline) {
      LockSupport.parkNanos(5_000_000);
      stat = ProcFs.stat(pid);
    }
    assertThat(stat).as("process " + pid).isNotNull().matches(wanted);
  }

  /** Ends the guard by force, and returns when it has ended. */
  private void killGuard() {
    int pidfd = Libc.pidfd(runner.guardPid());
    Libc.signal(pidfd, Libc.SIGKILL);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment set = Libc.pollSet(arena, 1);
      Libc.pollSlot(set, 0, pidfd);
      Libc.poll(set, 1, TimeUnit.SECONDS.toNanos(30));
      assertThat(Libc.pollReady(set, 0)).as("the guard has ended").isTrue();
    }
    Libc.close(pidfd);
  }

  @Test
  void aThawedClaimIsFrozenAgainAtItsNextEnd() throws Exception {
    runner.leaseUntil("late", LONG);
    Model model = new Model("late");
    runner.leaseUntil("late", SHORT);
    awaitFrozen(model.pid);
    runner.leaseUntil("late", Duration.ofSeconds(2));
    awaitRunning(model.pid);
    awaitFrozen(model.pid);
    runner.leaseUntil("late", LONG);
    model.goOn();
    assertThat(model.exit()).isEqualTo(7);
  }

  @Test
  void otherClaimsRunOn() throws Exception {
    runner.leaseUntil("kept", LONG);
    Model kept = new Model("kept");
    Model late = new Model("late");
    runner.leaseUntil("late", SHORT);
    awaitFrozen(late.pid);
    kept.goOn();
    assertThat(kept.exit()).isEqualTo(7);
    runner.leaseLost("late");
    assertThat(late.exit()).isEqualTo(-9);
  }

  @Test
  void aFrozenClaimThatIsLostIsEnded() throws Exception {
    runner.leaseUntil("lost", LONG);
    Model model = new Model("lost");
    runner.leaseUntil("lost", SHORT);
    awaitFrozen(model.pid);
    runner.leaseLost("lost");
    assertThat(model.exit()).isEqualTo(-9);
  }

  @Test
  void aClaimWithoutALeaseIsNotFrozen() throws Exception {
    Model free = new Model("free");
    runner.leaseUntil("late", LONG);
    Model late = new Model("late");
    runner.leaseUntil("late", SHORT);
    awaitFrozen(late.pid);
    assertThat(ProcFs.stat(free.pid)).isNotNull().matches(stat -> !stat.stopped());
    free.goOn();
    assertThat(free.exit()).isEqualTo(7);
    runner.leaseLost("late");
    assertThat(late.exit()).isEqualTo(-9);
  }

  @Test
  void theNextRunStartsAnotherGuardThatKnowsAllLeases() throws Exception {
    Model before = new Model("before");
    runner.leaseUntil("before", Duration.ofSeconds(2));
    killGuard();
    runner.leaseUntil("after", LONG);
    Model after = new Model("after");
    runner.leaseUntil("after", SHORT);
    awaitFrozen(after.pid);
    awaitFrozen(before.pid);
    runner.leaseUntil("before", LONG);
    runner.leaseUntil("after", LONG);
    before.goOn();
    after.goOn();
    assertThat(before.exit()).isEqualTo(7);
    assertThat(after.exit()).isEqualTo(7);
  }

  @Test
  void theNextConfirmationStartsAnotherGuard() throws Exception {
    runner.leaseUntil("late", LONG);
    Model model = new Model("late");
    killGuard();
    runner.leaseUntil("late", SHORT);
    awaitFrozen(model.pid);
    runner.leaseUntil("late", LONG);
    model.goOn();
    assertThat(model.exit()).isEqualTo(7);
  }
}
