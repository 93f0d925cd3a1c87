package cloud.wepp.worker.demo;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The files a stand-in writes: created when they are named, filled when the run is over. */
final class Outputs {
  private final @Nullable Path recorded;
  private final List<Output> outputs = new ArrayList<>();

  /** Output of this name in the folder of recorded output is copied instead of made. */
  Outputs(@Nullable Path recorded) {
    this.recorded = recorded;
  }

  enum Kind {
    /** What a hillslope hands to the routing run. */
    PASS,
    LOSS,
    WATERSHED_LOSS,
    /** Every other output: the rain of each day. */
    DAILY
  }

  private record Output(String name, Kind kind) {}

  void create(String name, Kind kind) throws IOException {
    Files.newOutputStream(Path.of(name)).close();
    outputs.add(new Output(name, kind));
  }

  void fill(Run run) throws IOException {
    byte[] daily = bytes(daily(run));
    for (Output output : outputs) {
      Path file = Path.of(output.name);
      byte @Nullable [] copy = recorded(String.valueOf(file.getFileName()));
      if (copy != null) {
        write(file, copy);
      } else if (output.kind == Kind.DAILY) {
        write(file, daily);
      } else {
        write(file, bytes(output.kind == Kind.PASS ? pass(run) : loss(output.kind, run)));
      }
    }
  }

  /** On a full disk the real executable ends well and loses its output. */
  private static void write(Path file, byte[] content) {
    try {
      Files.write(file, content);
    } catch (IOException e) {
      // as the Fortran runtime does
    }
  }

  /** What the real executable said on stdout. */
  byte @Nullable [] recordedTalk(String id) throws IOException {
    byte @Nullable [] whole = recorded(id.concat(".stdout.txt"));
    return whole != null ? whole : recorded(id.concat(".stdout.trimmed.txt"));
  }

  private byte @Nullable [] recorded(String name) throws IOException {
    Path copy = recorded == null ? null : recorded.resolve(name);
    return copy != null && Files.exists(copy) ? Files.readAllBytes(copy) : null;
  }

  private static Columns daily(Run run) {
    Columns text = new Columns().add(StandInModel.MARK).line();
    text.add("  ofe  jday  year   rain(mm)").line();
    for (Weather.Day day : run.days()) {
      text.whole(1, 5).whole(day.ofYear(), 6).whole(day.year(), 6).fixed(day.rain(), 11, 1).line();
    }
    return text;
  }

  /** A tenth of the rain leaves the hillslope below ground, so that there is something to route. */
  private static Columns pass(Run run) {
    Columns text = new Columns().left(run.climate(), 51).add(StandInModel.MARK).line();
    text.whole(run.years(), 5).whole(run.firstYear(), 10).line();
    text.exponent(run.area()).line();
    text.add("  5    0.20000E-05 0.10000E-04 0.30000E-04 0.30000E-03 0.20000E-03").line();
    for (Weather.Day day : run.days()) {
      boolean dry = day.rain() == 0;
      text.left(dry ? "NO EVENT" : "SUBEVENT", 11).whole(day.year(), 4).whole(day.ofYear(), 6);
      if (!dry) {
        double depth = day.rain() / 10 / 1000;
        text.add("      ").exponent(depth).add(" ").exponent(depth * run.area());
        text.add(" 0.00000E+00 0.00000E+00");
      }
      text.line();
    }
    return text;
  }

  private static Columns loss(Kind kind, Run run) {
    Columns text = new Columns().add(StandInModel.MARK).line().line();
    text.add("      total summary:  years    1 - ").whole(run.years(), 4).line();
    text.whole(run.storms(), 10).add(" storms produced").fixed(run.rain(), 31, 2);
    text.add(" mm of precipitation").line().line();
    text.add("        Number of years").whole(run.years(), 37).line();
    text.add("        Mean annual precipitation").fixed(run.rain() / run.years(), 32, 2);
    text.add("    mm").line().line();
    if (kind == Kind.LOSS) {
      text.add("     Average annual SSA enrichment ratio leaving profile =   0.00").line();
    } else {
      text.add("Total contributing area to outlet                   =");
      text.fixed(run.area() / 10_000, 31, 2).add(" ha").line();
    }
    return text;
  }

  private static byte[] bytes(Columns text) {
    return text.toString().getBytes(UTF_8);
  }
}
