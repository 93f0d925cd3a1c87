package cloud.wepp.rq;

import java.time.Instant;

/**
 * Proof that a worker holds a job. Every later write names it and is refused once it is gone.
 *
 * @param id the claim's own id, also the value of the field {@code claim} in the job hash
 * @param queue the job's {@code origin}
 * @param execution rq's execution id
 * @param worker rq's worker name
 * @param startedAt when the job was claimed
 * @param job the job as it was when it was claimed
 */
public record Claim(
    String id, String queue, String execution, String worker, Instant startedAt, JobRecord job) {}
