/** Real servers for tests and for the demo. */
@NullMarked
package cloud.wepp.rq.testing;

import org.jspecify.annotations.NullMarked;
