package cloud.wepp.worker.shipping;

import static java.util.stream.Collectors.toMap;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.dataformat.yaml.YAMLMapper;

/** The objects that a folder of {@code k8s/} comes to. */
record Manifests(String name, List<JsonNode> objects) {
  private static final YAMLMapper YAML = new YAMLMapper();

  static List<String> folders(String in) throws IOException {
    try (Stream<Path> folders = Files.list(Tool.ROOT.resolve(in))) {
      return folders.map(folder -> folder.getFileName().toString()).sorted().toList();
    }
  }

  static Manifests overlay(String name) throws IOException, InterruptedException {
    return rendered("k8s/overlays/" + name, name);
  }

  /** The base with one component. */
  static Manifests component(String name) throws IOException, InterruptedException {
    return component("k8s/base", "k8s/components/" + name, name);
  }

  static Manifests component(String base, String component, String name)
      throws IOException, InterruptedException {
    Path folder = Files.createDirectories(Tool.ROOT.resolve("worker/target/components/" + name));
    Files.writeString(
        folder.resolve("kustomization.yaml"),
        "resources: [../../../../%s]\ncomponents: [../../../../%s]\n".formatted(base, component));
    return rendered(folder.toString(), name);
  }

  static Manifests rendered(String folder, String name) throws IOException, InterruptedException {
    return new Manifests(name, read(Tool.run("kubectl", "kustomize", folder)));
  }

  /** All documents of a YAML text. */
  static List<JsonNode> read(String yaml) {
    return YAML.readerFor(JsonNode.class).<JsonNode>readValues(yaml).readAll();
  }

  Stream<JsonNode> kind(String kind) {
    return objects.stream().filter(object -> object.path("kind").asString().equals(kind));
  }

  /** The only one of a kind and name. */
  JsonNode one(String kind, String name) {
    List<JsonNode> found = kind(kind).filter(object -> name(object).equals(name)).toList();
    assertThat(found).as("%s %s of %s", kind, name, this.name).hasSize(1);
    return found.getFirst();
  }

  JsonNode worker() {
    return one("Deployment", "rq-worker");
  }

  /** Of all workloads, with the metadata. */
  Stream<JsonNode> podTemplates() {
    return objects.stream()
        .flatMap(object ->
            Stream.of(object.at("/spec/template"), object.at("/spec/jobTemplate/spec/template")))
        .filter(template -> template.has("spec"));
  }

  Stream<JsonNode> containers() {
    return podTemplates().flatMap(template -> template.at("/spec/containers").valueStream());
  }

  static String name(JsonNode object) {
    return object.at("/metadata/name").asString();
  }

  /** Whether all labels of the selector are among these. */
  static boolean selects(JsonNode matchLabels, JsonNode labels) {
    return matchLabels.propertyStream().allMatch(l -> l.getValue().equals(labels.get(l.getKey())));
  }

  /** The fields of an object, as they are put into an environment. */
  static Map<String, String> texts(JsonNode object) {
    return object
        .propertyStream()
        .collect(toMap(Map.Entry::getKey, field -> field.getValue().asString()));
  }

  @Override
  public String toString() {
    return name;
  }
}
