package cloud.wepp.worker.demo;

import cloud.wepp.worker.demo.Outputs.Kind;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A stand-in for the WEPP executable, which is not ours to distribute. To its caller it behaves as
 * WEPP does: no arguments, answers on stdin, file names relative to the working folder, the texts
 * on stdout that callers look for, the same ends, good and bad. It reads every input and writes
 * every output it is told, but it computes no erosion: what it writes sums up the inputs, and says
 * who made it. It knows continuous simulation only.
 *
 * <p>{@code STANDIN_REPLAY} names a folder with recorded output of the real executable, which is
 * copied as far as it goes. {@code STANDIN_MILLIS} is CPU time to burn.
 *
 * <p>One is started per hillslope, so it must be quick to load: no regular expressions, lambdas,
 * {@code String.format} or text joined by {@code +}, here and in what it uses.
 */
public final class StandInModel {
  static final String MARK = "STAND-IN for the WEPP executable: no erosion was computed";

  private final Dialogue talk;
  private final Outputs outputs;
  private final Duration work;

  private StandInModel(Dialogue talk, Outputs outputs, Duration work) {
    this.talk = talk;
    this.outputs = outputs;
    this.work = work;
  }

  /** A hillslope or all channels; the years are those asked for that all inputs have. */
  private record Site(
      String id, Inputs.Management management, Inputs.Slope slope, Weather weather, int years) {}

  public static void main(String[] args) throws IOException {
    String recorded = System.getenv("STANDIN_REPLAY");
    String millis = System.getenv("STANDIN_MILLIS");
    Dialogue talk = new Dialogue(System.in);
    Outputs outputs = new Outputs(recorded == null ? null : Path.of(recorded));
    Duration work = Duration.ofMillis(millis == null ? 0 : Long.parseLong(millis));
    int exit = 0;
    @Nullable String error = null;
    try {
      new StandInModel(talk, outputs, work).run();
    } catch (Stop e) {
      exit = e.exit();
      error = String.valueOf(e.getMessage());
    } catch (IOException e) {
      exit = 2;
      error = e.toString();
    }
    if (error != null && exit == 0) {
      talk.say(error);
    }
    talk.flush();
    if (exit != 0) {
      System.err.println("Fortran runtime error: ".concat(String.valueOf(error)));
    }
    System.exit(exit);
  }

  private void run() throws IOException {
    talk.say(MARK);
    talk.ask("Enter [e] or [m] --> [m]etric default");
    talk.yes("Do you wish to drop out of the model upon invalid input");
    talk.option("Enter option (1 or 2) --> [1] continuous simulation", 1, 1);
    if (talk.option("Enter option (1,2 or 3) --> [1] hillslope, [2] watershed", 1, 2) == 2) {
      watershed();
    } else {
      hillslope();
    }
  }

  private void hillslope() throws IOException {
    offer("hillslope pass file", Kind.PASS);
    talk.option("Enter Soil Loss output option [1]", 1, 5);
    offer("initial condition scenario", Kind.DAILY);
    output("soil loss", Kind.LOSS);
    offerDetails();
    Site site = site(false);
    talk.option("Enter 1 to bypass small events, 0 to route all [0]", 0, 1);
    if (site.slope.elements() != site.management.elements()) {
      Columns why = new Columns().add("*** SLOPE FILE IS FOR ").whole(site.slope.elements(), 2);
      throw Stop.refused(why.add(" ELEMENTS ***").toString());
    }
    if (InputFile.exists("pmetpara.txt")) {
      Inputs.table(InputFile.open("pmetpara.txt"));
    }
    finish("HILLSLOPE", site, simulate(site, site.slope.area()));
  }

  private void watershed() throws IOException {
    output("master watershed pass", Kind.DAILY);
    double area = hillslopes();
    talk.ask("Press Enter to go on with the channels");
    boolean impoundments = talk.yes("Do you wish to model impoundments on the watershed");
    offer("initial condition scenario", Kind.DAILY);
    talk.option("Enter Soil Loss output option [0]", 0, 5);
    output("watershed erosion", Kind.WATERSHED_LOSS);
    offerDetails();
    int structure = Inputs.structure(talk.input("watershed structure"));
    int channels = Inputs.channels(talk.input("watershed channel"));
    if (impoundments) {
      Inputs.impoundments(talk.input("impoundment"));
    }
    Site site = site(true);
    if (channels != structure || channels != site.management.elements()) {
      throw Stop.refused("Program stop - # channels must be the same in all three files");
    }
    outputs.create("chan.out", Kind.DAILY);
    outputs.create("chanwb.out", Kind.DAILY);
    finish("WATERSHED", site, simulate(site, area + site.slope.area()));
  }

