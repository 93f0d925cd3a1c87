package cloud.wepp.worker.wepp;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Whether a run of WEPP can be good, before it starts, and whether it was, after its end. WEPP says
 * that all went well on a full disk, with half a climate, and with inputs that make nonsense of
 * every number.
 *
 * @param strictness what becomes of a run that WEPPcloud accepts today, but that is doubtful
 * @param longestName the most characters of a file's name that the executable reads
 */
record RunCheck(Strictness strictness, int longestName) {

  /** What a doubt does. */
  enum Strictness {
    /** It fails the run. */
    FAIL,
    /** It is told. */
    WARN,
    /** Nothing is looked at but the success line. */
    OFF
  }

  private static final Pattern PASS = Pattern.compile("(?:NO |SUB)?EVENT\\s+(\\d+)\\s+(\\d+)\\b.*");
  private static final Pattern WATER = Pattern.compile("\\d+\\s+(\\d+)\\s+(\\d+)\\s.*");
  private static final String LOSS_END = "SSA enrichment ratio leaving profile";
  private static final int SHORTEST_YEAR = 365;
  private static final int SOME_BYTES = 4096;
  private static final int DAILY_VALUES = 13; // in a line of a climate

  /** Kilobytes a year that a hillslope's outputs take, by the end of their names. */
  private static final Map<String, Integer> KILOBYTES =
      Map.of("element.dat", 64, "wat.dat", 29, "soil.dat", 29, "pass.dat", 24, "ebe.dat", 8);

  /** What is wrong, and what is doubtful. */
  record Findings(List<String> failures, List<String> doubts) {
    Findings() {
      this(new ArrayList<>(), new ArrayList<>());
    }
  }

  /** What a run leaves: each output with its reading. */
  interface Outputs {
    /** One of them, by the name that the model is told. */
    FileScan scan(String output) throws IOException;
  }

  /**
   * Looks at the inputs of a run, all of which exist.
   *
   * @throws JobFailed if there is no room for the outputs
   */
  Findings before(Model model, Answers answers) throws IOException, JobFailed {
    Findings found = new Findings();
    if (strictness == Strictness.OFF) {
      return found;
    }
    for (String name :
        Stream.concat(answers.inputs().stream(), answers.outputs().stream()).toList()) {
      if (name.length() > longestName) {
        found.failures.add(
            "the name %s has %d characters, and WEPP reads %d"
                .formatted(name, name.length(), longestName));
      }
    }
    for (String name : answers.inputs()) {
      if (Files.size(model.runs().resolve(name)) == 0) {
        found.failures.add(name + " is empty");
      }
    }
    for (String name : answers.outputs()) {
      Path file = model.runs().resolve(name);
      if (Files.exists(file) && !Files.isRegularFile(file)) {
        found.failures.add("the output " + name + " is no file");
      }
    }
    if (found.failures.isEmpty()) {
      int years = answers.yearsAsked();
      if (years == 0 && !answers.years().isEmpty()) {
        found.doubts.add(
            "the number of years is '%s': WEPP simulates one".formatted(answers.years()));
      }
      for (String name : answers.inputs()) {
        Path file = model.runs().resolve(name);
        switch (suffix(name)) {
          case "cli" -> climate(name, file, years, found.doubts);
          case "man" -> management(name, file, years, found.doubts);
          case "slp" -> {
            if (!model.kind().routing) {
              slope(name, file, found);
            }
          }
          default -> {}
        }
      }
      space(model, answers, years);
    }
    return settled(found);
  }

  /**
   * Looks at what a run that said success has left.
   *
   * @param years that it has said it simulates
   */
  Findings after(Model model, Answers answers, int exit, int years, Outputs outputs)
      throws IOException {
    Findings found = new Findings();
    if (strictness == Strictness.OFF) {
      return found;
    }
    if (exit != 0) {
      found.doubts.add("it ended with " + (exit > 0 ? "code " + exit : "signal " + -exit));
    }
    int asked = answers.yearsAsked();
    // gfortran's routing tells no years
    if (asked > 0 && asked != years && !(model.kind().routing && years == 0)) {
      found.doubts.add("it simulated %d of %d years".formatted(years, asked));
    }
    boolean nonsense = false;
    for (String name : answers.outputs()) {
      try {
        FileScan scan = outputs.scan(name);
        if (scan.bytes() == 0) {
          found.failures.add(name + " is empty");
        } else {
          nonsense |= read(name, scan, asked > 0, found);
        }
      } catch (NoSuchFileException e) {
        found.failures.add(name + " is missing");
      }
    }
    if (nonsense) {
      for (String name : answers.inputs()) {
        long line = FileScan.of(model.runs().resolve(name)).notANumber();
        if (line > 0) {
          found.doubts.add("its input %s has NaN or Infinity in line %d".formatted(name, line));
        }
      }
    }
    return settled(found);
  }

  /** Returns whether it has numbers that are none. */
  private static boolean read(String name, FileScan scan, boolean daily, Findings found) {
    String low = name.toLowerCase(Locale.ROOT);
    @Nullable String cut = null;
    if (low.endsWith(".loss.dat")) {
      cut = scan.lastLine().contains(LOSS_END) ? null : "does not end with its last line";
    } else if (daily && low.endsWith(".pass.dat")) {
      cut = lastDay(scan, PASS, matcher -> matcher.group(2), matcher -> matcher.group(1));
    } else if (daily && low.endsWith(".wat.dat")) {
      cut = lastDay(scan, WATER, matcher -> matcher.group(1), matcher -> matcher.group(2));
    }
    if (cut != null) {
      found.failures.add(name + " " + cut);
    }
    if (scan.notANumber() > 0) {
      found.doubts.add("%s has NaN or Infinity in line %d".formatted(name, scan.notANumber()));
    }
    return scan.notANumber() > 0;
  }

