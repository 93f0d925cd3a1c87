package cloud.wepp.worker.demo;

import java.io.IOException;

/** What the stand-in takes from CLIGEN's station file, read to the end of its numbers. */
final class CligenStation {
  private static final int MONTHS = 12;
  private static final int LABEL = 8;
  private static final int WIDTH = 6;
  private static final int WIND_LINES = 65; // 16 directions of 4 lines, and the calms

  final String name;

  /** As the header of the climate has it: latitude, longitude, elevation and years. */
  final String place;

  /** Inches on a wet day, by month from 0; as all of these. */
  final double[] rain;

  final double[] deviation;
  final double[] wetAfterWet;
  final double[] wetAfterDry;
  final double[] highest;
  final double[] lowest;
  final double[] radiation;
  final double[] dew;

  private CligenStation(InputFile file) throws IOException {
    name = beginning(file.line(), 40).strip();
    String where = file.line();
    double latitude = real(where, 6, 7);
    double longitude = real(where, 19, 7);
    double years = real(where, 33, 4);
    double feet = real(file.line(), 12, 7);
    place =
        new Columns()
            .fixed(latitude, 9, 2)
            .fixed(longitude, 9, 2)
            .whole(Math.round(feet * 0.3048), 12)
            .whole(Math.round(years), 12)
            .toString();
    rain = months(file);
    deviation = months(file);
    months(file); // skew
    wetAfterWet = months(file);
    wetAfterDry = months(file);
    highest = months(file);
    lowest = months(file);
    months(file); // deviations of temperature
    months(file);
    radiation = months(file);
    months(file); // its deviation
    months(file); // half-hour rain
    dew = months(file);
    months(file); // time to peak
    for (int line = 0; line < WIND_LINES; line++) {
      months(file);
    }
  }

  static CligenStation read(InputFile file) throws IOException {
    return new CligenStation(file);
  }

  /** Whether the real one could not make such rain at random. */
  boolean isHard() {
    for (int month = 0; month < MONTHS; month++) {
      if (wetAfterWet[month] == 0 && wetAfterDry[month] > 0) {
        return true;
      }
    }
    return false;
  }

  boolean hasNoDeviation() {
    return deviation[0] == 0;
  }

  private static double[] months(InputFile file) throws IOException {
    String line = file.line();
    double[] months = new double[MONTHS];
    for (int month = 0; month < MONTHS; month++) {
      months[month] = real(line, LABEL + WIDTH * month, WIDTH);
    }
    return months;
  }

  /** Not a number is read as one. */
  private static double real(String line, int from, int width) throws Stop {
    String text = line.length() < from ? "" : beginning(line.substring(from), width).strip();
    try {
      return text.isEmpty() ? 0 : Double.parseDouble(text);
    } catch (NumberFormatException e) {
      throw Stop.crashed("Bad value during floating point read");
    }
  }

  private static String beginning(String text, int most) {
    return text.substring(0, Math.min(most, text.length()));
  }
}
