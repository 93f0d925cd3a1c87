/**
 * The history of jobs: carries the event stream from Redis to Postgres, each event once. Redis
 * remains the truth of the queue; Postgres is the truth of the past.
 */
@NullMarked
package cloud.wepp.worker.ledger;

import org.jspecify.annotations.NullMarked;
