package cloud.wepp.worker.process;

import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Looks now and then whether one process, with all that came from it, does anything: whether it
 * uses processor time, reads, writes or prints. Used by the thread that waits for the process.
 */
public final class ActivityWatch {
  private final Rules rules;
  private final InstantSource clock;
  private final Listener listener;
  private Instant nextLook;
  private Instant lastActive;
  private @Nullable Activity last;
  private boolean stalled;
  private @Nullable Instant uninterruptible; // since when
  private @Nullable Instant told; // of that
  private int toldTimes;

  /**
   * What is told.
   *
   * @param stallAfter so long nothing is done: then the process is stalled; zero for never
   * @param kill whether a stalled process is ended
   * @param every the longest time between two looks
   * @param uninterruptibleAfter so long, and again so long later, a process is in state D
   * @param mostUninterruptible how often that is told
   */
  public record Rules(
      Duration stallAfter,
      boolean kill,
      Duration every,
      Duration uninterruptibleAfter,
      int mostUninterruptible) {

    private Duration looks() {
      Duration quarter = stallAfter.dividedBy(4);
      return stallAfter.isZero() || quarter.compareTo(every) > 0 ? every : quarter;
    }
  }

  /** Told on the thread that waits for the process. */
  public interface Listener {
    /**
     * The process does nothing.
     *
     * @param state what the kernel says of it, for people
     * @param since for how long
     */
    void stalled(int pid, String state, Duration since);

    /** It does something again. */
    void goesOn(int pid);

    /**
     * It waits for the kernel in state D, as for a file system that does not answer.
     *
     * @param since for how long it was so at each look
     * @param times how often this is told by now
     */
    void uninterruptible(int pid, Duration since, int times);
  }

  /** What all processes together have done so far; no number stays when they do more. */
  record Activity(long ticks, long ioBytes, long printed, int processes) {}

  public ActivityWatch(Rules rules, InstantSource clock, Listener listener) {
    this.rules = rules;
    this.clock = clock;
    this.listener = listener;
    lastActive = clock.instant();
    nextLook = lastActive.plus(rules.looks());
  }

  /**
   * What one look finds.
   *
   * @param state of the process itself
   * @param words what the kernel says of the one that hangs, for people
   */
  record Seen(Activity activity, char state, String words) {

    /** What the kernel tells of a session that prints to a file. */
    static Seen of(int session, List<ProcFs.Stat> members, Path output) {
      long ticks = 0;
      long io = 0;
      ProcFs.@Nullable Stat first = null;
      ProcFs.@Nullable Stat hanging = null;
      for (ProcFs.Stat member : members) {
        ticks += member.ticks();
        io += ProcFs.ioBytes(member.id().pid());
        first = member.id().pid() == session ? member : first;
        hanging = member.state() == 'D' || member.stopped() ? member : hanging;
      }
      hanging = hanging == null ? first : hanging; // the others wait for it
      return new Seen(
          new Activity(ticks, io, output.toFile().length(), members.size()),
          first == null ? 'X' : first.state(),
          hanging == null ? "gone" : ProcFs.words(hanging));
    }
  }

  /**
   * Looks, if it is time to.
   *
   * @param eyes what is asked then: it is dear
   * @param frozen whether the process may not run now: then it is not its fault
   * @return whether it has to be ended
   */
  boolean look(int pid, Supplier<Seen> eyes, boolean frozen) {
    Instant now = clock.instant();
    if (now.isBefore(nextLook)) {
      return false;
    }
    nextLook = now.plus(rules.looks());
    Seen seen = eyes.get();
    lookForD(pid, seen.state(), now);
    return !rules.stallAfter().isZero() && isStalled(pid, seen, frozen, now) && rules.kill();
  }

  private boolean isStalled(int pid, Seen seen, boolean frozen, Instant now) {
    if (frozen || !seen.activity().equals(last)) {
      last = seen.activity();
      lastActive = now;
      if (stalled && !frozen) {
        stalled = false;
        listener.goesOn(pid);
      }
    }
    Duration since = Duration.between(lastActive, now);
    if (!stalled && since.compareTo(rules.stallAfter()) >= 0) {
      stalled = true;
      listener.stalled(pid, seen.words(), since);
    }
    return stalled;
  }

  private void lookForD(int pid, char state, Instant now) {
    if (state != 'D') {
      uninterruptible = null;
      return;
    }
    uninterruptible = uninterruptible == null ? now : uninterruptible;
    Duration since = Duration.between(uninterruptible, now);
    boolean due =
        told == null || Duration.between(told, now).compareTo(rules.uninterruptibleAfter()) >= 0;
    if (since.compareTo(rules.uninterruptibleAfter()) >= 0
        && due
        && toldTimes < rules.mostUninterruptible()) {
      told = now;
      toldTimes++;
      listener.uninterruptible(pid, since, toldTimes);
    }
  }
}
