package cloud.wepp.worker.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

class CpuBudgetTest {
  private static final Path HERE = Path.of("/wc1/runs/a");
  private static final Path ELSEWHERE = Path.of("/wc2");

  /** An acquire that would have to wait. */
  private static void assertWaits(CpuBudget cpu, Path folder) {
    Thread.currentThread().interrupt();
    assertThatThrownBy(() -> cpu.acquire(folder)).isInstanceOf(InterruptedException.class);
  }

  @Test
  void whatDoesNotWaitLeavesOneToModels() throws Exception {
    CpuBudget cpu = new CpuBudget(3);
    CpuBudget.Share two = cpu.tryAcquire(9);
    assertThat(two.processors()).isEqualTo(2);
    assertThat(cpu.tryAcquire(1).processors()).isZero();
    cpu.acquire(HERE).close();
    two.close();
    try (CpuBudget.Share _ = cpu.acquire(HERE);
        CpuBudget.Share _ = cpu.acquire(HERE);
        CpuBudget.Share _ = cpu.acquire(HERE)) {
      assertThat(cpu.tryAcquire(1).processors()).isZero();
    }
    assertThat(cpu.tryAcquire(1).processors()).isEqualTo(1);
  }

  @Test
  void aFolderTakesSoManyModelsAndGivesBackWhatAnInterruptLeft() throws Exception {
    CpuBudget cpu = new CpuBudget(4, Map.of(Path.of("/wc1"), 1));
    try (CpuBudget.Share _ = cpu.acquire(HERE);
        CpuBudget.Share _ = cpu.acquire(ELSEWHERE)) {
      assertWaits(cpu, HERE);
      assertWaits(cpu.atMost(2), HERE);
    }
    cpu.acquire(HERE).close();
  }

  @Test
  void aJobHoldsNotMoreThanItsPart() throws Exception {
    CpuBudget cpu = new CpuBudget(2);
    CpuBudget job = cpu.atMost(1);
    try (CpuBudget.Share _ = job.acquire(HERE)) {
      assertWaits(job, HERE);
      cpu.acquire(HERE).close();
    }
    job.acquire(HERE).close();
  }
}
