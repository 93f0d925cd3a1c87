/** Drills: workers die, and nothing is lost, run twice at once, or left behind. */
@NullMarked
package cloud.wepp.worker.chaos;

import org.jspecify.annotations.NullMarked;
