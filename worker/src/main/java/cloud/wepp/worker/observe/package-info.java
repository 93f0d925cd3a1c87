/** How a worker is seen from outside: metrics, probes, logs, and what it tells Kubernetes. */
@NullMarked
package cloud.wepp.worker.observe;

import org.jspecify.annotations.NullMarked;
