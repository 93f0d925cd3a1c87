package cloud.wepp.worker.process;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The processes of all sessions, from one look through /proc that serves all for a while. */
final class Snapshot {
  static final Duration AGE = Duration.ofMillis(200);

  private List<ProcFs.Stat> seen = List.of(); // guarded by this, as is the next
  private long until = System.nanoTime();

  /**
   * The resident memory of a session and of what came from its members, in bytes. What a process
   * shares with its parent counts.
   */
  long rss(int session) {
    return members(session).stream().mapToLong(ProcFs.Stat::rssPages).sum() * Libc.pageSize();
  }

  /** The processes of a session, and what came from them. */
  List<ProcFs.Stat> members(int session) {
    List<ProcFs.Stat> others = new ArrayList<>(look());
    List<ProcFs.Stat> members = new ArrayList<>();
    Set<Integer> pids = new HashSet<>();
    boolean more = true;
    while (more) {
      more = false;
      for (ProcFs.Stat stat : List.copyOf(others)) {
        if (stat.session() == session || pids.contains(stat.parent())) {
          others.remove(stat);
          members.add(stat);
          pids.add(stat.id().pid());
          more = true;
        }
      }
    }
    return members;
  }

  private synchronized List<ProcFs.Stat> look() {
    if (System.nanoTime() - until >= 0) {
      seen = ProcFs.all();
      until = System.nanoTime() + AGE.toNanos();
    }
    return seen;
  }
}