  /** A file of daily lines ends with the last day of a year. */
  private static @Nullable String lastDay(
      FileScan scan, Pattern daily, Function<Matcher, String> day, Function<Matcher, String> year) {
    if (!scan.endsInLine()) {
      return "ends in the middle of a line";
    }
    // the last day may have lines of another form after its first
    for (String line : scan.end().reversed()) {
      Matcher matcher = daily.matcher(line);
      if (matcher.matches()) {
        return Integer.parseInt(day.apply(matcher)) >= SHORTEST_YEAR
            ? null
            : "ends on day %s of year %s".formatted(day.apply(matcher), year.apply(matcher));
      }
    }
    return null;
  }

  private Findings settled(Findings found) {
    return strictness == Strictness.FAIL
        ? new Findings(
            Stream.concat(found.failures.stream(), found.doubts.stream()).toList(), List.of())
        : found;
  }

  private static void climate(String name, Path file, int years, List<String> doubts)
      throws IOException {
    List<String> lines = head(file).limit(5).toList();
    String[] station = lines.size() < 5 ? new String[0] : words(lines.get(4));
    Integer first = station.length > 5 ? number(station[4]) : null;
    Integer count = station.length > 5 ? number(station[5]) : null;
    if (years == 0 || first == null || count == null) {
      return;
    }
    if (count < years) {
      doubts.add("%s has %d years, and %d are asked for".formatted(name, count, years));
    }
    String[] form = words(lines.get(1));
    boolean breakpoints = form.length > 1 && !form[1].equals("0");
    LocalDate last = breakpoints ? LocalDate.MAX : lastDate(file);
    if (last == null || last.isBefore(LocalDate.of(first + Math.min(years, count) - 1, 12, 31))) {
      doubts.add(
          "%s ends on %s, and %d years from %d are asked for"
              .formatted(name, last == null ? "no date" : last, years, first));
    }
  }

  /** Of the last line, if it is a complete one. */
  private static @Nullable LocalDate lastDate(Path file) throws IOException {
    try (FileChannel in = FileChannel.open(file)) {
      ByteBuffer end = ByteBuffer.allocate(SOME_BYTES);
      int count = in.read(end, Math.max(0, in.size() - SOME_BYTES));
      String[] day =
          new String(end.array(), 0, Math.max(0, count), StandardCharsets.ISO_8859_1)
              .lines()
              .filter(line -> !line.isBlank())
              .reduce((before, line) -> line)
              .map(RunCheck::words)
              .orElse(new String[0]);
      return day.length < DAILY_VALUES ? null : Climate.date(day[2], day[1], day[0]);
    }
  }

  /** Version, elements, years. */
  private static void management(String name, Path file, int years, List<String> doubts)
      throws IOException {
    List<String> lines = content(file);
    Integer has = lines.size() > 2 ? number(words(lines.get(2))[0]) : null;
    if (has != null && has < years) {
      doubts.add("%s has %d years, and %d are asked for".formatted(name, has, years));
    }
  }

  /** Version, elements, then azimuth and width, then for each element points and length. */
  private static void slope(String name, Path file, Findings found) throws IOException {
    List<String> lines = content(file);
    if (lines.size() < 4) {
      return;
    }
    String[] profile = words(lines.get(2));
    String[] element = words(lines.get(3));
    if (profile.length > 1) {
      positive(name, "width", profile[1], found);
    }
    if (element.length > 1) {
      positive(name, "length", element[1], found);
    }
  }

  private static void positive(String name, String what, String text, Findings found) {
    double value;
    try {
      value = Double.parseDouble(text);
    } catch (NumberFormatException e) {
      return; // WEPP stops at it
    }
    if (value < 0) {
      found.failures.add("%s has a %s of %s: WEPP may never end".formatted(name, what, text));
    } else if (!(value > 0) || Double.isInfinite(value)) {
      found.doubts.add("%s has a %s of %s".formatted(name, what, text));
    }
  }

  private static void space(Model model, Answers answers, int years) throws IOException, JobFailed {
    long needed = 0;
    for (String name : answers.outputs()) {
      String kind = name.substring(name.lastIndexOf('.', name.length() - 5) + 1);
      needed += 1000L * years * KILOBYTES.getOrDefault(kind, 0);
    }
    long free = needed == 0 ? 0 : Files.getFileStore(model.runs()).getUsableSpace();
    if (free < needed) {
      throw StorageFault.failure(
          "%s: %d years need about %d MB, and there are %d MB left for %s"
              .formatted(
                  StorageFault.NO_SPACE,
                  years,
                  needed / 1_000_000,
                  free / 1_000_000,
                  model.runs()));
    }
  }

  private static String suffix(String name) {
    return name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
  }

  private static String[] words(String line) {
    return line.strip().split("[\\s,]+");
  }

  private static @Nullable Integer number(String text) {
    return text.matches("\\d{1,6}") ? Integer.valueOf(text) : null;
  }

  /** The first lines, without comments. */
  private static List<String> content(Path file) throws IOException {
    return head(file)
        .map(line -> line.replaceAll("#.*", "").strip())
        .filter(line -> !line.isEmpty())
        .toList();
  }

  private static Stream<String> head(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      return new String(in.readNBytes(SOME_BYTES), StandardCharsets.ISO_8859_1).lines();
    }
  }
}