  /** The area of all hillslopes, in square metres. */
  private double hillslopes() throws IOException {
    int hillslopes = talk.count("Enter the number of hillslopes");
    List<String> passes = new ArrayList<>();
    for (int id = 1; id <= hillslopes; id++) {
      talk.ask("Enter [e] or [m] --> [m]etric default");
      talk.yes("Do you wish to use an existing hillslope pass file");
      passes.add(talk.name("Enter name of existing hillslope pass file"));
      Columns line = new Columns().add("Hillslope ").whole(id, 4);
      talk.say(line.add(" SUCCESSFUL simulation").toString());
    }
    talk.say("WRITING HILLSLOPE --> WATERSHED PASS FILE INFORMATION");
    double area = 0;
    for (String pass : passes) {
      area += Inputs.pass(pass);
    }
    // The real one prints this too, half-way: a trap for callers that look for SUCCESSFULLY.
    talk.say("WEPP COMPLETED HILLSLOPE/WATERSHED SIMULATION SUCCESSFULLY");
    return area;
  }

  private void offerDetails() throws IOException {
    offer("water balance", Kind.DAILY);
    offer("crop", Kind.DAILY);
    offer("soil", Kind.DAILY);
    offer("distance and sediment loss", Kind.DAILY);
    offer("large graphics", Kind.DAILY);
    offer("event by event", Kind.DAILY);
    offer("element", Kind.DAILY);
    offer("final summary", Kind.DAILY);
    offer("daily winter", Kind.DAILY);
    offer("plant yield", Kind.DAILY);
  }

  private void offer(String what, Kind kind) throws IOException {
    if (talk.yes("Do you want ".concat(what).concat(" output"))) {
      output(what, kind);
    }
  }

  private void output(String what, Kind kind) throws IOException {
    String question = "Enter file name for ".concat(what).concat(" output");
    String name = talk.name(question);
    try {
      outputs.create(name, kind);
    } catch (IOException e) {
      throw talk.refused(question, name, "\n file already exists");
    }
  }

  private Site site(boolean channels) throws IOException {
    InputFile managementFile = talk.input("management");
    Inputs.Management management = Inputs.management(managementFile);
    Inputs.Slope slope = Inputs.slope(talk.input("slope"), channels);
    Weather weather = Weather.read(talk.input("storm"));
    Inputs.soil(talk.input("soil"));
    talk.option("Enter irrigation option [0]", 0, 6);
    int years = Math.min(talk.years(), Math.min(weather.years(), management.years()));
    return new Site(managementFile.baseName(), management, slope, weather, years);
  }

  private Run simulate(Site site, double area) throws IOException {
    Weather weather = site.weather;
    boolean silent = outputs.recordedTalk(site.id) != null;
    List<Weather.Day> days = new ArrayList<>();
    for (int k = 1; k <= site.years; k++) {
      if (!silent) {
        talk.say(new Columns().add("SIMULATION YEAR = ").whole(k, 11).toString());
        talk.flush();
      }
      int year = weather.firstYear() + k - 1;
      for (int day = 1; day <= Weather.daysIn(year); day++) {
        days.add(weather.next(year, day));
      }
      burn(work.dividedBy(site.years));
    }
    return new Run(weather.name(), area, weather.firstYear(), site.years, days);
  }

  private static void burn(Duration cpu) {
    if (cpu.isZero()) {
      return;
    }
    Duration end = cpuUsed().plus(cpu);
    while (cpuUsed().compareTo(end) < 0) {
      Thread.onSpinWait();
    }
  }

  private static Duration cpuUsed() {
    return ProcessHandle.current().info().totalCpuDuration().orElseThrow();
  }

  private void finish(String what, Site site, Run run) throws IOException {
    outputs.fill(run);
    byte @Nullable [] recordedTalk = outputs.recordedTalk(site.id);
    if (recordedTalk != null) {
      talk.say("What the real executable said, as recorded:");
      talk.show(recordedTalk);
      return;
    }
    talk.say("");
    Columns end = new Columns().add("WEPP COMPLETED ").add(what).add(" SIMULATION ");
    end.add(talk.defaulted() ? "WITH NOTES, CAUTIONS, OR WARNINGS" : "SUCCESSFULLY");
    talk.say(end.toString());
  }
}
