package cloud.wepp.worker.demo;

import java.io.IOException;

/** The end of a stand-in's run before its success line. */
final class Stop extends IOException {
  private final int exit;

  private Stop(int exit, String text) {
    super(text);
    this.exit = exit;
  }

  /** WEPP tells on stdout what is wrong, and exits with 0. */
  static Stop refused(String text) {
    return new Stop(0, text);
  }

  /** The Fortran runtime tells on stderr what is wrong, and exits with 2. */
  static Stop crashed(String text) {
    return new Stop(2, text);
  }

  static Stop endOfFile() {
    return crashed("End of file");
  }

  int exit() {
    return exit;
  }
}
