package cloud.wepp.rq;

import java.time.Instant;

/**
 * What the history keeps of an ended claim, beside its settlement.
 *
 * @param function the function that ran; empty when it could not be read
 * @param run WEPPcloud's run id; empty when the job has none
 * @param detail a JSON object: exit, cause, usage
 */
public record Ended(Instant at, String function, String run, String detail) {}
