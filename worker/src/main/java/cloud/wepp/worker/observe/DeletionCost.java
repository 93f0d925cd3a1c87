package cloud.wepp.worker.observe;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Collection;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells Kubernetes what it would cost to end this pod, in seconds of work that would be lost: when
 * it has fewer pods made, those go first that cost least. Written only when it has changed, and at
 * most once in {@code every}. Nothing depends on it, so it gives up when it is not allowed to, and
 * else tries again.
 */
public final class DeletionCost implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(DeletionCost.class);
  private static final String ANNOTATION = "controller.kubernetes.io/pod-deletion-cost";
  private static final Duration LONGEST = Duration.ofSeconds(10);

  private final Account account;
  private final Supplier<Collection<Duration>> ages;
  private final HttpClient client;
  private final Duration every;
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("deletion-cost").factory());
  private long written; // these are the timer thread's
  private boolean failing;

  /**
   * A service account that may patch its pod.
   *
   * @param folder with {@code token}, which changes by and by, {@code namespace} and {@code ca.crt}
   */
  public record Account(URI api, Path folder, String pod) {
    /** Whether this is a pod that has one. */
    public boolean isThere() {
      return Files.isReadable(folder.resolve("token"));
    }

    private String read(String name) throws IOException {
      return Files.readString(folder.resolve(name)).strip();
    }
  }

  /**
   * @param ages of the jobs that run now
   * @param every between two looks; younger jobs cost nothing
   */
  public DeletionCost(Account account, Supplier<Collection<Duration>> ages, Duration every) {
    this.account = account;
    this.ages = ages;
    this.every = every;
    client = client(account);
  }

  public void start() {
    long nanos = every.toNanos();
    var _ = timer.scheduleWithFixedDelay(this::look, nanos, nanos, TimeUnit.NANOSECONDS);
  }

  private static HttpClient client(Account account) {
    HttpClient.Builder client = HttpClient.newBuilder().connectTimeout(LONGEST);
    Path authority = account.folder().resolve("ca.crt");
    try {
      if (Files.exists(authority)) {
        client.sslContext(trust(authority));
      }
    } catch (IOException | GeneralSecurityException e) {
      LOG.warn("{} cannot be used: {}. The Java's own authorities are.", authority, e.toString());
    }
    return client.build();
  }

  /** Kubernetes' certificate is signed by the cluster's own authority. */
  private static SSLContext trust(Path authority) throws IOException, GeneralSecurityException {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (InputStream in = Files.newInputStream(authority)) {
      for (Certificate one : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
        store.setCertificateEntry("ca-" + store.size(), one);
      }
    }
    TrustManagerFactory managers =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    managers.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, managers.getTrustManagers(), null);
    return context;
  }

  /** A power of two, so that it changes seldom; a day and more is one cost. */
  static long cost(Collection<Duration> ages, Duration least) {
    long seconds =
        ages.stream()
            .filter(age -> age.compareTo(least) >= 0)
            .mapToLong(age -> Math.max(1, age.toSeconds()))
            .sum();
    return Long.highestOneBit(Math.min(seconds, 1 << 30));
  }

  private void look() {
    try {
      long cost = cost(ages.get(), every);
      if (cost != written) {
        write(cost);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (IOException e) {
      warn(e.toString());
    } catch (RuntimeException e) { // a bug here must not end more than one look
      LOG.error("Telling the deletion cost met an unexpected error", e);
    }
  }

  private void write(long cost) throws IOException, InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(
                account
                    .api()
                    .resolve(
                        "/api/v1/namespaces/%s/pods/%s"
                            .formatted(
                                URLEncoder.encode(account.read("namespace"), UTF_8),
                                URLEncoder.encode(account.pod(), UTF_8))))
            .timeout(LONGEST)
            .header("Authorization", "Bearer " + account.read("token"))
            .header("Content-Type", "application/merge-patch+json")
            .header("Accept", "application/json")
            .method(
                "PATCH",
                HttpRequest.BodyPublishers.ofString(
                    "{\"metadata\":{\"annotations\":{\"%s\":\"%d\"}}}".formatted(ANNOTATION, cost)))
            .build();
    int status = client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
    switch (status) {
      case 200 -> {
        written = cost;
        if (failing) {
          LOG.info("Kubernetes takes this pod's deletion cost again.");
          failing = false;
        }
      }
      case 403, 404 -> {
        LOG.warn(
            "Kubernetes answers {} when pod {} tells its deletion cost; it is not told any more."
                + " See kubernetes.deletion-cost and the service account's role.",
            status,
            account.pod());
        timer.shutdown();
      }
      default -> warn("it answered " + status);
    }
  }

  private void warn(String what) {
    if (!failing) {
      LOG.warn(
          "This pod's deletion cost cannot be told to Kubernetes: {}. Trying again until it can.",
          what);
      failing = true;
    }
  }

  @Override
  public void close() {
    timer.shutdownNow();
    client.shutdownNow();
  }
}
