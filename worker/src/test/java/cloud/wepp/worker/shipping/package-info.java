/** What a worker is shipped with: manifests, compose file, alerts, dashboards and image. */
@NullMarked
package cloud.wepp.worker.shipping;

import org.jspecify.annotations.NullMarked;
