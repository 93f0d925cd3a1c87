package cloud.wepp.worker.wepp;

/**
 * The years that a model says it simulates, line by line. Of routing gfortran's build names only
 * the calendar's year of an event.
 */
final class Years {
  private static final String YEAR = "SIMULATION YEAR =";
  private static final String ROUTED = " of year ";

  private int simulated;
  private int firstRouted;
  private int lastRouted;

  /** Reads a line; returns whether a year has begun with it. */
  boolean begins(String line) {
    if (line.startsWith(YEAR)) {
      simulated++;
      return true;
    }
    int at = line.lastIndexOf(ROUTED);
    String year = at < 0 ? "" : line.substring(at + ROUTED.length()).strip();
    if (!year.matches("\\d{1,5}") || Integer.parseInt(year) <= lastRouted) {
      return false;
    }
    lastRouted = Integer.parseInt(year);
    firstRouted = firstRouted == 0 ? lastRouted : firstRouted;
    return true;
  }

  /** How many it has said it simulates. */
  int simulated() {
    return simulated;
  }

  /** The number of the current one, from 1; 0 before the first. */
  int current() {
    return simulated > 0 || firstRouted == 0 ? simulated : lastRouted - firstRouted + 1;
  }
}
