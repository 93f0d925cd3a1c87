package cloud.wepp.worker.process;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.util.Optional;

/** The memory of the cgroup that this process and all its jobs live in; version 2, else 1. */
public final class Container {
  private static final String V2 = "/sys/fs/cgroup/memory.";
  private static final String V1 = "/sys/fs/cgroup/memory/memory.";

  private Container() {}

  /**
   * One look.
   *
   * @param usedBytes without the files that the kernel would drop first
   * @param limitBytes of the cgroup, or all there is
   */
  public record Memory(long usedBytes, long limitBytes) {
    @Override
    public String toString() {
      return ProcessEnd.size(usedBytes) + " of " + ProcessEnd.size(limitBytes);
    }
  }

  /** Empty where the kernel does not tell. */
  public static Optional<Memory> memory() {
    boolean first = text(V2 + "current").isEmpty();
    long used = number(text(first ? V1 + "usage_in_bytes" : V2 + "current"));
    String stat = text((first ? V1 : V2) + "stat");
    long droppable = field(stat, first ? "total_inactive_file " : "inactive_file ");
    long limit = number(text(first ? V1 + "limit_in_bytes" : V2 + "max")); // or "max"
    long machine = field(text("/proc/meminfo"), "MemTotal:") * 1024;
    return used > 0 && machine > 0
        ? Optional.of(
            new Memory(
                Math.max(0, used - droppable), limit > 0 ? Math.min(limit, machine) : machine))
        : Optional.empty();
  }

  /** How often the kernel has killed in this container for want of memory. */
  static long kills() {
    String events = text(V2 + "events");
    return field(events.isEmpty() ? text(V1 + "oom_control") : events, "oom_kill ");
  }

  private static long field(String text, String label) {
    int at = ("\n" + text).indexOf("\n" + label);
    return at < 0 ? 0 : number(text.substring(at + label.length()));
  }

  /** The digits that the text begins with; 0 for none, or for a number that is no real limit. */
  private static long number(String text) {
    String start = text.stripLeading();
    int end = 0;
    while (end < start.length() && Character.isDigit(start.charAt(end))) {
      end++;
    }
    return end == 0 || end > 18 ? 0 : Long.parseLong(start.substring(0, end));
  }

  private static String text(String file) {
    return new String(Libc.readAll(file), US_ASCII);
  }
}
