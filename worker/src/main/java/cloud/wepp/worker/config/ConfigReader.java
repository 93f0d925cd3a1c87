package cloud.wepp.worker.config;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.databind.JsonNode;
import tools.jackson.dataformat.yaml.YAMLMapper;

/**
 * Reads {@link WorkerConfig} from defaults, a preset, a YAML file, the environment and {@code
 * --set}.
 */
public final class ConfigReader {
  private static final String PREFIX = "RQ_WORKER_";

  /** The variable that names a preset. */
  public static final String PRESET = PREFIX + "PRESET";

  /** Each is a file of settings beside this class. */
  private static final List<String> PRESETS =
      List.of("weppcloud-default", "weppcloud-batch", "weppcloud-fork-archive");

  private static final Pattern DURATION =
      Pattern.compile("(\\d{1,9})(\\.\\d{1,3})?\\s*(ms|s|m|h|d|)");

  /** The variables that Kubernetes makes for a Service whose name begins as this worker's. */
  private static final Pattern SERVICE_LINK =
      Pattern.compile(
          PREFIX
              + "(\\w+_)??(SERVICE_HOST|SERVICE_PORT(_\\w+)?|PORT(_\\d+_[A-Z]+(_PROTO|_PORT|_ADDR)?)?)");

  private final Map<String, Key> keys = new LinkedHashMap<>();
  private final Map<String, Given> given = new TreeMap<>();
  private final List<String> problems = new ArrayList<>();
  private final List<String> warnings = new ArrayList<>();

  private ConfigReader() {
    for (RecordComponent section : WorkerConfig.class.getRecordComponents()) {
      for (RecordComponent component : section.getType().getRecordComponents()) {
        Key key = new Key(section, component);
        keys.put(key.name(), key);
      }
    }
  }

  /**
   * The configuration, and what is worth a warning.
   *
   * @param reader what it was read by
   */
  public record Read(WorkerConfig config, List<String> warnings, ConfigReader reader) {
    /** Where each setting comes from, in a table without secrets. */
    public String origins() {
      return reader.table();
    }
  }

  /**
   * Reads everything before it complains, so that all problems are reported at once.
   *
   * @param file a YAML file; null for none
   * @param environment its {@code RQ_WORKER_PRESET} names a preset, over which all else wins
   * @param sets {@code key=value}, which win over the environment, which wins over the file
   */
  public static Read read(@Nullable Path file, Map<String, String> environment, List<String> sets)
      throws InvalidConfig {
    ConfigReader reader = new ConfigReader();
    reader.addPreset(environment.getOrDefault(PRESET, ""));
    if (file != null) {
      reader.addFile(file);
    }
    reader.addEnvironment(environment);
    sets.forEach(reader::addSet);
    WorkerConfig config = reader.build();
    return new Read(config, List.copyOf(reader.warnings), reader);
  }

  /** The reference page of all settings, in Markdown. */
  public static String reference() {
    StringBuilder page = new StringBuilder();
    String section = "";
    for (Key key : new ConfigReader().keys.values()) {
      if (!section.equals(key.section().getName())) {
        section = key.section().getName();
        page.append("\n## ").append(section).append("\n\n");
        page.append("| setting | environment | default | meaning |\n| --- | --- | --- | --- |\n");
      }
      List<String> names = new ArrayList<>(List.of(key.variable()));
      names.addAll(List.of(key.setting().aliases()));
      String fallback = key.setting().value();
      page.append(
          "| `%s` | `%s` | %s | %s |\n"
              .formatted(
                  key.name(),
                  String.join("`, `", names),
                  fallback.isEmpty() ? "" : "`" + fallback + "`",
                  key.setting().is()));
    }
    return page.toString();
  }

  private record Given(String value, String source) {}

  /** One setting. */
  private record Key(RecordComponent section, RecordComponent component) {
    String name() {
      return kebab(section.getName()) + "." + kebab(component.getName());
    }

    String variable() {
      return PREFIX + name().replaceAll("[.-]", "_").toUpperCase(Locale.ROOT);
    }

    Setting setting() {
      return component.getAnnotation(Setting.class);
    }

    boolean secret() {
      return component.getGenericType().getTypeName().contains(Secret.class.getName());
    }

    private static String kebab(String camel) {
      return camel.replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
    }
  }

