package cloud.wepp.worker.config;

/** A text that is never shown. */
public final class Secret {
  private final String text;

  Secret(String text) {
    this.text = text;
  }

  /** A URL, or what should be one, without the passwords in it. */
  static String hiddenIn(String url) {
    return url.replaceAll("(?s)^(\\w[\\w+.:-]*//|//)?.*@", "$1***@")
        .replaceAll("(?i)(password=)[^&]*", "$1***");
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
