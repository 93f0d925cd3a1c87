/**
 * The demo: made-up and real sample inputs, and stand-ins for the executables of WEPP and CLIGEN.
 * Never ships.
 */
@NullMarked
package cloud.wepp.worker.demo;

import org.jspecify.annotations.NullMarked;
