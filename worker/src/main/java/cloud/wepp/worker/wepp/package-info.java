/** Runs WEPP as WEPPcloud's own functions do. */
@NullMarked
package cloud.wepp.worker.wepp;

import org.jspecify.annotations.NullMarked;
