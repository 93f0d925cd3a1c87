package cloud.wepp.worker.demo;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Run folders with real inputs of a WEPPcloud run near Darrington, Washington, laid out from the
 * class path; {@code wepp-sample/README.md} there says whose they are.
 */
public final class SampleRuns {
  private static final int YEARS = 3;
  private static final String SMALL = "watershed-7/runs/";
  private static final String CONVERTED = "weppcloud-32/runs-7778/";
  private static final String ORIGINAL = "weppcloud-32/runs-9002/";

  private SampleRuns() {}

  /** Seven hillslopes and three channels, 2000 to 2002. */
  public static void watershed7(Path run) throws IOException {
    Path runs = folders(run);
    for (int id = 1; id <= 7; id++) {
      for (String suffix : List.of("man", "slp", "sol", "run")) {
        String name = "p" + id + "." + suffix;
        copy(SMALL + name, runs.resolve(name));
      }
    }
    for (String name : List.of("pw0.chn", "pw0.imp", "pw0.man", "pw0.run", "pw0.slp", "pw0.sol")) {
      copy(SMALL + name, runs.resolve(name));
    }
    for (String name : List.of("pw0.str", "chan.inp", "pmetpara.txt", "snow.txt")) {
      copy(SMALL + name, runs.resolve(name));
    }
    climates(runs, 7, read(SMALL + "p1.cli"));
  }

  /** What the real executable wrote and said on watershed-7, as far as it was kept. */
  public static void watershed7Recorded(Path folder) throws IOException {
    Files.createDirectories(folder);
    for (String name :
        List.of(
            "H1.loss.dat",
            "H1.pass.dat",
            "H5.loss.dat",
            "SHA256SUMS",
            "ebe_pw0.txt",
            "loss_pw0.txt",
            "p1.stdout.txt",
            "plot_pw0.txt",
            "pw0.stdout.trimmed.txt")) {
      copy("watershed-7/expected/" + name, folder.resolve(name));
    }
  }

  /**
   * Thirty-two hillslopes and fifteen channels, with the climate of watershed-7: same station, 2000
   * to 2002 only. The recorded sums do not hold for it.
   */
  public static void weppcloud32(Path run) throws IOException {
    weppcloud32(run, read(SMALL + "p1.cli"), YEARS);
  }

  /**
   * The same with another climate. The recorded sums hold for 11 years that CLIGEN 5.32300 makes
   * from {@link #station}, beginning with 2000.
   */
  public static void weppcloud32(Path run, Path climate, int years) throws IOException {
    weppcloud32(run, Files.readAllBytes(climate), years);
  }

  /** Copies CLIGEN's station file of Darrington into the folder. */
  public static Path station(Path folder) throws IOException {
    return cligen("wa451992.par", folder);
  }

  /** Copies an input of CLIGEN into the folder, by its name in {@code wepp-sample/cligen}. */
  public static Path cligen(String name, Path folder) throws IOException {
    Path file = folder.resolve(name);
    copy("cligen/" + name, file);
    return file;
  }

  private static void weppcloud32(Path run, byte[] climate, int years) throws IOException {
    Path runs = folders(run);
    List<String> which = new String(read("weppcloud-32/WHICH.tsv"), UTF_8).lines().skip(1).toList();
    for (String line : which) {
      String[] column = line.split("\t", -1);
      for (String id : column[0].split(" ", -1)) {
        copy(ORIGINAL + column[1], runs.resolve("p" + id + ".man"));
        copy(CONVERTED + column[2], runs.resolve("p" + id + ".sol"));
      }
    }
    for (int id = 1; id <= 32; id++) {
      copy(CONVERTED + "p" + id + ".slp", runs.resolve("p" + id + ".slp"));
      Files.writeString(runs.resolve("p" + id + ".run"), Answers.hillslope(id, years));
    }
    for (String name : List.of("pw0.chn", "pw0.man", "pw0.slp", "pw0.sol", "pw0.str")) {
      copy(ORIGINAL + name, runs.resolve(name));
    }
    for (String name : List.of("chan.inp", "pmetpara.txt", "snow.txt", "tc.txt", "wepp_ui.txt")) {
      copy(ORIGINAL + name, runs.resolve(name));
    }
    copy(SMALL + "pw0.imp", runs.resolve("pw0.imp"));
    Files.writeString(runs.resolve("pw0.run"), Answers.watershed(32, years));
    climates(runs, 32, climate);
  }

  private static Path folders(Path run) throws IOException {
    Files.createDirectories(run.resolve("wepp/output"));
    return Files.createDirectories(run.resolve("wepp/runs"));
  }

  private static void climates(Path runs, int hillslopes, byte[] climate) throws IOException {
    for (int id = 1; id <= hillslopes; id++) {
      Files.write(runs.resolve("p" + id + ".cli"), climate);
    }
    Files.write(runs.resolve("pw0.cli"), climate);
  }

  private static void copy(String resource, Path file) throws IOException {
    Files.write(file, read(resource));
  }

  private static byte[] read(String resource) throws IOException {
    try (InputStream in = SampleRuns.class.getResourceAsStream("/wepp-sample/" + resource)) {
      if (in == null) {
        throw new FileNotFoundException("wepp-sample/" + resource + " is not on the class path");
      }
      return in.readAllBytes();
    }
  }
}
