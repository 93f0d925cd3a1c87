package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Set;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class HillslopesTest {
  private static List<Integer> ids(int count) {
    return IntStream.rangeClosed(1, count).boxed().toList();
  }

  @Test
  void runsAllOfThemSoManyAtOnceAndCountsThem() throws Exception {
    CyclicBarrier three = new CyclicBarrier(3);
    AtomicInteger running = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    Set<Integer> ran = new ConcurrentSkipListSet<>();
    Set<Integer> counts = new ConcurrentSkipListSet<>();
    new Hillslopes(ids(9), 3)
        .run((id, done) -> {
          most.accumulateAndGet(running.incrementAndGet(), Math::max);
          try {
            three.await(30, TimeUnit.SECONDS);
          } catch (BrokenBarrierException | TimeoutException e) {
            throw new IllegalStateException(e);
          }
          running.decrementAndGet();
          ran.add(id);
          counts.add(done.getAsInt());
        });
    assertThat(ran).containsExactlyElementsOf(ids(9));
    assertThat(counts).containsExactlyElementsOf(ids(9));
    assertThat(most.get()).isLessThanOrEqualTo(3);
  }

  @Test
  void theFirstFailureEndsTheOthersAndIsThrown() {
    CountDownLatch otherRuns = new CountDownLatch(1);
    CountDownLatch otherEnded = new CountDownLatch(1);
    Set<Integer> started = new ConcurrentSkipListSet<>();
    assertThatThrownBy(() ->
            new Hillslopes(ids(100), 2)
                .run((id, done) -> {
                  started.add(id);
                  if (id == 2) {
                    otherRuns.await();
                    throw new JobFailed("Exception", "hillslope 2");
                  }
                  otherRuns.countDown();
                  try {
                    new CountDownLatch(1).await();
                  } finally {
                    otherEnded.countDown();
                  }
                }))
        .isInstanceOf(JobFailed.class)
        .hasMessage("hillslope 2");
    assertThat(otherEnded.getCount()).isZero();
    assertThat(started).hasSizeLessThan(10);
  }

  @Test
  void anInterruptEndsAllBeforeItIsThrown() throws Exception {
    CountDownLatch both = new CountDownLatch(2);
    AtomicInteger ended = new AtomicInteger();
    CompletableFuture<Integer> endedWhenThrown = new CompletableFuture<>();
    Thread slot =
        Thread.ofPlatform()
            .start(() -> {
              try {
                new Hillslopes(ids(2), 2)
                    .run((id, done) -> {
                      both.countDown();
                      try {
                        new CountDownLatch(1).await();
                      } finally {
                        ended.incrementAndGet();
                      }
                    });
              } catch (InterruptedException e) {
                endedWhenThrown.complete(ended.get());
              } catch (JobFailed e) {
                endedWhenThrown.completeExceptionally(e);
              }
            });
    both.await();
    slot.interrupt();
    assertThat(endedWhenThrown.get(30, TimeUnit.SECONDS)).isEqualTo(2);
  }
}
