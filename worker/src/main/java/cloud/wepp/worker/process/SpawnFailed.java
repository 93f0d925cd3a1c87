package cloud.wepp.worker.process;

import java.util.List;

/** A process could not be started. The message names the command and the system's reason. */
public final class SpawnFailed extends Exception {
  private static final long serialVersionUID = 1;

  SpawnFailed(List<String> command, String reason) {
    super("cannot start " + String.join(" ", command) + ": " + reason);
  }
}
