package cloud.wepp.worker.demo;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.Locale;
import java.util.Random;

/**
 * A small made-up watershed in WEPP's file formats: three hillslopes drain into one channel, over
 * two years of made-up weather. Made by this class, from no data of others.
 */
public final class SampleWatershed {
  public static final int HILLSLOPES = 3;
  private static final int YEARS = 2;
  private static final int FIRST_YEAR = 2001;

  private SampleWatershed() {}

  /** Lays out {@code wepp/runs} and {@code wepp/output} below the run folder. */
  public static void layOut(Path run) throws IOException {
    Path runs = Files.createDirectories(run.resolve("wepp/runs"));
    Files.createDirectories(run.resolve("wepp/output"));
    String climate = climate();
    for (int id = 1; id <= HILLSLOPES; id++) {
      write(runs, "p" + id + ".cli", climate);
      write(runs, "p" + id + ".man", management(1, "Sample grass"));
      write(runs, "p" + id + ".slp", slope(id));
      write(runs, "p" + id + ".sol", soil());
      write(runs, "p" + id + ".run", Answers.hillslope(id, YEARS));
    }
    write(runs, "pw0.cli", climate);
    write(runs, "pw0.man", management(1, "Sample channel"));
    write(runs, "pw0.slp", "99.1\n1\n200.0 1.0\n3 150.0\n0.0, 0.05 0.5, 0.04 1.0, 0.03\n");
    write(runs, "pw0.sol", channelSoil());
    write(runs, "pw0.str", "99.1\n2    1 2 3   0 0 0   0 0 0\n");
    write(
        runs,
        "pw0.chn",
        """
        99.1
        1
        4
        1.500000
        Sample channel
        made for the demo
        of rq-worker
        2
        1
        1
        0
        19.99000 0.03
        0.04 1e-06 19.0 900.00000 0.00010
        0.02000 4.00000 0.04000
        """);
    write(runs, "pw0.imp", "99.1\n0\n");
    write(runs, "chan.inp", "1 600\n0\n1\n4\n");
    write(runs, "pw0.run", Answers.watershed(HILLSLOPES, YEARS));
  }

  private static void write(Path folder, String name, String text) throws IOException {
    Files.writeString(folder.resolve(name), text, UTF_8);
  }

  private static String climate() {
    Random weather = new Random(20260101);
    StringBuilder text =
        new StringBuilder(
            """
            5.32300
               1   0   0
              Station:  MADE UP FOR THE DEMO                           CLIGEN VER. 5.32300 -r:    0 -I: 0
             Latitude Longitude Elevation (m) Obs. Years   Beginning year  Years simulated Command Line:
                46.70  -117.00         780          40        %d               %d          demo
             Observed monthly ave max temperature (C)
               2.0   5.0   9.0  14.0  19.0  23.0  28.0  28.0  22.0  15.0   7.0   2.0
             Observed monthly ave min temperature (C)
              -5.0  -3.0  -1.0   2.0   6.0   9.0  11.0  11.0   7.0   2.0  -1.0  -4.0
             Observed monthly ave solar radiation (Langleys/day)
             120.0 190.0 290.0 400.0 490.0 540.0 600.0 510.0 390.0 240.0 140.0 100.0
             Observed monthly ave precipitation (mm)
              75.0  60.0  60.0  55.0  55.0  40.0  20.0  20.0  30.0  45.0  75.0  80.0
             da mo year  prcp  dur   tp     ip  tmax  tmin  rad  w-vl w-dir  tdew
                         (mm)  (h)               (C)   (C) (l/d) (m/s)(Deg)   (C)
            """
                .formatted(FIRST_YEAR, YEARS));
    LocalDate end = LocalDate.of(FIRST_YEAR + YEARS, 1, 1);
    for (LocalDate day = LocalDate.of(FIRST_YEAR, 1, 1); day.isBefore(end); day = day.plusDays(1)) {
      double season = Math.cos((day.getDayOfYear() - 200) * 2 * Math.PI / 365);
      boolean wet = weather.nextDouble() < 0.35 - 0.2 * season;
      double rain = wet ? 1 + weather.nextDouble() * 22 : 0;
      double high = 14 + 13 * season + weather.nextGaussian() * 3;
      double low = high - 6 - weather.nextDouble() * 7;
      text.append(
          String.format(
              Locale.ROOT,
              "%3d %2d  %4d %5.1f %5.2f %4.2f %6.2f %5.1f %5.1f %4.0f. %4.1f %4.0f. %5.1f%n",
              day.getDayOfMonth(),
              day.getMonthValue(),
              day.getYear(),
              rain,
              wet ? 1 + weather.nextDouble() * 8 : 0,
              wet ? 0.05 + weather.nextDouble() * 0.6 : 0,
              wet ? 1.01 + weather.nextDouble() * 4 : 0,
              high,
              low,
              350 + 230 * season,
              1 + weather.nextDouble() * 5,
              weather.nextDouble() * 359,
              low - 1));
    }
    return text.toString();
  }

