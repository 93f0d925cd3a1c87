/** Runs and supervises operating system processes. Needs nothing but the JDK and libc. */
@NullMarked
package cloud.wepp.worker.process;

import org.jspecify.annotations.NullMarked;
