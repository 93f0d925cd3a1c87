package cloud.wepp.worker;

import static java.nio.charset.StandardCharsets.UTF_8;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.Claim;
import cloud.wepp.rq.JobQueue.Settled;
import cloud.wepp.rq.JobRecord;
import cloud.wepp.rq.MalformedJob;
import cloud.wepp.rq.ResultCodec;
import cloud.wepp.rq.Settlement;
import cloud.wepp.worker.job.JobListener;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Sends rq's webhooks of jobs that finished natively or failed otherwise than in Python, which
 * sends its own. A webhook that cannot be sent is logged and changes nothing.
 */
final class Webhooks implements JobListener, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Webhooks.class);
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final Duration USUAL_TIMEOUT = Duration.ofSeconds(10);

  /** Python's {@code isoformat()}. */
  private static final DateTimeFormatter ISO =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSS'+00:00'", Locale.ROOT)
          .withZone(ZoneOffset.UTC);

  private final HttpClient client =
      HttpClient.newBuilder().followRedirects(HttpClient.Redirect.NORMAL).build();
  private final InstantSource clock;

  Webhooks(InstantSource clock) {
    this.clock = clock;
  }

  @Override
  public void settled(Claim claim, Settlement settlement, Settled settled) {
    JobRecord job = claim.job();
    if (settled != Settled.SETTLED) {
      return;
    }
    switch (settlement) {
      case Settlement.Finish _ -> send(job, "finished", null);
      case Settlement.Fail(String excString, Duration _) -> failed(job, excString);
      default -> {}
    }
  }

  @Override
  public void reclaimed(Claim claim, Settlement settlement, Settled settled) {
    settled(claim, settlement, settled);
  }

  /** Of a job that a worker left which is none of ours. */
  void failed(JobRecord job, String excString) {
    send(job, "failed", excString);
  }

  private void send(JobRecord job, String status, @Nullable String excString) {
    if (job.text("webhooks").isEmpty()) {
      return;
    }
    try {
      for (JsonNode webhook : JSON.readTree(job.text("webhooks"))) {
        if (webhook.path("job_status").asString("").equals(status)) {
          send(job, webhook, payload(job, status, excString));
        }
      }
    } catch (JacksonException e) {
      LOG.warn("Job {}: its webhooks are no JSON; none is sent.", job.id());
    } catch (MalformedJob | DateTimeException e) {
      LOG.warn("Job {}: no webhook is sent: {}", job.id(), e.getMessage());
    }
  }

  private Map<String, @Nullable Object> payload(
      JobRecord job, String status, @Nullable String excString) throws MalformedJob {
    String enqueued = job.text("enqueued_at");
    Map<String, @Nullable Object> payload = new LinkedHashMap<>();
    payload.put("job_id", job.id());
    payload.put("func_name", Call.read(job.data()).function());
    payload.put("status", status);
    payload.put("enqueued_at", enqueued.isEmpty() ? null : ISO.format(Instant.parse(enqueued)));
    payload.put("ended_at", ISO.format(clock.instant()));
    if (excString != null) {
      payload.put("exc_info", ResultCodec.traceback(excString));
    }
    return payload;
  }

  private void send(JobRecord job, JsonNode webhook, Map<String, @Nullable Object> payload) {
    String url = webhook.path("url").asString("");
    try {
      boolean post = webhook.path("method").asString("GET").equals("POST");
      HttpRequest.Builder request =
          HttpRequest.newBuilder(URI.create(url))
              .timeout(
                  Duration.ofSeconds(webhook.path("timeout").asLong(USUAL_TIMEOUT.toSeconds())));
      if (post) {
        request
            .setHeader("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(payload), UTF_8));
      }
      webhook
          .path("headers")
          .properties()
          .forEach(header -> request.setHeader(header.getKey(), header.getValue().asString("")));
      var _ =
          client
              .sendAsync(request.build(), HttpResponse.BodyHandlers.discarding())
              .whenComplete((answer, error) -> told(job, url, answer, error));
    } catch (IllegalArgumentException e) { // no URL, or a header that Java sets itself
      told(job, url, null, e);
    }
  }

  private static void told(
      JobRecord job, String url, @Nullable HttpResponse<?> answer, @Nullable Throwable error) {
    String place = url.replaceAll("//[^/]*@", "//").replaceAll("[?#].*", ""); // no secrets in logs
    if (error != null) {
      LOG.warn(
          "Job {}: its webhook could not be sent to {}: {}", job.id(), place, error.toString());
    } else if (answer != null && answer.statusCode() >= 400) {
      LOG.warn("Job {}: its webhook to {} got {}", job.id(), place, answer.statusCode());
    }
  }

  /** Waits a little for what is under way. */
  @Override
  public void close() {
    client.shutdown();
    try {
      if (!client.awaitTermination(USUAL_TIMEOUT)) {
        LOG.warn("Some webhooks may not have been sent.");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    client.shutdownNow();
  }
}
