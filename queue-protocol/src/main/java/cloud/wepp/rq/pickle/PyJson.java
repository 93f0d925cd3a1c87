package cloud.wepp.rq.pickle;

import cloud.wepp.rq.pickle.PyValue.Entry;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.core.json.JsonReadFeature;
import tools.jackson.core.json.JsonWriteFeature;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** rq's JSON serializer: what Python's {@code json} reads and writes, with its NaN and Infinity. */
public final class PyJson {
  private static final JsonMapper JSON =
      JsonMapper.builder()
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .disable(JsonWriteFeature.WRITE_NAN_AS_STRINGS)
          .build();

  private PyJson() {}

  public static PyValue read(byte[] json) throws MalformedPickle {
    try {
      return value(JSON.readTree(json));
    } catch (JacksonException e) {
      throw MalformedPickle.broken("it is not JSON: " + e.getOriginalMessage());
    }
  }

  /**
   * Tuples become arrays and keys become texts, as in Python; values that JSON lacks become their
   * repr.
   */
  public static byte[] write(PyValue value) {
    return JSON.writeValueAsBytes(node(value));
  }

  private static PyValue value(JsonNode node) {
    return switch (node.getNodeType()) {
      case BOOLEAN -> PyValue.of(node.booleanValue());
      case STRING -> PyValue.of(node.stringValue());
      case NUMBER ->
          node.isIntegralNumber()
              ? new PyValue.Int(node.bigIntegerValue())
              : PyValue.of(node.doubleValue());
      case ARRAY -> {
        List<PyValue> items = new ArrayList<>();
        node.values().forEach(item -> items.add(value(item)));
        yield new PyValue.ListOf(items);
      }
      case OBJECT -> {
        List<Entry> entries = new ArrayList<>();
        for (Map.Entry<String, JsonNode> property : node.properties()) {
          entries.add(new Entry(PyValue.of(property.getKey()), value(property.getValue())));
        }
        yield new PyValue.Dict(entries);
      }
      default -> PyValue.None.NONE;
    };
  }

  private static JsonNode node(PyValue value) {
    JsonNodeFactory make = JsonNodeFactory.instance;
    return switch (value) {
      case PyValue.None none -> make.nullNode();
      case PyValue.Bool bool -> make.booleanNode(bool.value());
      case PyValue.Int integer -> make.numberNode(integer.value());
      case PyValue.Real real -> make.numberNode(real.value());
      case PyValue.Str text -> make.stringNode(text.value());
      case PyValue.Tuple tuple -> array(tuple.items());
      case PyValue.ListOf list -> array(list.items());
      case PyValue.Dict dict -> {
        ObjectNode object = make.objectNode();
        for (Entry entry : dict.entries()) {
          String key =
              entry.key() instanceof PyValue.Str text ? text.value() : PyRepr.of(entry.key());
          object.set(key, node(entry.value()));
        }
        yield object;
      }
      default -> make.stringNode(PyRepr.of(value));
    };
  }

  private static ArrayNode array(List<PyValue> items) {
    ArrayNode array = JsonNodeFactory.instance.arrayNode();
    items.forEach(item -> array.add(node(item)));
    return array;
  }
}
