package cloud.wepp.worker.config;

import java.util.List;

/** The configuration cannot be used. The message has one line for each problem. */
public final class InvalidConfig extends Exception {
  private static final long serialVersionUID = 1;

  InvalidConfig(List<String> problems) {
    super("The configuration cannot be used:\n  " + String.join("\n  ", problems));
  }
}