  private static String slope(int id) {
    return "97.5\n1\n%d.0 80.0\n3 %d.0\n0.0, 0.02 0.5, 0.%d5 1.0, 0.05\n"
        .formatted(90 * id, 60 + 20 * id, id);
  }

  private static String soil() {
    return """
    7778
    # Made for the demo of rq-worker
    Sample silt loam
    1 0
    'Sample' 'silt loam' 1 0.2300 0.7500 1500000 0.010000 2.000000
        300	1.30	12.0	1.0	0.300	0.120	30	18	2.5	15	5
    1 10000 0.0001
    """;
  }

  private static String channelSoil() {
    return """
    7778.0
    comments: soil file
    1 1
    Sample MPM 1 0.02 0.75 4649000 1e-06 19.0
        400	1.5	0.5	1	0.242	0.1145	66.8	7	3	11.3	20
    1 10000 0.0001
    """;
  }

  private static String management(int ofes, String name) {
    StringBuilder years = new StringBuilder();
    for (int year = 0; year < YEARS; year++) {
      years.append("   1 \t# plants/year\n      1 \t# yearly index\n");
    }
    return """
    98.4
    %d # number of ofes or channels
    %d # sim_years

    #############################
    #   Plant Growth Section    #
    #############################
    1 # ncrop
    %s
    made for the demo
    of rq-worker
    (null)
    1 # Landuse - <Cropland>
    WeppWillSet
    14.00000 3.00000 0.00000 2.00000 5.00000 5.00000 0.00000 20.00000 1.00000 1.00000
    0.50000 1.00000 0.90000 0.99000 17.00000 0.00000 0.42000 20.00000
    2
    0.00000 0.00000 20.00000 0.10000 4.00000 2.00000 0.33000 0.50000 90 40.00000
    -40.00000 14.00000 0.00000

    #############################
    #     Operation Section     #
    #############################
    0 # nop

    #############################
    # Initial Condition Section
    #############################
    1 # nini
    Sample start
    made for the demo
    of rq-worker
    (null)
    1 # Landuse - <Cropland>
    0.75000 0.90000 330 1000 0.00000 1.00000
    1
    2
    400.00000 0.10000 1.00000 0.10000 0.00000
    1
    0.00000 0.00000 0.00000 0.00000 0.00000
    0.50000 0.50000

    #############################
    #  Surface Effects Section  #
    #############################
    0 # nseq

    #############################
    #      Contour Section      #
    #############################
    0 # ncnt

    #############################
    #      Drainage Section     #
    #############################
    0 # ndrain

    #############################
    #       Yearly Section      #
    #############################
    1 # nscen
    Year 1
    (null)
    (null)
    (null)
    1 # Landuse - <Cropland>
    1 \t# Plant Growth Scenario index (itype)
    0 \t# Surface Effect Scenario index (itype)
    0 \t# Contour Scenario index (conset)
    0 \t# Drainage Scenario index (drset)
    2 \t# Cropping system (imngmt)
       0 \t# Harvesting date or end of fallow period (jdharv)
       0 \t# Planting date or start of fallow period (jdplt)
       0 \t# Planting date or start of fallow period (jdstop)
       0.00000 \t# Row width (rw)
       3 \t# Crop management option (mgtopt)

    #############################
    #     Management Section    #
    #############################
    Manage
    description 1
    description 2
    description 3
    1 # number of ofes in the rotation (nofe)
    # Initial Condition Scenario indices used for each OFE
      1
    1 # number of times the rotation is repeated (nrots)
    %d # number of years in a single rotation
    %s\
    """
        .formatted(ofes, YEARS, name, YEARS, years);
  }
}
