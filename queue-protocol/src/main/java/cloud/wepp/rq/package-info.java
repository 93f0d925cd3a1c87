/**
 * rq's wire model: what is in Redis, and the scripts that change it. Knows no threads and no WEPP.
 */
@NullMarked
package cloud.wepp.rq;

import org.jspecify.annotations.NullMarked;
