package cloud.wepp.worker.python;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** One slot's supervisor process. Used by one job at a time, on the slot's thread. */
final class Supervisor {
  private final ForkServer server;
  private final Peer peer;
  private int jobs;
  private boolean retires;

  Supervisor(ForkServer server, Peer peer) {
    this.server = server;
    this.peer = peer;
  }

  ForkServer server() {
    return server;
  }

  int pid() {
    return peer.pid();
  }

  /** Whether it can take another job. */
  boolean fit(int mostJobs) {
    return !retires && !peer.isGone() && jobs < mostJobs;
  }

  void begin(Map<String, ?> order) {
    jobs++;
    peer.send(order);
  }

  /**
   * Gives it rq's own command to a worker; {@code cause} is why, in words, for the failure's text.
   */
  void command(Map<String, String> payload, String cause) {
    Map<String, Object> order = new HashMap<>(Map.of("do", "command", "payload", payload));
    order.put("cause", cause);
    peer.send(order);
  }

  /** As {@link Peer#next}. */
  @Nullable JsonNode next(Duration longest) throws InterruptedException {
    JsonNode said = peer.next(longest);
    retires |= said != null && said.path("retires").asBoolean(false);
    return said;
  }

  void dismiss() {
    peer.hangUp();
  }
}
