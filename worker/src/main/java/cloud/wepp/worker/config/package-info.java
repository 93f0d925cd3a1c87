/** The configuration, read once at the start. */
@NullMarked
package cloud.wepp.worker.config;

import org.jspecify.annotations.NullMarked;
