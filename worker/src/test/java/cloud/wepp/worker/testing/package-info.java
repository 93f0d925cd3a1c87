/** Real servers for tests and for the demo. */
@NullMarked
package cloud.wepp.worker.testing;

import org.jspecify.annotations.NullMarked;
