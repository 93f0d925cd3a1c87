/** Python values as data: a reader that never imports or calls anything, and a writer. */
@NullMarked
package cloud.wepp.rq.pickle;

import org.jspecify.annotations.NullMarked;
