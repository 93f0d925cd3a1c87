package cloud.wepp.worker.process;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A process of its own beside the worker, which can act when the worker cannot. It is told of every
 * session through its standard input. At the end of a claim's lease it freezes the claim's
 * processes, and thaws them when the lease is confirmed; when the claim is lost, or the worker is
 * gone, it ends them.
 *
 * <p>Lines: {@code session PID CLAIM}, {@code inherited PID CLAIM} for a session that an earlier
 * guard may have frozen, {@code ended PID CLAIM}, {@code lease CLAIM MILLIS}, {@code lost CLAIM}.
 */
public final class Guard {
  private final String boot;
  private final Map<String, Held> claims = new HashMap<>();

  private static final class Held {
    final Set<Integer> sessions = new HashSet<>();
    long freezeAt = Long.MAX_VALUE;
    boolean frozen;
  }

  private Guard(String boot) {
    this.boot = boot;
  }

  /**
   * Takes one argument: the worker's boot id, which every process of its jobs has in its
   * environment.
   */
  public static void main(String[] args) {
    new Guard(args[0]).run();
  }

  private void run() {
    StringBuilder text = new StringBuilder();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(65536);
      MemorySegment set = Libc.pollSet(arena, 1);
      while (true) {
        Libc.pollSlot(set, 0, 0);
        Libc.poll(set, 1, untilNextDeadline());
        if (Libc.pollReady(set, 0)) {
          int count = Libc.read(0, buffer);
          if (count <= 0) {
            break;
          }
          text.append(new String(buffer.asSlice(0, count).toArray(ValueLayout.JAVA_BYTE), UTF_8));
          for (int end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
            obey(text.substring(0, end));
            text.delete(0, end + 1);
          }
        }
        freezeOverdue();
      }
    }
    Set<Integer> all = new HashSet<>();
    claims.values().forEach(held -> all.addAll(held.sessions));
    new Family(all, "RQ_WORKER_BOOT=" + boot).end(Duration.ZERO, survivor -> {});
  }

  private long untilNextDeadline() {
    long next = Long.MAX_VALUE;
    for (Held held : claims.values()) {
      if (!held.frozen && !held.sessions.isEmpty()) {
        next = Math.min(next, held.freezeAt);
      }
    }
    return next == Long.MAX_VALUE ? -1 : Math.max(0, next - System.nanoTime());
  }

  private void obey(String line) {
    List<String> words = List.of(line.split(" ", -1));
    switch (words.getFirst()) {
      case "session" -> held(words.get(2)).sessions.add(Integer.parseInt(words.get(1)));
      case "inherited" -> {
        Held held = held(words.get(2));
        held.sessions.add(Integer.parseInt(words.get(1)));
        held.frozen = true; // until its lease, which comes next, says otherwise
      }
      case "ended" -> {
        Held held = held(words.get(2));
        held.sessions.remove(Integer.valueOf(words.get(1)));
        if (held.sessions.isEmpty() && held.freezeAt == Long.MAX_VALUE) {
          claims.remove(words.get(2));
        }
      }
      case "lease" -> {
        Held held = held(words.get(1));
        long left = Long.parseLong(words.get(2));
        held.freezeAt = System.nanoTime() + left * 1_000_000;
        if (held.frozen && left > 0) {
          family(words.get(1), held).thaw();
        }
        held.frozen = false;
      }
      case "lost" -> {
        Held held = claims.remove(words.get(1));
        if (held != null && !held.sessions.isEmpty()) {
          Family family = family(words.get(1), held);
          // On a thread of its own, because a process that hangs in the kernel takes its time.
          Thread.ofPlatform().start(() -> family.end(Duration.ZERO, survivor -> {}));
        }
      }
      default -> {}
    }
  }

  private Held held(String claim) {
    return claims.computeIfAbsent(claim, name -> new Held());
  }

  private static Family family(String claim, Held held) {
    return new Family(held.sessions, ProcessRunner.CLAIM_VARIABLE + "=" + claim);
  }

  private void freezeOverdue() {
    long now = System.nanoTime();
    for (Map.Entry<String, Held> claim : new ArrayList<>(claims.entrySet())) {
      Held held = claim.getValue();
      if (!held.frozen && held.freezeAt <= now) {
        if (held.sessions.isEmpty()) {
          claims.remove(
              claim.getKey()); // the job has ended, and nobody confirms its lease any more
        } else {
          held.frozen = true;
          family(claim.getKey(), held).freeze();
        }
      }
    }
  }
}
