/**
 * The demo: made-up and real sample inputs, and a stand-in for the WEPP executable. Never ships.
 */
@NullMarked
package cloud.wepp.worker.demo;

import org.jspecify.annotations.NullMarked;
