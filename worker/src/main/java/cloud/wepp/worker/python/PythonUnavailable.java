package cloud.wepp.worker.python;

/** The Python interpreter does not run jobs; the message tells which setting to look at. */
public final class PythonUnavailable extends RuntimeException {
  PythonUnavailable(String message) {
    super(message);
  }
}
