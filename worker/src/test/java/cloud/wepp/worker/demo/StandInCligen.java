package cloud.wepp.worker.demo;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * A stand-in for the CLIGEN executable, which is not ours to distribute. To its caller it behaves
 * as CLIGEN does: the same flags and questions, files of the same form under the same names, the
 * same ends, good and bad. It computes no weather: each day has the station's monthly means, every
 * fourth day rain, and the climate says who made it. It knows WEPP's continuous climate (5),
 * observed data (6) and the single storm (4).
 *
 * <p>As the other stand-in it must be quick to load.
 */
public final class StandInCligen {
  static final String MARK = "STAND-IN for the CLIGEN executable: no weather was computed";

  private static final int NONE = Integer.MIN_VALUE;
  private static final int LONGEST_SEED = 1_000_000;
  private static final int MISSING = 9999;

  private final Dialogue talk = new Dialogue(System.in);
  private final StringBuilder command = new StringBuilder();
  private String par = "";
  private String prn = "";
  private String cli = "";
  private int type = NONE;
  private int firstYear = NONE;
  private int years = NONE;
  private int seed;
  private int interpolation;
  private boolean overwrite;
  private boolean header = true;

  private StandInCligen() {}

  public static void main(String[] args) throws IOException {
    StandInCligen cligen = new StandInCligen();
    int exit = 0;
    String last = "STOP Normal program termination";
    try {
      cligen.run(args);
    } catch (Stop e) {
      exit = e.exit();
      last = exit == 0 ? last : "Fortran runtime error: ".concat(String.valueOf(e.getMessage()));
    } catch (IOException e) {
      exit = 2;
      last = "Fortran runtime error: ".concat(e.toString());
    }
    cligen.talk.flush();
    System.err.println(last);
    System.exit(exit);
  }

  private void run(String[] args) throws IOException {
    for (String arg : args) {
      command.append(arg).append(' ');
      flag(arg);
    }
    talk.say(MARK);
    while (seed > LONGEST_SEED) {
      Thread.onSpinWait(); // the real one draws so many numbers, which takes minutes
    }
    CligenStation station = station();
    if (type == NONE) {
      type = number("Enter generator option (1-8):");
    }
    switch (type) {
      case 4 -> storm(station);
      case 6 -> observed(station);
      case 8 -> throw Stop.refused("");
      default -> continuous(station);
    }
  }

  private void flag(String arg) throws IOException {
    String value = arg.length() < 2 ? "" : arg.substring(2);
    if (arg.length() < 2 || arg.charAt(0) != '-') {
      talk.say("Option ignored, no option flag: ".concat(arg));
      return;
    }
    switch (arg.charAt(1)) {
      case 'i' -> par = value;
      case 'o' -> cli = value;
      case 'O' -> prn = value;
      case 'b' -> firstYear = whole(value);
      case 'y' -> years = whole(value);
      case 't' -> type = whole(value);
      case 'r' -> seed = whole(value);
      case 'I' -> interpolation = whole(value);
      case 'F' -> overwrite = true;
      case 'H' -> header = false;
      case 'h' -> {
        talk.say("interactively request the required information.");
        throw Stop.refused("");
      }
      case 'V' -> talk.ask("Enter state climate code (ex. 01 for Alabama):");
      default -> talk.say("Option ignored: ".concat(arg));
    }
  }

  private static int whole(String text) throws Stop {
    if (text.isEmpty()) {
      throw Stop.endOfFile();
    }
    try {
      return Integer.parseInt(text);
    } catch (NumberFormatException e) {
      throw Stop.crashed("Bad integer for item 1 in list input");
    }
  }

  private int number(String question) throws IOException {
    return whole(talk.ask(question));
  }

  private int positive(String question, int given) throws IOException {
    int number = given;
    while (number < 1) {
      number = number(question);
    }
    return number;
  }

  private double real(String question) throws IOException {
    return InputFile.real(InputFile.fields(talk.ask(question)), 0);
  }

