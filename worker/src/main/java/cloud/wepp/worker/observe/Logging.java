package cloud.wepp.worker.observe;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.PatternLayout;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.Appender;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.encoder.Encoder;
import cloud.wepp.worker.config.Secret;
import cloud.wepp.worker.config.WorkerConfig;
import com.github.loki4j.logback.Loki4jAppender;
import com.github.loki4j.logback.PipelineConfigAppenderBase.BasicAuth;
import com.github.loki4j.logback.PipelineConfigAppenderBase.BatchCfg;
import com.github.loki4j.logback.PipelineConfigAppenderBase.HttpCfg;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Metrics;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where log lines go beside what {@code logback.xml} says: JSON on standard output in its place,
 * and Loki. Loki never holds a job up: lines wait in a bounded queue, and those that do not fit in
 * are dropped and counted.
 */
public final class Logging implements AutoCloseable {
  /** What Loki's appender counts. */
  static final MeterRegistry COUNTS = new SimpleMeterRegistry();

  private static final int QUEUE_BYTES = 4 << 20;
  private static final int BATCH_BYTES = 400_000;
  private static final int RETRIES = 1_000_000;

  private final ch.qos.logback.classic.Logger root;
  private final @Nullable Loki4jAppender loki;
  private final Duration drain;

  /**
   * From now on, until it is closed.
   *
   * @param pod what Loki's lines are labeled with
   */
  public Logging(WorkerConfig.Log log, WorkerConfig.Loki to, String pod) {
    LoggerContext context = (LoggerContext) LoggerFactory.getILoggerFactory();
    root = context.getLogger(Logger.ROOT_LOGGER_NAME);
    context.getLogger("cloud.wepp").setLevel(Level.toLevel(log.level()));
    if (log.format().equals("json")) {
      root.detachAndStopAllAppenders();
      root.addAppender(console(context));
    }
    drain = to.drain();
    loki = to.url().map(url -> loki(context, url, to, pod)).orElse(null);
    if (loki != null) {
      Metrics.addRegistry(COUNTS);
      loki.start();
      root.addAppender(loki);
    }
  }

  private static Appender<ILoggingEvent> console(LoggerContext context) {
    Encoder<ILoggingEvent> encoder = new JsonLines();
    encoder.setContext(context);
    encoder.start();
    ConsoleAppender<ILoggingEvent> console = new ConsoleAppender<>();
    console.setContext(context);
    console.setEncoder(encoder);
    console.start();
    return console;
  }

  private static Loki4jAppender loki(
      LoggerContext context, String url, WorkerConfig.Loki to, String pod) {
    PatternLayout message = new PatternLayout();
    message.setContext(context);
    message.setPattern("%msg%n%ex");
    message.start();
    HttpCfg http = new HttpCfg();
    http.setUrl(url.endsWith("/push") ? url : url.replaceFirst("/$", "") + "/loki/api/v1/push");
    http.setConnectionTimeoutMs(1000);
    http.setRequestTimeoutMs(5000);
    // Until Loki is back: meanwhile the queue fills, and then new lines are dropped.
    http.setMaxRetries(RETRIES);
    http.setMinRetryBackoffMs(200);
    http.setMaxRetryBackoffMs(5000);
    to.tenant().ifPresent(http::setTenantId);
    if (to.user().isPresent()) {
      BasicAuth auth = new BasicAuth();
      auth.setUsername(to.user().get());
      auth.setPassword(to.password().map(Secret::reveal).orElse(""));
      http.setAuth(auth);
    }
    BatchCfg batch = new BatchCfg();
    batch.setMaxItems(500);
    batch.setTimeoutMs(1000);
    batch.setMaxBytes(BATCH_BYTES);
    batch.setSendQueueMaxBytes(QUEUE_BYTES);
    batch.setDrainOnStop(false); // with Loki down it would hold the end up for most of a minute
    Loki4jAppender loki = new Loki4jAppender();
    loki.setContext(context);
    loki.setName("loki");
    loki.setMetricsEnabled(true);
    loki.setHttp(http);
    loki.setBatch(batch);
    loki.setLabels("app=rq-worker\npod=" + pod + "\nlevel=%level");
    loki.setStructuredMetadata("logger=%logger{0}\nthread=%thread\n*=%%mdc");
    loki.setMessage(message);
    return loki;
  }

  /** Waits a little for lines on their way to Loki. */
  @Override
  public void close() {
    if (loki != null) {
      long deadline = System.nanoTime() + drain.toNanos();
      while (unsent() > 0 && System.nanoTime() - deadline < 0) {
        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20));
      }
      root.detachAppender(loki);
      loki.stop();
      Metrics.globalRegistry.clear();
      Metrics.removeRegistry(COUNTS);
    }
  }

  private static double unsent() {
    return COUNTS.find("loki4j.unsent.events").gauges().stream().mapToDouble(Gauge::value).sum();
  }
}
