package cloud.wepp.worker.process;

import java.time.Duration;

/**
 * How a process ended, and what it used.
 *
 * @param exit the exit code, or minus the number of the signal that ended it
 * @param timedOut whether it was ended because its timeout had passed
 * @param peakRssBytes {@code VmHWM} of the process; 0 when it ended before it was looked at
 * @param readBytes bytes read from storage, as the kernel counts them
 * @param writtenBytes bytes written to storage
 */
public record ProcessEnd(
    int pid,
    int exit,
    boolean timedOut,
    Duration wall,
    Duration user,
    Duration system,
    long peakRssBytes,
    long readBytes,
    long writtenBytes) {}