  private CligenStation station() throws IOException {
    if (par.isEmpty()) {
      par = talk.ask("Press Enter to Continue");
    }
    if (!InputFile.exists(par)) {
      Files.writeString(Path.of("fort.10"), "");
      throw Stop.endOfFile();
    }
    talk.say(par);
    return CligenStation.read(InputFile.open(par));
  }

  private void continuous(CligenStation station) throws IOException {
    firstYear = positive("Enter beginning simulation year (positive integer value):", firstYear);
    years = positive("Enter number of years to simulate:", years);
    try (OutputStream out = create()) {
      writeHeader(out, station, 1, years);
      if (station.isHard()) {
        talk.say("*** ERROR *** Could not produce desired level of quality in");
        talk.say("                    << Precip. Amt.    >> random deviates.");
      }
      if (station.hasNoDeviation()) {
        talk.say("Gamma could not succeed in 10,000 tries.");
        talk.say("Precipitation Intensities are suspect.");
      }
      for (int year = firstYear; year < firstYear + years; year++) {
        writeYear(out, station, year);
      }
    }
  }

  private static void writeYear(OutputStream out, CligenStation station, int year)
      throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int day = 1; day <= Weather.daysIn(year); day++) {
      lines.append(new Day(station, year, day).line());
    }
    write(out, lines.toString());
  }

  private void observed(CligenStation station) throws IOException {
    while (!InputFile.exists(prn)) {
      talk.say("Error - File not Found");
      if (talk.ask("Enter c to continue or q to quit").equals("q")) {
        throw Stop.refused("");
      }
    }
    talk.say(prn);
    InputFile file = InputFile.open(prn);
    String line = file.line();
    int year = column(line, 2);
    try (OutputStream out = create()) {
      writeHeader(out, station, 1, 100);
      int ofYear = 1;
      while (true) {
        Day day = new Day(station, year, ofYear);
        day.observe(column(line, 3), column(line, 4), column(line, 5));
        write(out, day.line());
        line = file.atEnd() ? "" : file.line();
        if (line.isBlank()) {
          return;
        }
        ofYear++;
        if (ofYear > Weather.daysIn(year)) {
          year++;
          ofYear = 1;
        }
      }
    }
  }

  private static int column(String line, int index) throws Stop {
    int from = Math.min(line.length(), 5 * index);
    String text = line.substring(from, Math.min(line.length(), from + 5)).strip();
    if (text.equals("NaN")) {
      throw Stop.crashed("Bad value during integer read");
    }
    try {
      return Integer.parseInt(text);
    } catch (NumberFormatException e) {
      return 0; // what is no number is read on over
    }
  }

  private void storm(CligenStation station) throws IOException {
    String question = "Enter Month Day and Year of Storm (mo da yr)";
    List<String> date = InputFile.fields(talk.ask(question));
    double inches = real("Enter Design Storm Amount in Inches (e.g. 6.30)");
    double hours = real("Enter Storm Duration in Hours (e.g. 6)");
    double peak = real("Enter Time to Peak Intensity (% Duration e.g. .4)");
    double most = real("Enter Maximum Intensity Inches/Hour (e.g. 3.0)");
    int year = InputFile.whole(date, 2);
    firstYear = year;
    try (OutputStream out = create()) {
      writeHeader(out, station, 2, -1);
      Day day = new Day(station, year, 1);
      day.month = InputFile.whole(date, 0);
      day.ofMonth = InputFile.whole(date, 1);
      day.rain = inches * 25.4;
      day.hours = hours;
      day.peak = peak;
      day.intensity = most * hours / inches;
      write(out, day.line());
      write(out, "  \n");
    }
  }

  private OutputStream create() throws IOException {
    while (true) {
      if (cli.isEmpty()) {
        cli = talk.ask("Enter output file name (ex. Indy.cli): Station No.   -1");
      }
      Path file = Path.of(cli);
      if (!Files.isRegularFile(file) || overwrite) {
        Path folder = file.toAbsolutePath().getParent();
        if (folder == null || !Files.isDirectory(folder)) {
          String problem = "Cannot open file '".concat(cli);
          throw Stop.crashed(problem.concat("': No such file or directory"));
        }
        return Files.newOutputStream(file);
      }
      if (talk.ask("**** File Already Exists *****\n Overwrite?").startsWith("y")) {
        overwrite = true;
      } else {
        cli = "";
      }
    }
  }

  /** A full disk goes unnoticed. */
  private static void write(OutputStream out, String text) {
    try {
      out.write(text.getBytes(ISO_8859_1));
    } catch (IOException e) {
      // as the real one
    }
  }

  private void writeHeader(OutputStream out, CligenStation station, int mode, int simulated) {
    if (!header) {
      return;
    }
    Columns text = new Columns().add("5.32300").line();
    text.whole(mode, 4).add("   0   0").line();
    text.add("  Station:  ").left(station.name, 41).add(MARK).add(" -r:").whole(seed, 5);
    text.add(" -I:").whole(interpolation, 2).line();
    text.add(" Latitude Longitude Elevation (m) Obs. Years   Beginning year  Years simulated");
    text.add(" Command Line:").line();
    text.add(station.place).whole(firstYear == NONE ? 1 : firstYear, 12).whole(simulated, 16);
    text.add("          ").add(command.toString()).line();
    text.add(" Observed monthly ave max temperature (C)").line();
    months(text, station.highest, true);
    text.add(" Observed monthly ave min temperature (C)").line();
    months(text, station.lowest, true);
    text.add(" Observed monthly ave solar radiation (Langleys/day)").line();
    months(text, station.radiation, false);
    text.add(" Observed monthly ave precipitation (mm)").line();
    months(text, station.rain, false);
    text.add(" da mo year  prcp  dur   tp     ip  tmax  tmin  rad  w-vl w-dir  tdew").line();
    text.add("             (mm)  (h)               (C)   (C) (l/d) (m/s)(Deg)   (C)").line();
    write(out, text.toString());
  }

  private static void months(Columns text, double[] values, boolean fahrenheit) {
    for (double value : values) {
      text.fixed(fahrenheit ? celsius(value) : value, 6, 1);
    }
    text.line();
  }

  private static double celsius(double fahrenheit) {
    return (fahrenheit - 32) / 1.8;
  }

  /** A line of the climate. */
  private static final class Day {
    private static final int[] LAST = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    private final CligenStation station;
    private final int year;
    private final int season; // the month from 0 whose means it has
    private int month = 1;
    private int ofMonth;
    private double rain; // mm
    private double hours;
    private double peak;
    private double intensity;
    private double highest;
    private double lowest;

    Day(CligenStation station, int year, int ofYear) {
      this.station = station;
      this.year = year;
      int left = ofYear;
      while (left > daysOf(month)) {
        left -= daysOf(month);
        month++;
      }
      ofMonth = left;
      season = month - 1;
      highest = celsius(station.highest[season]);
      lowest = celsius(station.lowest[season]);
      wet(ofYear % 4 == 0 ? station.rain[season] * 25.4 : 0);
    }

    private int daysOf(int which) {
      return which == 2 && Weather.daysIn(year) == 366 ? 29 : LAST[which - 1];
    }

    private void wet(double millimetres) {
      rain = millimetres;
      boolean dry = millimetres == 0;
      hours = dry ? 0 : 2;
      peak = dry ? 0 : 0.3;
      intensity = dry ? 0 : 2;
    }

    void observe(int hundredthsOfInches, int most, int least) {
      if (hundredthsOfInches != MISSING) {
        wet(hundredthsOfInches * 0.254);
      }
      highest = most == MISSING ? highest : celsius(most);
      lowest = least == MISSING ? lowest : celsius(least);
    }

    String line() {
      Columns line = new Columns().whole(ofMonth, 3).whole(month, 3).whole(year, 6);
      line.fixed(rain, 6, 1).fixed(hours, 6, 2).fixed(peak, 5, 2).fixed(intensity, 7, 2);
      line.fixed(highest, 6, 1).fixed(lowest, 6, 1);
      line.whole(Math.round(station.radiation[season]), 4).add(".").fixed(2, 5, 1);
      line.whole(180, 5).add(".").fixed(celsius(station.dew[season]), 6, 1);
      return line.line().toString();
    }
  }
}
