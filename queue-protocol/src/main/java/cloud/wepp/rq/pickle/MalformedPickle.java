package cloud.wepp.rq.pickle;

/** Bytes that are no pickle, or one that is refused. */
public final class MalformedPickle extends Exception {
  private final boolean refused;

  private MalformedPickle(String message, boolean refused) {
    super(message);
    this.refused = refused;
  }

  static MalformedPickle broken(String message) {
    return new MalformedPickle(message, false);
  }

  static MalformedPickle refused(String message) {
    return new MalformedPickle(message, true);
  }

  /** Whether Python might read it: it names something, or is larger, than this reader lets pass. */
  public boolean refused() {
    return refused;
  }
}
