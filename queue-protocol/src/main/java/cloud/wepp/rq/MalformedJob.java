package cloud.wepp.rq;

/** A job whose call cannot be read. */
public final class MalformedJob extends Exception {
  private final boolean refused;

  MalformedJob(String message, boolean refused) {
    super(message);
    this.refused = refused;
  }

  /** Whether it was only refused here, so that Python may still be able to run the job. */
  public boolean refused() {
    return refused;
  }
}
