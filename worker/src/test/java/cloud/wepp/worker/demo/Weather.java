package cloud.wepp.worker.demo;

import java.io.IOException;
import java.util.List;

/** A climate file: its header, then one day after another. */
final class Weather {
  private static final int HEADER_LINES = 15;
  private static final int DAILY_VALUES = 13;
  private final InputFile file;
  private final int firstYear;
  private final int years;

  private Weather(InputFile file, int firstYear, int years) {
    this.file = file;
    this.firstYear = firstYear;
    this.years = years;
  }

  /** The rain is in millimetres. */
  record Day(int year, int ofYear, double rain) {}

  static Weather read(InputFile file) throws IOException {
    InputFile.real(InputFile.fields(file.line()), 0);
    for (int line = 2; line < 5; line++) {
      file.line();
    }
    List<String> period = InputFile.fields(file.line());
    for (int line = 6; line <= HEADER_LINES; line++) {
      file.line();
    }
    return new Weather(file, InputFile.whole(period, 4), InputFile.whole(period, 5));
  }

  static int daysIn(int year) {
    boolean leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return leap ? 366 : 365;
  }

  String name() {
    return file.name();
  }

  int firstYear() {
    return firstYear;
  }

  int years() {
    return years;
  }

  Day next(int year, int ofYear) throws IOException {
    if (file.atEnd()) {
      throw Stop.crashed("Sequential READ or WRITE not allowed after EOF marker");
    }
    List<String> values = InputFile.fields(file.line());
    InputFile.whole(values, 0);
    double rain = InputFile.real(values, 3);
    InputFile.real(values, DAILY_VALUES - 1);
    return new Day(year, ofYear, rain);
  }
}
