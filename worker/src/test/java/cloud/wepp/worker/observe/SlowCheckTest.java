package cloud.wepp.worker.observe;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A file system that does not answer makes a worker unready, and nobody waits for it. */
@Timeout(60)
class SlowCheckTest {
  private static final Probes.Found WELL = new Probes.Found(true, "well");

  private volatile Instant now = Instant.EPOCH;
  private final BlockingQueue<String> looks = new LinkedBlockingQueue<>();
  private final SynchronousQueue<Probes.Found> answers = new SynchronousQueue<>();
  private final SlowCheck check =
      new SlowCheck(
          "/wc1",
          new SlowCheck.Pace(Duration.ofMillis(1), Duration.ofSeconds(15)),
          this::answer,
          () -> now);

  private Probes.Found answer() {
    looks.add("look");
    try {
      return answers.take();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private void awaitLook() throws InterruptedException {
    assertThat(looks.poll(30, TimeUnit.SECONDS)).isNotNull();
  }

  @AfterEach
  void end() {
    check.close();
    var _ = answers.offer(WELL);
  }

  @Test
  void tellsTheLastAnswerUntilTheNextIsLate() throws Exception {
    assertThat(check.found()).isEqualTo(new Probes.Found(false, "/wc1 has not answered yet"));
    check.start();
    awaitLook();
    assertThat(check.found().well()).as("before the first answer").isFalse();
    answers.put(WELL);
    awaitLook();
    now = now.plusSeconds(15);
    assertThat(check.found()).isEqualTo(WELL);
    now = now.plusSeconds(1);
    assertThat(check.found()).isEqualTo(new Probes.Found(false, "/wc1 has not answered for 16 s"));
    assertThat(check.unanswered()).isEqualTo(Duration.ofSeconds(16));
    answers.put(new Probes.Found(false, "full"));
    awaitLook();
    assertThat(check.found()).isEqualTo(new Probes.Found(false, "full"));
    assertThat(check.unanswered()).isZero();
  }

  @Test
  void aBugInALookIsAnAnswer() throws Exception {
    CountDownLatch looked = new CountDownLatch(2);
    try (SlowCheck broken =
        new SlowCheck(
            "x",
            new SlowCheck.Pace(Duration.ofMillis(1), Duration.ofSeconds(15)),
            () -> {
              looked.countDown();
              throw new IllegalStateException("a bug");
            },
            () -> now)) {
      broken.start();
      assertThat(looked.await(30, TimeUnit.SECONDS)).isTrue();
      assertThat(broken.found().text()).contains("a bug");
    }
  }
}
