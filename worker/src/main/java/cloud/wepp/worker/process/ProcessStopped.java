package cloud.wepp.worker.process;

/** The interrupt of a run, after its process and all that came from it have ended. */
public final class ProcessStopped extends InterruptedException {
  private static final long serialVersionUID = 1;

  private final transient ProcessEnd end;

  ProcessStopped(ProcessEnd end) {
    super("process %d %s".formatted(end.pid(), end.words()));
    this.end = end;
  }

  public ProcessEnd end() {
    return end;
  }
}
