/** The words that the runtime and the handlers share. */
@NullMarked
package cloud.wepp.worker.job;

import org.jspecify.annotations.NullMarked;
