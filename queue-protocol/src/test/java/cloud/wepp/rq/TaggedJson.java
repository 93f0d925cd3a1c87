package cloud.wepp.rq;

import cloud.wepp.rq.pickle.PyRepr;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.rq.pickle.PyValue.Global;
import cloud.wepp.rq.pickle.PyValue.Reduced;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Values in the tagged JSON of the vectors, and the vectors' shorthands spelled out. */
final class TaggedJson {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final BigInteger EXACT = BigInteger.ONE.shiftLeft(53);

  private TaggedJson() {}

  static JsonNode of(PyValue value) {
    return JSON.valueToTree(plain(value));
  }

  /** Replaces the vectors' short forms of long values. */
  static JsonNode expanded(JsonNode node) {
    if (node.isObject()) {
      if (node.has("$repeat_str")) {
        JsonNode repeat = node.get("$repeat_str");
        return JSON.valueToTree(
            repeat.get("text").stringValue().repeat(repeat.get("times").intValue()));
      }
      if (node.has("$repeat_bytes")) {
        JsonNode repeat = node.get("$repeat_bytes");
        byte[] bytes = new byte[repeat.get("times").intValue()];
        java.util.Arrays.fill(bytes, (byte) Integer.parseInt(repeat.get("hex").stringValue(), 16));
        return JSON.valueToTree(Map.of("$bytes", Base64.getEncoder().encodeToString(bytes)));
      }
      if (node.has("$seq_str")) {
        JsonNode sequence = node.get("$seq_str");
        List<String> items = new ArrayList<>();
        int from = sequence.get("from").intValue();
        for (int i = from; i < from + sequence.get("count").intValue(); i++) {
          items.add(String.format(sequence.get("printf").stringValue(), i));
        }
        return JSON.valueToTree(items);
      }
      Map<String, JsonNode> copy = new LinkedHashMap<>();
      node.properties()
          .forEach(property -> copy.put(property.getKey(), expanded(property.getValue())));
      return JSON.valueToTree(copy);
    }
    if (node.isArray()) {
      List<JsonNode> copy = new ArrayList<>();
      node.values().forEach(item -> copy.add(expanded(item)));
      return JSON.valueToTree(copy);
    }
    return node;
  }

  private static Object plain(PyValue value) {
    return switch (value) {
      case PyValue.None none -> JSON.nullNode();
      case PyValue.Bool bool -> bool.value();
      case PyValue.Int integer ->
          integer.value().abs().compareTo(EXACT) < 0
              ? integer.value()
              : Map.of("$int", integer.value().toString());
      case PyValue.Real real -> {
        Map<String, Object> tag = new LinkedHashMap<>();
        tag.put("$float", PyRepr.of(value));
        tag.put("bits", "%016x".formatted(Double.doubleToRawLongBits(real.value())));
        yield tag;
      }
      case PyValue.Str text -> text.value();
      case PyValue.Bytes bytes -> Map.of("$bytes", base64(bytes.value()));
      case PyValue.ByteArray bytes -> Map.of("$bytearray", base64(bytes.value()));
      case PyValue.Tuple tuple -> Map.of("$tuple", list(tuple.items()));
      case PyValue.ListOf list -> list(list.items());
      case PyValue.SetOf set ->
          Map.of(set.frozen() ? "$frozenset" : "$set", sorted(list(set.items())));
      case PyValue.Dict dict -> dict(dict.entries());
      case Global global -> Map.of("$class", global.module() + "." + global.name());
      case Reduced object -> object(object);
    };
  }

  private static Object dict(List<PyValue.Entry> entries) {
    if (entries.stream().allMatch(entry -> entry.key() instanceof PyValue.Str)) {
      Map<String, Object> plain = new LinkedHashMap<>();
      entries.forEach(
          entry -> plain.put(((PyValue.Str) entry.key()).value(), plain(entry.value())));
      return plain;
    }
    return Map.of("$dict", pairs(entries));
  }

  private static List<Object> pairs(List<PyValue.Entry> entries) {
    List<Object> pairs = new ArrayList<>();
    entries.forEach(entry -> pairs.add(List.of(plain(entry.key()), plain(entry.value()))));
    return pairs;
  }

  private static List<Object> list(List<PyValue> items) {
    return new ArrayList<>(items.stream().map(TaggedJson::plain).toList());
  }

  private static List<Object> sorted(List<Object> items) {
    items.sort(Comparator.comparing(item -> JSON.valueToTree(item).toString()));
    return items;
  }

  private static String base64(byte[] bytes) {
    return Base64.getEncoder().encodeToString(bytes);
  }

  /**
   * The recipes of Python's own classes that the vectors spell out; others by class and content.
   */
  private static Object object(Reduced object) {
    String cls =
        object.callable() instanceof Global global
            ? global.module() + "." + global.name()
            : PyRepr.of(object.callable());
    List<PyValue> args = ((PyValue.Tuple) object.args()).items();
    return switch (cls) {
      case "decimal.Decimal" -> Map.of("$decimal", ((PyValue.Str) args.getFirst()).value());
      case "fractions.Fraction" ->
          Map.of(
              "$fraction",
              args.size() == 2
                  ? PyRepr.of(args.get(0)) + "/" + PyRepr.of(args.get(1))
                  : ((PyValue.Str) args.getFirst()).value());
      case "builtins.complex" ->
          Map.of("$complex", List.of(PyRepr.of(args.get(0)), PyRepr.of(args.get(1))));
      case "builtins.range" -> Map.of("$range", list(args));
      case "collections.OrderedDict" -> Map.of("$ordereddict", pairs(object.entries()));
      case "collections.Counter" ->
          Map.of("$counter", pairs(((PyValue.Dict) args.getFirst()).entries()));
      case "datetime.timedelta" -> {
        Map<String, Object> parts = new LinkedHashMap<>();
        parts.put("days", plain(args.get(0)));
        parts.put("seconds", plain(args.get(1)));
        parts.put("microseconds", plain(args.get(2)));
        yield Map.of("$timedelta", parts);
      }
      case "datetime.date" -> Map.of("$date", date(((PyValue.Bytes) args.getFirst()).value()));
      default -> Map.of("$other", cls);
    };
  }

  private static String date(byte[] b) {
    return "%04d-%02d-%02d".formatted((b[0] & 0xff) << 8 | b[1] & 0xff, b[2], b[3]);
  }
}
