/** Runs Python functions as rq does, in children that a fork server makes. */
@NullMarked
package cloud.wepp.worker.python;

import org.jspecify.annotations.NullMarked;
