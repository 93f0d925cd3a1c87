package cloud.wepp.worker.demo;

import java.util.List;

/** What the stand-in went through: the weather of so many years over so many square metres. */
record Run(String climate, double area, int firstYear, int years, List<Weather.Day> days) {

  /** In millimetres, all years together. */
  double rain() {
    double sum = 0;
    for (Weather.Day day : days) {
      sum += day.rain();
    }
    return sum;
  }

  int storms() {
    int storms = 0;
    for (Weather.Day day : days) {
      if (day.rain() > 0) {
        storms++;
      }
    }
    return storms;
  }
}
