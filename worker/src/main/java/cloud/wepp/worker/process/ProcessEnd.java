package cloud.wepp.worker.process;

import java.time.Duration;
import java.util.Locale;

/**
 * How a process ended, and what it used.
 *
 * @param exit the exit code, or minus the number of the signal that ended it
 * @param limits those that it ran under
 */
public record ProcessEnd(
    int pid, int exit, Cause cause, Duration wall, Usage usage, Limits limits) {

  /** Why a process ended. */
  public enum Cause {
    EXITED,
    /** By a signal that this worker has not sent. */
    SIGNAL,
    TIMED_OUT,
    /** Its memory was more than its limit. */
    MEMORY,
    /** The kernel killed it, because the memory of the whole container was used up. */
    CONTAINER_MEMORY,
    CPU_TIME,
    FILE_SIZE,
    /** It did nothing any more. */
    STALLED,
    /** The storage failed: it said so and gave up. */
    INFRASTRUCTURE,
    /** The job was told to end. */
    STOPPED;

    /** Why a job failed whose process ended so, in one word. */
    public String ofFailure() {
      return this == EXITED ? "failed" : word();
    }

    /** The word that the history has. */
    public String word() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * What a process and those of its children that it waited for have used.
   *
   * @param peakRssBytes {@code VmHWM} of the process, or what all that came from it held together
   *     when a look found more; 0 when it ended before it was looked at
   * @param readBytes bytes read from storage, as the kernel counts them
   * @param writtenBytes bytes written to storage
   * @param waits how often it gave up its processor to wait
   * @param preemptions how often its processor was taken away
   */
  public record Usage(
      Duration user,
      Duration system,
      long peakRssBytes,
      long readBytes,
      long writtenBytes,
      long waits,
      long preemptions) {

    /** Of a process that nobody could ask. */
    public static Usage memoryOnly(long peakRssBytes) {
      return new Usage(Duration.ZERO, Duration.ZERO, peakRssBytes, 0, 0, 0, 0);
    }
  }

  /** The same end, of which more is known now. */
  public ProcessEnd because(Cause known) {
    return new ProcessEnd(pid, exit, known, wall, usage, limits);
  }

  public boolean timedOut() {
    return cause == Cause.TIMED_OUT;
  }

  /** One sentence without its end, such as {@code ended by signal 9 after 12.1 s}. */
  public String words() {
    String ended =
        exit >= 0 ? "exited with code " + exit : "was ended by signal %d".formatted(-exit);
    String after = String.format(Locale.ROOT, " after %.1f s", wall.toMillis() / 1000.0);
    String peak = usage.peakRssBytes() == 0 ? "" : "; peak memory " + size(usage.peakRssBytes());
    return ended + after + peak + why();
  }

  private String why() {
    return switch (cause) {
      case EXITED, SIGNAL -> "";
      case TIMED_OUT -> "; its time was over";
      case MEMORY -> "; its limit was " + size(limits.memoryBytes());
      case CONTAINER_MEMORY -> "; the memory of the whole container was used up";
      case CPU_TIME -> "; its limit was %d s of processor time".formatted(limits.cpuSeconds());
      case FILE_SIZE -> "; it wrote a file of more than " + size(limits.fileBytes());
      case STALLED -> "; it did nothing any more";
      case INFRASTRUCTURE -> "; the storage failed";
      case STOPPED -> "; the job was told to end";
    };
  }

  /** For people: {@code 2.1 GB}. */
  public static String size(long bytes) {
    return bytes < 1_000_000_000
        ? String.format(Locale.ROOT, "%.0f MB", bytes / 1e6)
        : String.format(Locale.ROOT, "%.1f GB", bytes / 1e9);
  }
}
