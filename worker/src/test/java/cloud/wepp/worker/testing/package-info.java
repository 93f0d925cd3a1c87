/** What several suites share: real servers. */
@NullMarked
package cloud.wepp.worker.testing;

import org.jspecify.annotations.NullMarked;
