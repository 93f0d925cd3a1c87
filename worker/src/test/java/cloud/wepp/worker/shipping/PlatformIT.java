package cloud.wepp.worker.shipping;

import static cloud.wepp.worker.shipping.Manifests.name;
import static cloud.wepp.worker.shipping.Manifests.selects;
import static java.util.stream.Collectors.toMap;
import static java.util.stream.Collectors.toSet;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/** That what {@code k8s/platform} describes fits together, and the worker's overlays. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PlatformIT {
  private static final String PLATFORM = "k8s/platform/";
  private static final List<String> ENVIRONMENTS = List.of("production", "staging");
  private static final String WAVE = "/metadata/annotations/argocd.argoproj.io~1sync-wave";

  private final Map<String, Manifests> rendered = new HashMap<>();
  private final Schemas schemas = new Schemas();

  PlatformIT() throws IOException {}

  private synchronized Manifests rendered(String folder) throws Exception {
    Manifests known = rendered.get(folder);
    if (known == null) {
      known = Manifests.rendered(folder, folder);
      rendered.put(folder, known);
    }
    return known;
  }

  private Manifests services(String environment) throws Exception {
    return rendered(PLATFORM + "overlays/" + environment + "/weppcloud");
  }

  private Manifests cluster(String environment) throws Exception {
    return rendered(PLATFORM + "overlays/" + environment + "/cluster");
  }

  private Manifests applications(String environment) throws Exception {
    return rendered(PLATFORM + "overlays/" + environment + "/argocd");
  }

  private Manifests worker(String environment) throws Exception {
    return rendered("k8s/overlays/" + environment);
  }

  private List<Manifests> services() throws Exception {
    List<Manifests> all = new ArrayList<>();
    for (String environment : ENVIRONMENTS) {
      all.add(services(environment));
    }
    all.add(hashed());
    return all;
  }

  private static Manifests hashed() throws Exception {
    return Manifests.component(
        PLATFORM + "overlays/staging/weppcloud",
        PLATFORM + "components/affinity-hash",
        "affinity-hash");
  }

  private List<Manifests> everything() throws Exception {
    List<Manifests> all = new ArrayList<>(services());
    for (String environment : ENVIRONMENTS) {
      all.add(cluster(environment));
      all.add(applications(environment));
    }
    all.add(
        Manifests.component(
            PLATFORM + "overlays/staging/argocd",
            PLATFORM + "argocd/components/nodeport",
            "nodeport"));
    return all;
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
  void everyComponentIsTried() throws Exception {
    assertThat(Manifests.folders(PLATFORM + "overlays")).isEqualTo(ENVIRONMENTS);
    String used = "affinity-hash nodeport";
    for (String environment : ENVIRONMENTS) {
      for (String part : Manifests.folders(PLATFORM + "overlays/" + environment)) {
        used += Files.readString(overlay(environment, part).resolve("kustomization.yaml"));
      }
    }
    assertThat(used).contains(Manifests.folders(PLATFORM + "components"));
    assertThat(used).contains(Manifests.folders(PLATFORM + "argocd/components"));
  }

  private static Path overlay(String environment, String part) {
    return Tool.ROOT.resolve(PLATFORM + "overlays/" + environment + "/" + part);
  }

  @ParameterizedTest
  @ValueSource(strings = {"staging", "production"})
  void nothingHasTwoOwners(String environment) throws Exception {
    List<JsonNode> objects = new ArrayList<>(services(environment).objects());
    objects.addAll(cluster(environment).objects());
    objects.addAll(applications(environment).objects());
    objects.addAll(worker(environment).objects());
    assertThat(objects)
        .extracting(object ->
            "%s %s/%s"
                .formatted(
                    object.path("kind").asString(),
                    object.at("/metadata/namespace").asString(""),
                    name(object)))
        .doesNotHaveDuplicates();
    assertThat(
            applications(environment)
                .kind("Application")
                .filter(app -> app.at("/spec/syncPolicy").has("managedNamespaceMetadata"))
                .map(app -> app.at("/spec/destination/namespace").asString()))
        .as("namespaces with labels")
        .doesNotHaveDuplicates();
  }

  @ParameterizedTest
  @MethodSource("services")
  void whatAUserNeedsIsThere(Manifests services) {
    assertThat(services.one("Deployment", "weppcloud").at("/spec/replicas").asInt())
        .isGreaterThanOrEqualTo(2);
    for (String name :
        List.of("weppcloud", "rq-engine", "status", "preflight", "weppcloudr", "browse")) {
      services.one("Deployment", name);
      services.one("Service", name);
    }
    services.one("Deployment", "scheduler");
    JsonNode redis = services.one("StatefulSet", "redis");
    assertThat(redis.at("/spec/replicas").asInt()).isEqualTo(1);
    assertThat(services.one("Service", "redis").path("spec").has("clusterIP")).isFalse();
    assertThat(
            services
                .one("ConfigMap", mapOf(redis, "scripts"))
                .at("/data/start-redis.sh")
                .asString())
        .contains("appendonly yes", "maxmemory-policy noeviction");
    assertThat(services.one("ConfigMap", mapOf(redis, "users")).path("data").propertyNames())
        .containsExactlyInAnyOrder("rq-worker.acl", "exporter.acl");
  }

  private static String mapOf(JsonNode workload, String volume) {
    return workload
        .at("/spec/template/spec/volumes")
        .valueStream()
        .filter(v -> v.path("name").asString().equals(volume))
        .map(v -> v.at("/configMap/name").asString())
        .findFirst()
        .orElseThrow();
  }

  @Test
  void stagingHasItsOwnPostgresAndProductionHasNot() throws Exception {
    assertThat(services("staging").one("StatefulSet", "postgres").at("/spec/replicas").asInt())
        .isEqualTo(1);
    services("staging").one("CronJob", "postgres-backup");
    assertThat(services("production").objects())
        .noneMatch(object -> name(object).startsWith("postgres"));
    assertThat(settings(services("production")).get("POSTGRES_HOST")).contains(".");
    assertThat(settings(services("staging"))).containsEntry("POSTGRES_HOST", "postgres");
  }

  private static Map<String, String> settings(Manifests services) {
    String name =
        services
            .one("Deployment", "weppcloud")
            .at("/spec/template/spec/containers/0/envFrom/0/configMapRef/name")
            .asString();
    return services
        .one("ConfigMap", name)
        .path("data")
        .propertyStream()
        .collect(toMap(Map.Entry::getKey, entry -> entry.getValue().asString()));
  }

  @ParameterizedTest
  @MethodSource("services")
  void selectorsFindTheirPods(Manifests services) {
    services.objects().stream()
        .filter(object -> object.at("/spec/selector/matchLabels").isObject())
        .filter(object -> !object.path("kind").asString().equals("PodMonitor"))
        .forEach(object ->
            assertThat(pods(services, object.at("/spec/selector/matchLabels")))
                .as("pods of %s", name(object))
                .hasSize(1));
    services
        .kind("Service")
        .forEach(service -> {
          List<JsonNode> pods = pods(services, service.at("/spec/selector"));
          assertThat(pods).as("pods of %s", name(service)).hasSize(1);
          assertThat(portNames(pods.getFirst()))
              .contains(service.at("/spec/ports/0/targetPort").asString());
        });
    services
        .kind("PodDisruptionBudget")
        .forEach(budget -> {
          assertThat(budget.at("/spec/maxUnavailable").asInt()).isEqualTo(1);
          assertThat(services.one("Deployment", name(budget)).at("/spec/replicas").asInt())
              .isGreaterThan(1);
        });
  }

  private static List<JsonNode> pods(Manifests services, JsonNode labels) {
    return services
        .podTemplates()
        .filter(template -> selects(labels, template.at("/metadata/labels")))
        .toList();
  }

  private static List<String> portNames(JsonNode template) {
    return template
        .at("/spec/containers/0/ports")
        .valueStream()
        .map(port -> port.path("name").asString())
        .toList();
  }

  @ParameterizedTest
  @ValueSource(strings = {"staging", "production"})
  void whatPodsReferToIsThere(String environment) throws Exception {
    Manifests services = services(environment);
    Set<String> claims =
        Stream.concat(
                services.kind("PersistentVolumeClaim"),
                worker(environment).kind("PersistentVolumeClaim"))
            .map(Manifests::name)
            .collect(toSet());
    services
        .podTemplates()
        .map(template -> template.path("spec"))
        .forEach(pod -> {
          Set<String> volumes = new TreeSet<>(List.of("data"));
          for (JsonNode volume : pod.path("volumes")) {
            volumes.add(volume.path("name").asString());
            if (volume.has("configMap")) {
              services.one("ConfigMap", volume.at("/configMap/name").asString());
            }
            if (volume.has("persistentVolumeClaim")) {
              assertThat(claims).contains(volume.at("/persistentVolumeClaim/claimName").asString());
            }
          }
          for (JsonNode mount : pod.at("/containers/0/volumeMounts")) {
            assertThat(volumes).contains(mount.path("name").asString());
            if (mount.path("mountPath").asString().equals("/geodata")) {
              assertThat(mount.path("readOnly").asBoolean(false)).isTrue();
            }
          }
        });
  }

  /** A service reads a Secret's key if, and only if, the table of the README says so. */
  @Test
  void theTableOfSecretsIsRight() throws Exception {
    record Use(String secret, String key, String by) {}
    Set<Use> told = new TreeSet<>(Comparator.comparing(Use::toString));
    String secret = "";
    for (String line : Files.readAllLines(Tool.ROOT.resolve("k8s/README.md"))) {
      Matcher row =
          Pattern.compile("\\| (?:`(\\w+)`/`([\\w-]+)` )?\\| (`.*`) \\| (.*) \\|").matcher(line);
      if (row.matches()) {
        secret = row.group(2) == null ? secret : row.group(2);
        for (String key : row.group(3).replace("`", "").split(" ", -1)) {
          for (String by : row.group(4).split(" ", -1)) {
            told.add(new Use(secret, key, by));
          }
        }
      }
    }
    Set<Use> used = new TreeSet<>(Comparator.comparing(Use::toString));
    Set<String> pods = new TreeSet<>();
    services("staging")
        .podTemplates()
        .forEach(template -> {
          String by = template.at("/metadata/labels/app.kubernetes.io~1name").asString();
          pods.add(by);
          for (JsonNode volume : template.at("/spec/volumes")) {
            if (volume.has("secret")) {
              JsonNode items = volume.at("/secret/items");
              assertThat(items).as("keys for %s", by).isNotEmpty();
              items.forEach(item ->
                  used.add(
                      new Use(
                          volume.at("/secret/secretName").asString(),
                          item.path("key").asString(),
                          by)));
            }
          }
        });
    told.removeIf(use -> !pods.contains(use.by()));
    assertThat(used).isEqualTo(told);
  }

  @ParameterizedTest
  @MethodSource("services")
  void filesOfSecretsAreMounted(Manifests services) {
    services
        .podTemplates()
        .forEach(template -> {
          JsonNode container = template.at("/spec/containers/0");
          Set<String> keys =
              template
                  .at("/spec/volumes")
                  .valueStream()
                  .flatMap(volume -> volume.at("/secret/items").valueStream())
                  .map(item -> item.path("key").asString())
                  .collect(toSet());
          container
              .path("env")
              .valueStream()
              .filter(variable -> variable.path("name").asString().endsWith("_FILE"))
              .map(variable -> Path.of(variable.path("value").asString()).getFileName().toString())
              .forEach(file -> assertThat(keys).as("keys for %s", container).contains(file));
        });
  }

  /** As Kubernetes' Pod Security Standard `restricted` asks, and a bit more. */
  @ParameterizedTest
  @MethodSource("services")
  void podsAreRestrictedAndBounded(Manifests services) {
    services
        .podTemplates()
        .forEach(template -> {
          JsonNode pod = template.path("spec");
          assertThat(pod.at("/securityContext/runAsNonRoot").asBoolean(false)).isTrue();
          assertThat(pod.at("/securityContext/runAsUser").asInt()).isPositive();
          assertThat(pod.at("/securityContext/seccompProfile/type").asString())
              .isEqualTo("RuntimeDefault");
          assertThat(pod.path("automountServiceAccountToken").asBoolean(true)).isFalse();
          assertThat(List.of("hostNetwork", "hostPID", "hostIPC")).noneMatch(pod::has);
          assertThat(pod.path("volumes").valueStream()).noneMatch(v -> v.has("hostPath"));
          JsonNode container = pod.at("/containers/0");
          JsonNode security = container.path("securityContext");
          assertThat(security.path("allowPrivilegeEscalation").asBoolean(true)).isFalse();
          assertThat(security.at("/capabilities/drop").toString()).isEqualTo("[\"ALL\"]");
          assertThat(security.path("readOnlyRootFilesystem").asBoolean(false))
              .as("read-only files of %s", container.path("image"))
              .isEqualTo(!writesIntoItsImage(template));
          if (container.has("ports")) {
            assertThat(List.of("startupProbe", "readinessProbe", "livenessProbe"))
                .allMatch(container::has);
          }
          assertThat(container.at("/resources/requests/memory").asString("")).isNotEmpty();
          assertThat(container.at("/resources/limits/memory").asString("")).isNotEmpty();
          assertThat(container.path("image").asString())
              .matches(".+:\\d+\\.[\\d.]+-[a-z]+|.+@sha256:[0-9a-f]{64}");
        });
  }

  /** What makes files of its own among those of its image. */
  private static boolean writesIntoItsImage(JsonNode template) {
    return template.at("/spec/containers/0/image").asString().contains("/wepppy@")
        || template.toString().contains("/weppcloudr@");
  }

  @ParameterizedTest
  @ValueSource(strings = {"staging", "production"})
  void oneStorageServesAllClaims(String environment) throws Exception {
    assertThat(cluster(environment).kind("StorageClass"))
        .singleElement()
        .matches(type -> name(type).equals("block"))
        .matches(type -> type.path("reclaimPolicy").asString().equals("Retain"));
    Manifests services = services(environment);
    Stream.concat(
            services.kind("PersistentVolumeClaim"),
            services
                .kind("StatefulSet")
                .flatMap(set -> set.at("/spec/volumeClaimTemplates").valueStream()))
        .filter(claim -> !claim.path("spec").has("volumeName"))
        .forEach(
            claim -> assertThat(claim.at("/spec/storageClassName").asString()).isEqualTo("block"));
    JsonNode namespace = cluster(environment).kind("Namespace").findFirst().orElseThrow();
    assertThat(services.objects())
        .filteredOn(object -> !object.path("kind").asString().equals("PersistentVolume"))
        .allMatch(o -> o.at("/metadata/namespace").asString().equals(name(namespace)));
    assertThat(worker(environment).worker().at("/metadata/namespace").asString())
        .isEqualTo(name(namespace));
    services
        .kind("PersistentVolume")
        .forEach(volume -> {
          JsonNode claim = services.one("PersistentVolumeClaim", name(volume));
          assertThat(claim.at("/spec/volumeName").asString()).isEqualTo(name(volume));
          assertThat(volume.at("/spec/claimRef/name").asString()).isEqualTo(name(claim));
          assertThat(volume.at("/spec/claimRef/namespace").asString()).isEqualTo(name(namespace));
        });
  }

  @ParameterizedTest
  @MethodSource("services")
  void routesLeadToServices(Manifests services) {
    String host = settings(services).get("EXTERNAL_HOST");
    routes(services)
        .forEach(route -> {
          assertThat(route.path("match").asString()).startsWith("Host(`" + host + "`)");
          for (JsonNode service : route.path("services")) {
            if (!service.path("kind").asString("").equals("TraefikService")) {
              assertThat(
                      services
                          .one("Service", service.path("name").asString())
                          .at("/spec/ports/0/name")
                          .asString())
                  .isEqualTo(service.path("port").asString());
            }
            if (service.has("serversTransport")) {
              services.one("ServersTransport", service.path("serversTransport").asString());
            }
          }
          for (JsonNode middleware : route.path("middlewares")) {
            services.one("Middleware", middleware.path("name").asString());
          }
        });
  }

  private static Stream<JsonNode> routes(Manifests services) {
    return services
        .kind("IngressRoute")
        .flatMap(ingress -> ingress.at("/spec/routes").valueStream());
  }

  /** As Caddy had them. */
  @ParameterizedTest
  @CsvSource({
    "/, weppcloud",
    "/weppcloud/, weppcloud",
    "/weppcloud/runs/a/disturbed9002/, weppcloud",
    "/weppcloud/runs/a/cfg/browse/, browse",
    "/weppcloud/runs/a/cfg/browse/wepp/output, browse",
    "/weppcloud/runs/a/cfg/download/wepp/x.txt, browse",
    "/weppcloud/runs/a/cfg/gdalinfo/dem.tif, browse",
    "/weppcloud/runs/a/cfg/download/archives/a.zip, download",
    "/weppcloud/runs/a/cfg/download/features/published/f, weppcloud",
    "/weppcloud/runs/a/cfg/elevationquery/, elevationquery",
    "/weppcloud/batch/b/browse/, browse",
    "/weppcloud/culverts/c/download/x, browse",
    "/weppcloud-microservices/status/run:wepp, status",
    "/weppcloud-microservices/preflight/run, preflight",
    "/rq-engine/api/jobstatus/1, rq-engine",
    "/query-engine/runs/a, query-engine",
    "/weppcloudr/runs/a, weppcloudr",
    "/cap/assets/cap.js, cap",
  })
  void aPathGoesWhereItDid(String path, String service) throws Exception {
    assertThat(
            routes(services("production"))
                .filter(route -> matches(route.path("match").asString(), path))
                .max(
                    Comparator.comparingInt(route ->
                        route.path("priority").asInt(route.path("match").asString().length())))
                .orElseThrow()
                .at("/services/0/name")
                .asString())
        .isEqualTo(service);
  }

  /** Traefik's own rule, as far as ours go: a host, and one of several paths. */
  private static boolean matches(String rule, String path) {
    if (rule.contains("HeaderRegexp")) {
      return false;
    }
    List<Boolean> paths =
        Pattern.compile("(Path|PathPrefix|PathRegexp)\\(`([^`]*)`\\)")
            .matcher(rule)
            .results()
            .map(found ->
                switch (found.group(1)) {
                  case "Path" -> path.equals(found.group(2));
                  case "PathPrefix" -> path.startsWith(found.group(2));
                  default -> Pattern.compile(found.group(2)).matcher(path).find();
                })
            .toList();
    return paths.isEmpty() || paths.contains(true);
  }

  @Test
  void affinityIsByCookieOrByRun() throws Exception {
    String first = "/spec/routes/0/services/0";
    JsonNode byCookie = services("production").one("IngressRoute", "weppcloud").at(first);
    assertThat(byCookie.path("name").asString()).isEqualTo("weppcloud");
    assertThat(byCookie.at("/sticky/cookie/secure").asBoolean(false)).isTrue();
    assertThat(hashed().one("IngressRoute", "weppcloud").at(first + "/name").asString())
        .isEqualTo("haproxy");
  }

  @ParameterizedTest
  @ValueSource(strings = {"staging", "production"})
  void applicationsFindWhatTheyName(String environment) throws Exception {
    Manifests applications = applications(environment);
    Set<String> repositories =
        applications
            .one("AppProject", "platform")
            .at("/spec/sourceRepos")
            .valueStream()
            .map(JsonNode::asString)
            .collect(toSet());
    applications
        .kind("Application")
        .forEach(app -> {
          JsonNode spec = app.path("spec");
          assertThat(spec.path("project").asString()).isEqualTo("platform");
          assertThat(spec.at("/syncPolicy/automated/prune").asBoolean(false)).isTrue();
          assertThat(spec.at("/syncPolicy/automated/selfHeal").asBoolean(false)).isTrue();
          assertThat(app.at(WAVE).asString()).matches("-?\\d");
          Stream.concat(Stream.of(spec.path("source")), spec.path("sources").valueStream())
              .filter(JsonNode::isObject)
              .forEach(source -> {
                assertThat(repositories).contains(source.path("repoURL").asString());
                if (source.has("path")) {
                  assertThat(Tool.ROOT.resolve(source.path("path").asString()))
                      .isDirectoryContaining("glob:**/kustomization.yaml");
                  assertThat(source.path("path").asString()).contains(environment);
                }
                if (source.has("chart")) {
                  assertThat(source.path("targetRevision").asString())
                      .matches("v?\\d+\\.\\d+\\.\\d+");
                }
                for (JsonNode file : source.at("/helm/valueFiles")) {
                  assertThat(Tool.ROOT.resolve(file.asString().replace("$values/", "")))
                      .isRegularFile();
                }
              });
        });
    for (String own : List.of("weppcloud", "rq-worker")) {
      Manifests what = own.equals("weppcloud") ? services(environment) : worker(environment);
      assertThat(applications.one("Application", own).at("/spec/destination/namespace").asString())
          .isEqualTo(what.one("Deployment", own).at("/metadata/namespace").asString());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"staging", "production"})
  void wavesRespectWhatNeedsWhat(String environment) throws Exception {
    Map<String, Integer> waves =
        applications(environment)
            .kind("Application")
            .collect(toMap(Manifests::name, app -> Integer.valueOf(app.at(WAVE).asString())));
    Map<String, List<String>> needs =
        Map.ofEntries(
            Map.entry("cluster", List.of("metallb", "longhorn", "rook-ceph", "rook-ceph-cluster")),
            Map.entry("rook-ceph-cluster", List.of("rook-ceph")),
            Map.entry("traefik", List.of("metallb", "cluster")),
            Map.entry("kube-prometheus-stack", List.of("cluster")),
            Map.entry("loki", List.of("cluster")),
            Map.entry("harbor", List.of("cluster", "traefik", "kube-prometheus-stack")),
            Map.entry("alloy", List.of("loki")),
            Map.entry("weppcloud", List.of("cluster", "traefik", "kube-prometheus-stack")),
            Map.entry("rq-worker", List.of("cluster", "keda", "kube-prometheus-stack")),
            Map.entry("redis-exporter", List.of("weppcloud", "kube-prometheus-stack")),
            Map.entry("postgres-exporter", List.of("weppcloud", "kube-prometheus-stack")));
    needs.forEach((app, before) ->
        before.stream()
            .filter(waves::containsKey)
            .filter(_ -> waves.containsKey(app))
            .forEach(other ->
                assertThat(waves.get(app))
                    .as("%s after %s", app, other)
                    .isGreaterThan(waves.get(other))));
    assertThat(waves).containsKeys("metallb", "traefik", "loki", "alloy", "keda", "cluster");
    assertThat(waves.keySet()).containsAnyOf("longhorn", "rook-ceph-cluster");
    // Each has what the other waits for.
    assertThat(waves.get("weppcloud")).isEqualTo(waves.get("rq-worker"));
  }

  @Test
  void argoCdWaitsForTheHealthOfApplications() throws IOException {
    assertThat(
            chart("argocd")
                .at("/configs/cm")
                .path("resource.customizations.health.argoproj.io_Application")
                .asString())
        .contains("obj.status.health.status");
  }

  @Test
  void theAddressesOfTraefikAreThoseOfMetalLb() throws Exception {
    JsonNode traefik = chart("traefik");
    assertThat(traefik.at("/service/type").asString()).isEqualTo("LoadBalancer");
    for (String environment : ENVIRONMENTS) {
      assertThat(
              name(
                  cluster(environment)
                      .one(
                          "IPAddressPool",
                          traefik.at("/service/annotations/metallb.io~1address-pool").asString())))
          .isEqualTo(
              cluster(environment)
                  .one("L2Advertisement", "ingress")
                  .at("/spec/ipAddressPools/0")
                  .asString());
    }
    assertThat(chart("traefik-nodeport").at("/service/type").asString()).isEqualTo("NodePort");
  }

  @Test
  void logsOfEveryServiceGoToLoki() throws IOException {
    assertThat(chart("alloy").at("/controller/type").asString()).isEqualTo("daemonset");
    assertThat(chart("alloy").at("/alloy/configMap/content").asString())
        .contains("loki.source.kubernetes", "http://loki.logging:3100/loki/api/v1/push");
  }

  private static JsonNode chart(String name) throws IOException {
    return Manifests.read(
            Files.readString(Tool.ROOT.resolve(PLATFORM + "charts/" + name + ".yaml")))
        .getFirst();
  }

  @Test
  void everyFileOfValuesHasItsApplication() throws Exception {
    String applications =
        applications("staging").objects() + "" + applications("production").objects();
    try (Stream<Path> files = Files.list(Tool.ROOT.resolve(PLATFORM + "charts"))) {
      for (Path file : files.toList()) {
        String name = String.valueOf(file.getFileName());
        chart(name.replace(".yaml", ""));
        if (!name.equals("traefik-nodeport.yaml")) {
          assertThat(applications).contains("charts/" + name);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("everything")
  void secretsAreNotInTheRepository(Manifests manifests) {
    assertThat(manifests.kind("Secret")).isEmpty();
  }

  @Test
  void theDashboardCanBeAsked(@TempDir Path folder) throws Exception {
    ObjectMapper json = new ObjectMapper();
    JsonNode board =
        json.readTree(Files.readString(Tool.ROOT.resolve(PLATFORM + "base/services.json")));
    List<String> rules =
        board
            .path("panels")
            .valueStream()
            .flatMap(panel -> panel.path("targets").valueStream())
            .filter(target -> target.at("/datasource/type").asString().equals("prometheus"))
            .map(
                target -> "{record: a, expr: " + json.writeValueAsString(target.path("expr")) + "}")
            .toList();
    assertThat(rules).hasSizeGreaterThan(10);
    Files.writeString(
        folder.resolve("rules.yaml"),
        "groups: [{name: panels, rules: [" + String.join(", ", rules) + "]}]");
    Tool.run("promtool", "check", "rules", "--lint=none", folder.resolve("rules.yaml").toString());
  }
}
