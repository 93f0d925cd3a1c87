package cloud.wepp.worker.shipping;

import static cloud.wepp.worker.shipping.Manifests.name;
import static cloud.wepp.worker.shipping.Manifests.selects;
import static java.util.stream.Collectors.toSet;
import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.WorkerConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** That the manifests of {@code k8s/} fit each other, Kubernetes and the worker. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ManifestsIT {
  private static final Set<String> AUTOSCALERS =
      Set.of("autoscale-cpu", "autoscale-hpa", "autoscale-keda", "fixed-replicas");

  /** What an operator makes: docs/operations.md. */
  private static final Map<String, Set<String>> SECRETS =
      Map.of("rq-worker", Set.of("redis-password", "postgres-password"));

  @TempDir Path folder;
  private final Map<String, Manifests> overlays = new HashMap<>();
  private Schemas schemas;

  ManifestsIT() throws IOException {
    schemas = new Schemas();
  }

  private synchronized List<Manifests> overlays() throws Exception {
    for (String name : Manifests.folders("k8s/overlays")) {
      if (!overlays.containsKey(name)) {
        overlays.put(name, Manifests.overlay(name));
      }
    }
    return List.copyOf(overlays.values());
  }

  /** Of these some add to, or change, what only overlays have. */
  private List<Manifests> components() throws Exception {
    List<Manifests> components = new ArrayList<>();
    for (String name : Manifests.folders("k8s/components")) {
      components.add(Manifests.component(name));
    }
    return components;
  }

  private List<Manifests> everything() throws Exception {
    return Stream.concat(overlays().stream(), components().stream()).toList();
  }

  @ParameterizedTest
  @MethodSource("everything")
  void kubernetesKnowsEveryField(Manifests manifests) throws IOException {
    assertThat(manifests.objects()).isNotEmpty();
    for (JsonNode object : manifests.objects()) {
      assertThat(schemas.errors(object)).as("%s", object).isEmpty();
    }
  }

  @Test
  void aMisspeltFieldWouldBeFound() throws Exception {
    ObjectNode worker = overlays().getFirst().worker().deepCopy().asObject();
    ((ObjectNode) worker.at("/spec/template/spec")).put("terminationGracePeriodsSeconds", 5);
    assertThat(schemas.errors(worker)).singleElement().asString().contains("GracePeriodsSeconds");
    ((ObjectNode) worker.at("/spec/template/spec")).remove("terminationGracePeriodsSeconds");
    ((ObjectNode) worker.at("/spec")).put("replicas", "two");
    assertThat(schemas.errors(worker)).singleElement().asString().contains("replicas");
  }

  @ParameterizedTest
  @MethodSource("overlays")
  void noTwoObjectsAreTheSame(Manifests overlay) {
    assertThat(overlay.objects())
        .extracting(object -> object.path("kind").asString() + " " + name(object))
        .doesNotHaveDuplicates();
  }

  @ParameterizedTest
  @MethodSource("overlays")
  void selectorsFindTheirPods(Manifests overlay) {
    overlay.objects().stream()
        .filter(object -> object.at("/spec/template/spec").isObject())
        .forEach(workload ->
            assertThat(
                    selects(
                        workload.at("/spec/selector/matchLabels"),
                        workload.at("/spec/template/metadata/labels")))
                .as("selector of %s", name(workload))
                .isTrue());
    overlay.kind("Service").forEach(service -> findsAPort(overlay, service, "targetPort"));
    overlay.kind("PodMonitor").forEach(monitor -> findsAPort(overlay, monitor, "port"));
    overlay
        .kind("PodDisruptionBudget")
        .forEach(budget -> {
          assertThat(budget.at("/spec/maxUnavailable").asInt()).isPositive();
          assertThat(podsOf(overlay, budget.at("/spec/selector/matchLabels"))).hasSize(1);
        });
  }

  private static void findsAPort(Manifests overlay, JsonNode of, String field) {
    JsonNode labels = of.at("/spec/selector");
    List<JsonNode> pods =
        podsOf(
            overlay, labels.path("matchLabels").isObject() ? labels.path("matchLabels") : labels);
    assertThat(pods).as("pods of %s", name(of)).hasSize(1);
    Set<String> ports =
        pods.getFirst()
            .at("/spec/containers")
            .valueStream()
            .flatMap(container -> container.path("ports").valueStream())
            .map(port -> port.path("name").asString())
            .collect(toSet());
    Stream.of("/spec/ports", "/spec/podMetricsEndpoints")
        .flatMap(place -> of.at(place).valueStream())
        .forEach(port -> assertThat(ports).contains(port.path(field).asString()));
  }

  private static List<JsonNode> podsOf(Manifests overlay, JsonNode labels) {
    return overlay
        .podTemplates()
        .filter(template -> selects(labels, template.at("/metadata/labels")))
        .toList();
  }

  @ParameterizedTest
  @MethodSource("overlays")
  void whatAPodRefersToIsThere(Manifests overlay) {
    overlay
        .podTemplates()
        .map(template -> template.path("spec"))
        .forEach(pod -> {
          pod.path("volumes")
              .forEach(volume -> {
                exists(overlay, "ConfigMap", volume.at("/configMap/name"));
                exists(overlay, "Secret", volume.at("/secret/secretName"));
                exists(
                    overlay,
                    "PersistentVolumeClaim",
                    volume.at("/persistentVolumeClaim/claimName"));
              });
          exists(overlay, "ServiceAccount", pod.path("serviceAccountName"));
          pod.at("/containers/0/envFrom")
              .forEach(from -> exists(overlay, "ConfigMap", from.at("/configMapRef/name")));
          Set<String> volumes =
              pod.path("volumes")
                  .valueStream()
                  .map(v -> v.path("name").asString())
                  .collect(toSet());
          pod.at("/containers/0/volumeMounts")
              .forEach(mount -> assertThat(volumes).contains(mount.path("name").asString()));
        });
  }

  private static void exists(Manifests overlay, String kind, JsonNode name) {
    boolean made = kind.equals("Secret") && SECRETS.containsKey(name.asString(""));
    if (!name.isMissingNode() && !made) {
      overlay.one(kind, name.asString());
    }
  }

  @ParameterizedTest
  @MethodSource("overlays")
  void claimsAndVolumesAgree(Manifests overlay) {
    String namespace = overlay.worker().at("/metadata/namespace").asString();
    overlay
        .kind("PersistentVolumeClaim")
        .forEach(claim -> {
          JsonNode volume =
              overlay.one("PersistentVolume", claim.at("/spec/volumeName").asString());
          assertThat(volume.at("/spec/claimRef/name").asString()).isEqualTo(name(claim));
          assertThat(volume.at("/spec/claimRef/namespace").asString()).isEqualTo(namespace);
          assertThat(volume.at("/spec/accessModes")).isEqualTo(claim.at("/spec/accessModes"));
          assertThat(volume.at("/spec/capacity")).isEqualTo(claim.at("/spec/resources/requests"));
          assertThat(volume.at("/spec/storageClassName").asString("none")).isEmpty();
          assertThat(claim.at("/spec/storageClassName").asString("none")).isEmpty();
          assertThat(volume.at("/spec/persistentVolumeReclaimPolicy").asString())
              .isEqualTo("Retain");
        });
  }

  @ParameterizedTest
  @MethodSource("overlays")
  void geodataCannotBeWritten(Manifests overlay) {
    JsonNode pod = overlay.worker().at("/spec/template/spec");
    assertThat(
            pod.path("volumes")
                .valueStream()
                .filter(v -> v.path("name").asString().equals("geodata")))
        .singleElement()
        .matches(v -> v.at("/persistentVolumeClaim/readOnly").asBoolean(false));
    assertThat(
            pod.at("/containers/0/volumeMounts")
                .valueStream()
                .filter(m -> m.path("name").asString().equals("geodata")))
        .isNotEmpty()
        .allMatch(mount -> mount.path("readOnly").asBoolean(false));
    JsonNode nfs = overlay.one("PersistentVolume", "rq-worker-geodata").at("/spec/nfs");
    assertThat(nfs.isMissingNode() || nfs.path("readOnly").asBoolean(false)).isTrue();
  }

  /** As Kubernetes' Pod Security Standard `restricted` asks, and a bit more. */
  @ParameterizedTest
  @MethodSource("overlays")
  void podsAreRestricted(Manifests overlay) {
    overlay
        .podTemplates()
        .map(template -> template.path("spec"))
        .forEach(pod -> {
          assertThat(pod.at("/securityContext/runAsNonRoot").asBoolean(false)).isTrue();
          assertThat(pod.at("/securityContext/runAsUser").asInt()).isPositive();
          assertThat(pod.at("/securityContext/seccompProfile/type").asString())
              .isEqualTo("RuntimeDefault");
          assertThat(List.of("hostNetwork", "hostPID", "hostIPC")).noneMatch(pod::has);
          assertThat(pod.path("enableServiceLinks").asBoolean(true)).isFalse();
          assertThat(pod.path("volumes").valueStream())
              .allMatch(volume ->
                  Stream.of("configMap", "secret", "emptyDir", "persistentVolumeClaim")
                      .anyMatch(volume::has));
        });
    overlay
        .containers()
        .forEach(container -> {
          JsonNode security = container.path("securityContext");
          assertThat(security.path("allowPrivilegeEscalation").asBoolean(true)).isFalse();
          assertThat(security.path("readOnlyRootFilesystem").asBoolean(false)).isTrue();
          assertThat(security.at("/capabilities/drop").toString()).isEqualTo("[\"ALL\"]");
          assertThat(security.at("/capabilities").has("add")).isFalse();
        });
  }

  @ParameterizedTest
  @MethodSource("overlays")
  void containersAreWatchedAndBounded(Manifests overlay) {
    overlay
        .containers()
        .forEach(container -> {
          assertThat(List.of("startupProbe", "readinessProbe", "livenessProbe"))
              .allMatch(container::has);
          assertThat(container.at("/resources/requests/cpu").asString("")).isNotEmpty();
          assertThat(container.at("/resources/requests/memory").asString("")).isNotEmpty();
          assertThat(container.at("/resources/limits/memory").asString("")).isNotEmpty();
          assertThat(container.at("/resources/limits").has("cpu")).isFalse();
        });
  }

  @ParameterizedTest
  @MethodSource("overlays")
  void imagesAreNamedExactly(Manifests overlay) {
    String form = overlay.name().equals("lab") ? ".+:(?!latest)[\\w.-]+" : ".+@sha256:[0-9a-f]{64}";
    assertThat(overlay.containers().map(container -> container.path("image").asString()))
        .allMatch(image -> image.matches(form));
  }

  @ParameterizedTest
  @MethodSource("overlays")
  void oneThingSaysHowManyPodsThereAre(Manifests overlay) throws Exception {
    String kustomization =
        Files.readString(
            Tool.ROOT.resolve("k8s/overlays/" + overlay.name() + "/kustomization.yaml"));
    assertThat(AUTOSCALERS.stream().filter(name -> kustomization.contains("components/" + name)))
        .hasSize(1);
    List<JsonNode> scalers =
        Stream.concat(overlay.kind("HorizontalPodAutoscaler"), overlay.kind("ScaledObject"))
            .toList();
    boolean fixed = overlay.worker().at("/spec").has("replicas");
    assertThat(scalers).hasSize(fixed ? 0 : 1);
    scalers.forEach(scaler ->
        assertThat(scaler.at("/spec/scaleTargetRef/name").asString()).isEqualTo("rq-worker"));
  }

  @ParameterizedTest
  @MethodSource("everything")
  void autoscalersAskForAMetricThatThereIs(Manifests manifests) throws Exception {
    Set<String> metrics = Monitoring.metrics();
    manifests
        .kind("HorizontalPodAutoscaler")
        .flatMap(scaler -> scaler.at("/spec/metrics").valueStream())
        .filter(metric -> metric.path("type").asString().equals("External"))
        .forEach(
            metric -> assertThat(metrics).contains(metric.at("/external/metric/name").asString()));
    manifests
        .kind("ScaledObject")
        .flatMap(scaler -> scaler.at("/spec/triggers").valueStream())
        .forEach(trigger -> {
          assertThat(metrics).contains(trigger.at("/metadata/valueLocation").asString());
          assertThat(trigger.at("/metadata/url").asString())
              .matches("http://rq-worker(\\.[a-z-]+)?:9090/metrics");
        });
  }

  @ParameterizedTest
  @MethodSource("overlays")
  void theWorkerReadsItsSettings(Manifests overlay) throws Exception {
    JsonNode pod = overlay.worker().at("/spec/template/spec");
    Map<String, String> environment =
        Manifests.texts(
            overlay
                .one("ConfigMap", pod.at("/containers/0/envFrom/0/configMapRef/name").asString())
                .path("data"));
    environment.replaceAll((name, value) -> name.endsWith("_FILE") ? secret(value, pod) : value);

    ConfigReader.Read read = ConfigReader.read(null, environment, List.of());

    assertThat(read.warnings()).isEmpty();
    WorkerConfig config = read.config();
    assertThat(config.timing().terminationGrace())
        .contains(Duration.ofSeconds(pod.path("terminationGracePeriodSeconds").asInt()));
    assertThat(config.redis().url()).endsWith("/9");
    assertThat(config.observe().port())
        .isEqualTo(pod.at("/containers/0/ports/0/containerPort").asString());
    assertThat(config.redis().startWait()).isLessThan(probed(pod.at("/containers/0/startupProbe")));
  }

  /** A file with what an operator would have put into the Secret that is mounted there. */
  private String secret(String path, JsonNode pod) {
    Path file = Path.of(path);
    assertThat(
            pod.at("/containers/0/volumeMounts")
                .valueStream()
                .filter(m -> m.path("name").asString().equals("secrets"))
                .map(m -> m.path("mountPath").asString()))
        .containsExactly(String.valueOf(file.getParent()));
    assertThat(SECRETS.get("rq-worker")).contains(String.valueOf(file.getFileName()));
    try {
      return Files.writeString(folder.resolve(String.valueOf(file.getFileName())), "secret")
          .toString();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static Duration probed(JsonNode probe) {
    return Duration.ofSeconds(
        probe.path("periodSeconds").asLong() * probe.path("failureThreshold").asLong());
  }

  @ParameterizedTest
  @MethodSource("overlays")
  void theNetworkLetsThroughWhatIsNeeded(Manifests overlay) {
    JsonNode policy = overlay.one("NetworkPolicy", "rq-worker").path("spec");
    assertThat(
            selects(
                policy.at("/podSelector/matchLabels"),
                overlay.worker().at("/spec/template/metadata/labels")))
        .isTrue();
    assertThat(policy.path("policyTypes").toString()).isEqualTo("[\"Ingress\",\"Egress\"]");
    assertThat(ports(policy.path("egress"))).contains("53", "6379", "5432", "6443");
    assertThat(ports(policy.path("ingress"))).containsExactly("http");
    assertThat(policy.path("egress"))
        .as("nothing may go everywhere")
        .allMatch(rule -> rule.has("to") && rule.has("ports"));
  }

  private static List<String> ports(JsonNode rules) {
    return rules
        .valueStream()
        .flatMap(rule -> rule.path("ports").valueStream())
        .map(port -> port.path("port").asString())
        .toList();
  }

  @ParameterizedTest
  @MethodSource("overlays")
  void theServiceAccountMayDoOneThing(Manifests overlay) {
    assertThat(overlay.kind("Role").toList()).hasSize(1);
    assertThat(overlay.one("Role", "rq-worker").path("rules").toString())
        .isEqualTo("[{\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"verbs\":[\"patch\"]}]");
    assertThat(overlay.kind("ClusterRole")).isEmpty();
  }

  @ParameterizedTest
  @MethodSource("overlays")
  void secretsAreNotInTheRepository(Manifests overlay) {
    assertThat(overlay.kind("Secret").toList()).hasSize(overlay.name().equals("lab") ? 1 : 0);
    overlay
        .kind("Secret")
        .forEach(secret -> {
          assertThat(name(secret)).startsWith("rq-worker");
          assertThat(secret.path("data").propertyNames()).isEqualTo(SECRETS.get("rq-worker"));
        });
  }
}
