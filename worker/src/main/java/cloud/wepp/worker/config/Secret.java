package cloud.wepp.worker.config;

/** A text that is never shown. */
public final class Secret {
  private final String text;

  Secret(String text) {
    this.text = text;
  }

  /** The text itself, for the connection that needs it. */
  public String reveal() {
    return text;
  }

  @Override
  public String toString() {
    return "***";
  }
}
