/** The history of jobs in Postgres. */
@NullMarked
package cloud.wepp.worker.ledger;

import org.jspecify.annotations.NullMarked;
