/** The command line: what an operator asks of a worker, of the queues and of the history. */
@NullMarked
package cloud.wepp.worker.cli;

import org.jspecify.annotations.NullMarked;
