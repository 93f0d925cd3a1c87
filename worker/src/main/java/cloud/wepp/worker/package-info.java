/** The runtime: slots take jobs, run them, and settle them. */
@NullMarked
package cloud.wepp.worker;

import org.jspecify.annotations.NullMarked;
