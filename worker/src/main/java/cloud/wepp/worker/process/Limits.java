package cloud.wepp.worker.process;

import java.util.Optional;

/**
 * What a process may use; 0 is no limit.
 *
 * @param memoryBytes resident memory of all that came from it together, as it is sampled
 * @param cpuSeconds processor time, of each process for itself, as the last two
 * @param growth what it may have after it was ended because of its memory
 */
public record Limits(
    long memoryBytes, long cpuSeconds, long openFiles, long fileBytes, Growth growth) {
  public static final Limits NONE = new Limits(0, 0, 0, 0, Growth.NONE);

  /**
   * More memory for another try.
   *
   * @param times how often
   * @param factor by which the limit grows
   * @param mostBytes how far; 0 is without end
   */
  public record Growth(int times, double factor, long mostBytes) {
    public static final Growth NONE = new Growth(0, 1, 0);
  }

  /** The limits of the next try; empty when there may be none. */
  public Optional<Limits> more() {
    long grown = (long) (memoryBytes * growth.factor());
    long most = growth.mostBytes() == 0 ? grown : Math.min(grown, growth.mostBytes());
    return growth.times() > 0 && most > memoryBytes
        ? Optional.of(
            new Limits(
                most,
                cpuSeconds,
                openFiles,
                fileBytes,
                new Growth(growth.times() - 1, growth.factor(), growth.mostBytes())))
        : Optional.empty();
  }
}