  private void addPreset(String name) {
    if (PRESETS.contains(name)) {
      try (InputStream preset = ConfigReader.class.getResourceAsStream(name + ".yaml")) {
        flatten("", YAMLMapper.builder().build().readTree(preset), "preset " + name);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    } else if (!name.isEmpty()) {
      problems.add(
          "There is no preset %s; there are %s.".formatted(name, String.join(", ", PRESETS)));
    }
  }

  private void addFile(Path file) {
    try {
      JsonNode tree = YAMLMapper.builder().build().readTree(Files.readString(file));
      flatten("", tree, "file " + file);
    } catch (IOException e) {
      problems.add("The file %s cannot be read: %s.".formatted(file, e));
    } catch (JacksonException e) {
      // The parser's own words quote the file, which may hold a secret.
      problems.add("The file %s is not YAML%s.".formatted(file, place(e.getLocation())));
    }
  }

  private static String place(@Nullable TokenStreamLocation at) {
    return at == null || at.getLineNr() < 1
        ? ""
        : ": see line %d, column %d".formatted(at.getLineNr(), at.getColumnNr());
  }

  private void flatten(String path, JsonNode node, String source) {
    if (node.isObject()) {
      node.properties()
          .forEach(child ->
              flatten(
                  path.isEmpty() ? child.getKey() : path + "." + child.getKey(),
                  child.getValue(),
                  source));
    } else if (node.isArray()) {
      List<String> items = new ArrayList<>();
      node.forEach(item -> items.add(item.asString()));
      give(path, String.join(",", items), source);
    } else if (!node.isNull() && !node.isMissingNode()) {
      give(path, node.asString(), source);
    }
  }

  private void addSet(String set) {
    int equals = set.indexOf('=');
    if (equals < 1) {
      String name = set.replaceAll("[^\\w.-].*", ""); // what follows may be a secret
      problems.add("--set %s: KEY=VALUE is needed.".formatted(name));
    } else {
      String name = set.substring(0, equals).strip();
      Key key = keys.get(name);
      if (key != null && key.secret()) {
        problems.add(
            "--set %s: a secret must not stand on a command line; use the environment's %s_FILE."
                .formatted(name, key.variable()));
      } else {
        give(name, set.substring(equals + 1).strip(), "--set");
      }
    }
  }

  private void give(String name, String value, String source) {
    if (keys.containsKey(name)) {
      given.put(name, new Given(value, source));
    } else {
      problems.add("%s: there is no setting %s.%s".formatted(source, name, nearest(name)));
    }
  }

  private String nearest(String name) {
    String last = name.substring(name.lastIndexOf('.') + 1);
    String plain = name.replaceAll("[-_]", "");
    return keys.keySet().stream()
        .filter(key -> key.endsWith("." + last) || key.replace("-", "").equalsIgnoreCase(plain))
        .findFirst()
        .map(key -> " Is " + key + " meant?")
        .orElse("");
  }

  private void addEnvironment(Map<String, String> environment) {
    for (Key key : keys.values()) {
      List<String> names = new ArrayList<>(List.of(key.variable()));
      names.addAll(List.of(key.setting().aliases()));
      for (String name : names) {
        Optional<Given> value = variable(environment, name);
        if (value.isPresent()) {
          given.put(key.name(), value.get());
          break;
        }
      }
    }
    composeUrl(environment, "redis.url", "REDIS", "redis://%s:%s/9", "6379");
    String database = variable(environment, "POSTGRES_DB").map(Given::value).orElse("wepppy");
    composeUrl(environment, "postgres.url", "POSTGRES", "postgresql://%s:%s/" + database, "5432");
    warnOfUnknown(environment);
  }

  /** {@code NAME_FILE} wins, and must be readable: a missing secret must not pass unnoticed. */
  private Optional<Given> variable(Map<String, String> environment, String name) {
    String file = environment.getOrDefault(name + "_FILE", "");
    if (!file.isEmpty()) {
      String source = "environment " + name + "_FILE";
      try {
        return Optional.of(new Given(Files.readString(Path.of(file)).strip(), source));
      } catch (IOException | java.nio.file.InvalidPathException e) {
        problems.add("%s names %s, which cannot be read: %s.".formatted(source, file, e));
      }
    }
    String value = environment.getOrDefault(name, "");
    return value.isEmpty() || isServiceLink(value)
        ? Optional.empty()
        : Optional.of(new Given(value, "environment " + name));
  }

  /** Kubernetes puts {@code NAME_PORT=tcp://10.0.0.1:80} into every pod for a Service NAME. */
  private static boolean isServiceLink(String value) {
    return value.startsWith("tcp://") || value.startsWith("udp://");
  }

  /** WEPPcloud's {@code REDIS_HOST} and {@code REDIS_PORT}, used when no URL is given. */
  private void composeUrl(
      Map<String, String> environment, String key, String name, String form, String defaultPort) {
    Optional<Given> host = variable(environment, name + "_HOST");
    if (host.isPresent() && !given.containsKey(key)) {
      String port = variable(environment, name + "_PORT").map(Given::value).orElse(defaultPort);
      given.put(key, new Given(form.formatted(host.get().value(), port), host.get().source()));
    }
  }

  private void warnOfUnknown(Map<String, String> environment) {
    List<String> known = new ArrayList<>(List.of(PRESET));
    for (Key key : keys.values()) {
      known.add(key.variable());
      known.add(key.variable() + "_FILE");
    }
    for (String name : new TreeSet<>(environment.keySet())) {
      boolean link = SERVICE_LINK.matcher(name).matches();
      if (name.startsWith(PREFIX) && !known.contains(name) && !link) {
        warnings.add("The environment has " + name + ", which is no setting of this worker.");
      }
    }
  }

  private WorkerConfig build() throws InvalidConfig {
    List<Object> sections = new ArrayList<>();
    for (RecordComponent section : WorkerConfig.class.getRecordComponents()) {
      List<@Nullable Object> values = new ArrayList<>();
      for (RecordComponent component : section.getType().getRecordComponents()) {
        values.add(value(new Key(section, component)));
      }
      if (problems.isEmpty()) {
        sections.add(construct(section.getType(), values));
      }
    }
    if (!problems.isEmpty()) {
      throw new InvalidConfig(problems);
    }
    WorkerConfig config = (WorkerConfig) construct(WorkerConfig.class, sections);
    if (!config.contradictions().isEmpty()) {
      throw new InvalidConfig(config.contradictions());
    }
    return config;
  }

  private static Object construct(Class<?> record, List<?> values) {
    Class<?>[] types =
        Arrays.stream(record.getRecordComponents())
            .map(RecordComponent::getType)
            .toArray(Class<?>[]::new);
    try {
      return record.getConstructor(types).newInstance(values.toArray());
    } catch (NoSuchMethodException
        | InstantiationException
        | IllegalAccessException
        | InvocationTargetException e) {
      throw new IllegalStateException("a configuration record cannot be made", e);
    }
  }

  private Given given(Key key) {
    return given.getOrDefault(key.name(), new Given(key.setting().value(), "default"));
  }

  private static String shown(Key key, Given from) {
    return key.secret() && !from.value().isEmpty() ? "***" : Secret.hiddenIn(from.value());
  }

  private String table() {
    StringBuilder table = new StringBuilder();
    for (Key key : keys.values()) {
      Given from = given(key);
      table.append("%-28s %-44s (%s)%n".formatted(key.name(), shown(key, from), from.source()));
    }
    return table.toString();
  }

  /** Null only after a problem was noted. */
  private @Nullable Object value(Key key) {
    Given from = given(key);
    Type type = key.component().getGenericType();
    boolean optional = key.component().getType() == Optional.class;
    if (optional && from.value().isEmpty()) {
      return Optional.empty();
    }
    Type bare = optional ? ((ParameterizedType) type).getActualTypeArguments()[0] : type;
    try {
      Object value = parse(bare, from.value(), key.setting());
      return optional ? Optional.of(value) : value;
    } catch (IllegalArgumentException e) {
      String shown = key.secret() ? "***" : "'" + shown(key, from) + "'";
      problems.add(
          "%s is %s (%s): %s.".formatted(key.name(), shown, from.source(), e.getMessage()));
      return null;
    }
  }

  private static Object parse(Type type, String text, Setting setting) {
    if (!text.matches(setting.matches())) {
      throw new IllegalArgumentException("it must match " + setting.matches());
    }
    return switch (type.getTypeName()) {
      case "int", "java.lang.Integer" -> number(text, setting.min());
      case "java.time.Duration" -> duration(text, setting.min());
      case "java.nio.file.Path" -> path(text);
      case "java.lang.String" -> text;
      case "boolean" -> truth(text);
      case "java.util.List<java.lang.String>" ->
          Arrays.stream(text.split(",", -1))
              .map(String::strip)
              .filter(item -> !item.isEmpty())
              .toList();
      default -> new Secret(text);
    };
  }

  private static boolean truth(String text) {
    return switch (text) {
      case "true" -> true;
      case "false" -> false;
      default -> throw new IllegalArgumentException("true or false is needed");
    };
  }

  private static int number(String text, long min) {
    if (!text.matches("-?\\d{1,9}")) {
      throw new IllegalArgumentException("a whole number is needed");
    }
    int number = Integer.parseInt(text);
    long least = Math.max(min, 0);
    if (number < least) {
      throw new IllegalArgumentException("it must be " + least + " or more");
    }
    return number;
  }

  private static Path path(String text) {
    Path path = Path.of(text); // InvalidPathException is an IllegalArgumentException
    if (!path.isAbsolute()) {
      throw new IllegalArgumentException("an absolute path is needed");
    }
    return path.normalize();
  }

  private static Duration duration(String text, long min) {
    Matcher matcher = DURATION.matcher(text);
    if (!matcher.matches()) {
      throw new IllegalArgumentException("a time such as 250ms, 5s, 2m, 1h or 7d is needed");
    }
    Duration unit =
        switch (matcher.group(3)) {
          case "ms" -> Duration.ofMillis(1);
          case "m" -> Duration.ofMinutes(1);
          case "h" -> Duration.ofHours(1);
          case "d" -> Duration.ofDays(1);
          default -> Duration.ofSeconds(1);
        };
    String thousandths = matcher.group(2) == null ? "0" : (matcher.group(2) + "00").substring(1, 4);
    Duration duration =
        unit.multipliedBy(Long.parseLong(matcher.group(1)))
            .plus(unit.multipliedBy(Long.parseLong(thousandths)).dividedBy(1000));
    if (duration.toMillis() < min) {
      throw new IllegalArgumentException("it must be " + min + " ms or more");
    }
    return duration;
  }
}
