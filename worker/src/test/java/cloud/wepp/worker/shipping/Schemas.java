package cloud.wepp.worker.shipping;

import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Validates objects by Kubernetes 1.36's own schemas and those of the custom resources that we use.
 * As strict as its API server: an unknown field is an error.
 */
final class Schemas {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final SchemaRegistry REGISTRY =
      SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_4);

  private final ObjectNode definitions;

  Schemas() throws IOException {
    definitions = Objects.requireNonNull(load("kubernetes-1.36-definitions"));
    strict(definitions);
  }

  /** What is wrong with an object; empty when nothing is. */
  List<String> errors(JsonNode object) throws IOException {
    return schema(object).validate(object).stream()
        .map(error -> error.getInstanceLocation() + ": " + error.getMessage())
        .toList();
  }

  private Schema schema(JsonNode object) throws IOException {
    String version = object.path("apiVersion").asString();
    String kind = object.path("kind").asString();
    String group = version.contains("/") ? version.substring(0, version.indexOf('/')) : "";
    JsonNode builtIn =
        JSON.createObjectNode()
            .put("group", group)
            .put("kind", kind)
            .put("version", version.substring(version.indexOf('/') + 1));
    for (var definition : definitions.path("definitions").properties()) {
      for (JsonNode is : definition.getValue().path("x-kubernetes-group-version-kind")) {
        if (is.equals(builtIn)) {
          return REGISTRY.getSchema(
              definitions.deepCopy().put("$ref", "#/definitions/" + definition.getKey()));
        }
      }
    }
    ObjectNode custom = load(version.replace("/", "_" + kind + "_").toLowerCase(Locale.ROOT));
    if (custom == null) {
      throw new IOException("no schema for " + version + " " + kind);
    }
    strict(custom);
    ((ObjectNode) custom.path("properties")).putObject("metadata").put("type", "object");
    return REGISTRY.getSchema(custom);
  }

  private static @Nullable ObjectNode load(String name) throws IOException {
    try (InputStream zipped =
        Schemas.class.getResourceAsStream("/kubernetes/" + name + ".json.gz")) {
      return zipped == null ? null : (ObjectNode) JSON.readTree(new GZIPInputStream(zipped));
    }
  }

  private static void strict(JsonNode schema) {
    if (schema instanceof ObjectNode object) {
      if (object.path("properties").isObject() && !object.has("additionalProperties")) {
        object.put("additionalProperties", false);
      }
      if (object.path("format").asString("").equals("int-or-string")) {
        object.putArray("type").add("integer").add("string");
      }
    }
    schema.valueStream().forEach(Schemas::strict);
  }
}
