package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Queue;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Who runs when, and who hears of a failure. */
@Timeout(60)
class HillslopesTest {
  private final Queue<Integer> started = new ConcurrentLinkedQueue<>();
  private final Queue<Integer> ended = new ConcurrentLinkedQueue<>();

  private static List<Integer> upTo(int last) {
    return IntStream.rangeClosed(1, last).boxed().toList();
  }

  /** Runs until it is interrupted. */
  private static void runForEver() throws InterruptedException {
    new CountDownLatch(1).await();
  }

  @Test
  void runsEachOnceAndCountsThoseDone() throws Exception {
    Queue<Integer> counts = new ConcurrentLinkedQueue<>();
    new Hillslopes(upTo(50), 4)
        .run((id, done) -> {
          started.add(id);
          counts.add(done.getAsInt());
        });
    assertThat(started).containsExactlyInAnyOrderElementsOf(upTo(50));
    assertThat(counts).containsExactlyInAnyOrderElementsOf(upTo(50));
  }

  @Test
  void noneAtAllIsDoneAtOnce() throws Exception {
    new Hillslopes(List.of(), 4).run((id, done) -> started.add(id));
    assertThat(started).isEmpty();
  }

  @Test
  void asManyAsAllowedRunAtTheSameTimeAndNeverMore() throws Exception {
    AtomicInteger running = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    CyclicBarrier three = new CyclicBarrier(3); // passes only when three run at the same time
    new Hillslopes(upTo(12), 3)
        .run((id, done) -> {
          most.accumulateAndGet(running.incrementAndGet(), Math::max);
          try {
            three.await(30, TimeUnit.SECONDS);
          } catch (BrokenBarrierException | TimeoutException e) {
            throw new IllegalStateException(e);
          } finally {
            running.decrementAndGet();
          }
        });
    assertThat(most).hasValue(3);
  }

  @Test
  void theFirstFailureInterruptsTheOthersAndIsTheOneThrown() {
    CountDownLatch othersRun = new CountDownLatch(2);
    assertThatThrownBy(() ->
            new Hillslopes(upTo(20), 3)
                .run((id, done) -> {
                  started.add(id);
                  try {
                    if (id == 2) {
                      othersRun.await();
                      throw new JobFailed("Exception", "the first failure");
                    }
                    othersRun.countDown();
                    runForEver();
                  } catch (InterruptedException e) {
                    throw new JobFailed("Exception", "a later failure");
                  } finally {
                    ended.add(id);
                  }
                }))
        .isInstanceOf(JobFailed.class)
        .hasMessage("the first failure");
    assertThat(ended).containsExactlyInAnyOrderElementsOf(started);
    assertThat(started).contains(1, 2, 3).hasSizeLessThan(20);
  }

  @Test
  void aBugIsThrownAsItIs() {
    assertThatThrownBy(() ->
            new Hillslopes(upTo(3), 2)
                .run((id, done) -> {
                  throw new UnsupportedOperationException("a bug");
                }))
        .isInstanceOf(UnsupportedOperationException.class)
        .hasMessage("a bug");
  }

  @Test
  void anInterruptOfTheCallerEndsAllBeforeItIsThrown() throws Exception {
    CountDownLatch bothRun = new CountDownLatch(2);
    CountDownLatch bothInterrupted = new CountDownLatch(2);
    CountDownLatch mayEnd = new CountDownLatch(1);
    CompletableFuture<String> told = new CompletableFuture<>();
    Hillslopes hillslopes = new Hillslopes(upTo(9), 2);
    Thread caller =
        Thread.ofPlatform()
            .start(() -> {
              try {
                hillslopes.run((id, done) -> {
                  started.add(id);
                  try {
                    bothRun.countDown();
                    runForEver();
                  } catch (InterruptedException e) {
                    bothInterrupted.countDown();
                    mayEnd.await();
                    throw e;
                  } finally {
                    ended.add(id);
                  }
                });
                told.complete("ran to its end");
              } catch (InterruptedException e) {
                told.complete("interrupted after %d had ended".formatted(ended.size()));
              } catch (JobFailed e) {
                told.completeExceptionally(e);
              }
            });
    bothRun.await();
    caller.interrupt();
    bothInterrupted.await();
    caller.interrupt(); // impatience does not help
    assertThat(told).isNotDone();
    mayEnd.countDown();
    assertThat(told.get()).isEqualTo("interrupted after 2 had ended");
    assertThat(started).containsExactlyInAnyOrder(1, 2);
  }
}
