package cloud.wepp.worker.wepp;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntSupplier;
import org.slf4j.MDC;

/**
 * All hillslopes of one run, several at once; at the first failure, and when the job is stopped,
 * the others end too.
 *
 * @param atOnce how many run at the same time
 */
record Hillslopes(List<Integer> ids, int atOnce) {

  /** What is done for one hillslope. */
  @FunctionalInterface
  interface One {
    /**
     * Runs one to its good end.
     *
     * @param done counts this one, once it is done, and tells how many are
     */
    void run(int id, IntSupplier done) throws JobFailed, InterruptedException;
  }

  /**
   * Runs them all.
   *
   * @throws JobFailed the first failure, after all others have ended
   * @throws InterruptedException after all have ended
   */
  void run(One one) throws JobFailed, InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException("stopped before the first hillslope");
    }
    AtomicInteger done = new AtomicInteger();
    Map<String, String> job = MDC.getCopyOfContextMap(); // for what is logged
    ExecutorService threads =
        Executors.newFixedThreadPool(atOnce, Thread.ofPlatform().name("hillslope-", 0).factory());
    try {
      ExecutorCompletionService<Void> ended = new ExecutorCompletionService<>(threads);
      List<Future<Void>> all = new ArrayList<>();
      for (int id : ids) {
        all.add(
            ended.submit(() -> {
              MDC.setContextMap(job == null ? Map.of() : job);
              one.run(id, done::incrementAndGet);
              return null;
            }));
      }
      for (int i = 0; i < all.size(); i++) {
        ended.take().get();
      }
    } catch (ExecutionException e) {
      switch (e.getCause()) {
        case JobFailed failed -> throw failed;
        case RuntimeException bug -> throw bug;
        case null, default -> throw new IllegalStateException("a hillslope's thread failed", e);
      }
    } finally {
      end(threads);
    }
  }

  /** Interrupts what runs, and returns when nothing does: an interrupt here only waits its turn. */
  private static void end(ExecutorService threads) {
    threads.shutdownNow();
    boolean interrupted = false;
    while (!threads.isTerminated()) {
      try {
        boolean _ = threads.awaitTermination(1, TimeUnit.HOURS);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
