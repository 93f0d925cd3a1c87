package cloud.wepp.worker.process;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * Waits for all running processes on one thread, and looks at their memory meanwhile: often at
 * first, once a second later. Waits for each pid by itself, never for any child, because the JDK
 * has children too.
 */
final class Reaper implements Runnable {
  private static final long[] LOOKS_MS = {2, 5, 10, 20, 50, 100, 200, 500, 1000};
  private static final String ONE = "\1\0\0\0\0\0\0\0"; // what an eventfd counts

  private final Queue<Watched> arrived = new ConcurrentLinkedQueue<>();
  private final List<Watched> watched = new ArrayList<>(); // own thread
  private final int wake = Libc.eventfd();
  private volatile boolean closed;

  /** What is known of a process that has ended. */
  record Ended(Libc.Waited waited, Duration wall, long peakRss, ProcFs.Io io) {}

  private static final class Watched {
    final int pid;
    final int pidfd;
    final long started = System.nanoTime();
    final CompletableFuture<Ended> end = new CompletableFuture<>();
    long nextLook = started + LOOKS_MS[0] * 1_000_000;
    int looks;
    long peakRss;

    Watched(int pid) {
      this.pid = pid;
      this.pidfd = Libc.pidfd(pid);
    }
  }

  /** The end of a child that was just started. */
  CompletableFuture<Ended> watch(int pid) {
    Watched process = new Watched(pid);
    arrived.add(process);
    Libc.write(wake, ONE);
    return process.end;
  }

  void close() {
    closed = true;
    Libc.write(wake, ONE);
  }

  @Override
  public void run() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(8, 8);
      MemorySegment set = Libc.pollSet(arena, 64);
      int room = 64;
      while (!closed) {
        for (Watched next = arrived.poll(); next != null; next = arrived.poll()) {
          watched.add(next);
        }
        if (watched.size() + 1 > room) {
          room = 2 * (watched.size() + 1);
          set = Libc.pollSet(arena, room);
        }
        Libc.pollSlot(set, 0, wake);
        for (int i = 0; i < watched.size(); i++) {
          Libc.pollSlot(set, i + 1, watched.get(i).pidfd);
        }
        Libc.poll(set, watched.size() + 1, untilNextLook());
        if (Libc.pollReady(set, 0)) {
          Libc.read(wake, count);
        }
        take(set);
        look();
      }
    }
  }

  private long untilNextLook() {
    if (watched.isEmpty()) {
      return -1;
    }
    long next = watched.stream().mapToLong(process -> process.nextLook).min().orElseThrow();
    return Math.max(0, next - System.nanoTime());
  }

  private void take(MemorySegment set) {
    int slot = 1;
    for (Iterator<Watched> all = watched.iterator(); all.hasNext(); slot++) {
      Watched process = all.next();
      if (Libc.pollReady(set, slot)) {
        all.remove();
        Duration wall = Duration.ofNanos(System.nanoTime() - process.started);
        ProcFs.Io io = ProcFs.io(process.pid);
        Libc.Waited waited = Libc.waitFor(process.pid);
        Libc.close(process.pidfd);
        process.end.complete(new Ended(waited, wall, process.peakRss, io));
      }
    }
  }

  private void look() {
    long now = System.nanoTime();
    for (Watched process : watched) {
      if (process.nextLook <= now) {
        process.peakRss = Math.max(process.peakRss, ProcFs.peakRss(process.pid));
        process.looks = Math.min(process.looks + 1, LOOKS_MS.length - 1);
        process.nextLook = now + LOOKS_MS[process.looks] * 1_000_000;
      }
    }
  }
}
