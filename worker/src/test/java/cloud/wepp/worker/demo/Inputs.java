package cloud.wepp.worker.demo;

import java.io.IOException;
import java.util.List;

/** What the stand-in takes from WEPP's input files, each read to its end. */
final class Inputs {
  private static final int CHANNEL_LINES = 10;

  private Inputs() {}

  record Management(int elements, int years) {}

  /** The area is in square metres; elements are the flow elements of a hillslope, or channels. */
  record Slope(int elements, double area) {}

  static Management management(InputFile file) throws IOException {
    file.line();
    int elements = file.number();
    int years = file.number();
    String[] counted = {
      "Plant Growth",
      "Operation",
      "Initial Condition",
      "Surface Effects",
      "Contour",
      "Drainage",
      "Yearly",
    };
    for (String section : counted) {
      file.seek(section);
      file.number();
    }
    file.seek("Management Section");
    file.skipData(4);
    int scheduled = file.number();
    file.skipData(scheduled);
    int rotations = file.number();
    int entries = file.number() * scheduled * rotations;
    for (int i = 0; i < entries; i++) {
      file.skipData(file.number());
    }
    return new Management(elements, years);
  }

  /** A hillslope has one width; each channel has its own. */
  static Slope slope(InputFile file, boolean channels) throws IOException {
    file.data();
    int elements = file.number();
    double area = 0;
    double width = 0;
    for (int i = 0; i < elements; i++) {
      if (channels || i == 0) {
        width = InputFile.real(InputFile.fields(file.data()), 1);
      }
      List<String> profile = InputFile.fields(file.data());
      area += width * InputFile.real(profile, 1);
      List<String> points = InputFile.fields(file.data());
      for (int point = 0; point < 2 * InputFile.whole(profile, 0); point++) {
        InputFile.real(points, point);
      }
    }
    return new Slope(elements, area);
  }

  static void soil(InputFile file) throws IOException {
    double version = InputFile.real(InputFile.fields(file.data()), 0);
    if (version < 95) {
      throw Stop.crashed("Bad integer for item 1 in list input");
    }
    file.data();
    int elements = file.number();
    for (int i = 0; i < elements; i++) {
      if (version >= 9000) {
        file.data();
      }
      int layers = InputFile.whole(InputFile.fields(file.data()), 2);
      for (int layer = 0; layer < layers; layer++) {
        InputFile.real(InputFile.fields(file.data()), 10);
      }
      if (version >= 2006) {
        file.data();
      }
    }
  }

  /** The number of channels. */
  static int structure(InputFile file) throws IOException {
    file.data();
    int channels = 0;
    for (; !file.atEnd(); channels++) {
      InputFile.whole(InputFile.fields(file.data()), 9);
    }
    return channels;
  }

  /** The number of channels. */
  static int channels(InputFile file) throws IOException {
    file.data();
    int channels = file.number();
    file.skipData(2 + CHANNEL_LINES * channels);
    return channels;
  }

  static void impoundments(InputFile file) throws IOException {
    file.data();
    file.number();
  }

  /** A table that says in its first line how many follow, as {@code pmetpara.txt}. */
  static void table(InputFile file) throws IOException {
    file.skipData(file.number());
  }

  /** The area of the hillslope that wrote this pass file, in square metres. */
  static double pass(String name) throws IOException {
    if (!InputFile.exists(name)) {
      String text = "Cannot open file '".concat(name).concat("': No such file or directory");
      throw Stop.crashed(text);
    }
    InputFile file = InputFile.open(name);
    file.line();
    List<String> period = InputFile.fields(file.line());
    int lastYear = InputFile.whole(period, 1) + InputFile.whole(period, 0) - 1;
    double area = InputFile.real(InputFile.fields(file.line()), 0);
    if (Double.isNaN(area)) {
      throw Stop.crashed("Bad value during floating point read");
    }
    String lastDay = new Columns().whole(lastYear, 4).whole(Weather.daysIn(lastYear), 6).toString();
    while (!isRecordOf(lastDay, file.line())) {
      // an earlier day
    }
    return area;
  }

  /** Records begin with their kind in ten columns; they may go on in further lines. */
  private static boolean isRecordOf(String day, String line) {
    return line.contains("EVENT") && line.startsWith(day, 11);
  }
}
