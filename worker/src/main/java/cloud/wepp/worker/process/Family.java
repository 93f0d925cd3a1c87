package cloud.wepp.worker.process;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * The processes of some sessions, with all that came from them: children that made a session of
 * their own are known by a variable in their environment, or by their parent.
 *
 * @param sessions their ids
 * @param roots processes that are no members, while all that came from them is
 * @param marker how the variable begins, as {@code NAME=value}
 * @param ended the members that were told to end
 */
record Family(
    Set<Integer> sessions, Set<Integer> roots, String marker, Set<ProcFs.Identity> ended) {
  Family(Set<Integer> sessions, String marker) {
    this(sessions, Set.of(), marker, new HashSet<>());
  }

  /** What came from one process, without that process. */
  static Family below(int root, String marker) {
    return new Family(Set.of(), Set.of(root), marker, new HashSet<>());
  }

  private static final Duration LOOK_AGAIN = Duration.ofMillis(100);
  private static final Duration UNKILLABLE = Duration.ofSeconds(5);

  /** The members that still run. */
  List<ProcFs.Stat> alive() {
    List<ProcFs.Stat> strangers = new ArrayList<>(ProcFs.all());
    strangers.removeIf(stat -> !stat.alive() || stat.id().pid() == ProcFs.SELF);
    List<ProcFs.Stat> members = new ArrayList<>();
    move(strangers, members, this::carriesSign);
    Set<Integer> parents = new HashSet<>(roots);
    do {
      members.forEach(member -> parents.add(member.id().pid()));
    } while (move(strangers, members, stat -> parents.contains(stat.parent())));
    return members;
  }

  private boolean carriesSign(ProcFs.Stat stat) {
    return sessions.contains(stat.session())
        || sessions.contains(stat.group())
        || ProcFs.hasVariable(stat.id().pid(), marker);
  }

  private static boolean move(
      List<ProcFs.Stat> from, List<ProcFs.Stat> to, Predicate<ProcFs.Stat> which) {
    int before = to.size();
    from.stream().filter(which).forEach(to::add);
    from.removeAll(to);
    return to.size() > before;
  }

  /**
   * Sends TERM, after the grace KILL, and returns when no member is left.
   *
   * @param unkillable told once of each member that KILL has not ended
   */
  void end(Duration grace, Consumer<ProcFs.Stat> unkillable) {
    long killAt = System.nanoTime() + grace.toNanos();
    Set<ProcFs.Identity> survivors = new HashSet<>();
    Set<ProcFs.Identity> told = new HashSet<>();
    for (List<ProcFs.Stat> left = alive(); !left.isEmpty(); left = alive()) {
      long wait = killAt - System.nanoTime();
      for (ProcFs.Stat member : left) {
        ended.add(member.id());
        if (wait <= 0) {
          signal(member.id(), Libc.SIGKILL);
        } else if (told.add(member.id())) {
          signal(member.id(), Libc.SIGTERM);
        }
        if (-wait > UNKILLABLE.toNanos() && survivors.add(member.id())) {
          unkillable.accept(member);
        }
      }
      long look = LOOK_AGAIN.toNanos();
      awaitAnEnd(left, wait <= 0 ? look : Math.min(wait, look));
    }
  }

  /** Waits for members that have ended and, as orphans, became children of this process. */
  void reapAdopted() {
    List<Integer> adopted = ProcFs.adopted();
    for (ProcFs.Stat stat : ProcFs.all()) {
      boolean orphan = stat.parent() == ProcFs.SELF && !sessions.contains(stat.id().pid());
      boolean known = sessions.contains(stat.session()) || ended.contains(stat.id());
      if (orphan
          && known
          && stat.state() == 'Z'
          && (adopted == null || adopted.contains(stat.id().pid()))) {
        Libc.reap(stat.id().pid());
      }
    }
  }

  /** Sends STOP until a look finds no member running: one may have forked meanwhile. */
  void freeze() {
    Set<ProcFs.Identity> told = new HashSet<>();
    boolean again = true;
    while (again) {
      again = false;
      for (ProcFs.Stat member : alive()) {
        if (!member.stopped() && told.add(member.id())) {
          signal(member.id(), Libc.SIGSTOP);
          again = true;
        }
      }
    }
  }

  void thaw() {
    alive().forEach(member -> signal(member.id(), Libc.SIGCONT));
  }

  /** Through a pidfd, so that the signal cannot reach a later process of the same number. */
  private static void signal(ProcFs.Identity id, int signal) {
    int fd = Libc.pidfd(id.pid());
    if (fd < 0) {
      return;
    }
    ProcFs.Stat now = ProcFs.stat(id.pid());
    if (now != null && now.id().equals(id)) {
      Libc.signal(fd, signal);
    }
    Libc.close(fd);
  }

  private static void awaitAnEnd(List<ProcFs.Stat> members, long nanos) {
    List<Integer> fds = new ArrayList<>();
    members.forEach(member -> fds.add(Libc.pidfd(member.id().pid())));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment set = Libc.pollSet(arena, fds.size());
      for (int i = 0; i < fds.size(); i++) {
        Libc.pollSlot(set, i, fds.get(i));
      }
      if (!fds.contains(-1)) {
        Libc.poll(set, fds.size(), nanos);
      }
    } finally {
      fds.stream().filter(fd -> fd >= 0).forEach(Libc::close);
    }
  }
}
