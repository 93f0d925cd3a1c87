package cloud.wepp.worker.observe;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Claim;
import cloud.wepp.rq.JobQueue.Settled;
import cloud.wepp.rq.JobRecord;
import cloud.wepp.rq.Settlement;
import cloud.wepp.worker.job.JobListener.Ran;
import cloud.wepp.worker.process.Limits;
import cloud.wepp.worker.process.ProcessEnd;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class MetricsTest {
  private static final Claim CLAIM =
      new Claim("c", "default", "e", "w.1", Instant.EPOCH, new JobRecord("job-17", Map.of()));

  private final Metrics metrics =
      new Metrics(
          new Metrics.Observed(
              "1.2", List.of("default", "batch"), List.of("wepppy.rq"), 4, () -> 3, () -> false));

  private final Mount mount =
      new Mount(
          new Mount.Wanted(Path.of("/wc1"), true, true, Optional.empty(), 0),
          "w",
          new SlowCheck.Pace(Duration.ofSeconds(30), Duration.ofSeconds(15)),
          InstantSource.system());

  @AfterEach
  void close() {
    mount.close();
    metrics.close();
  }

  private void end(String function, String outcome) {
    metrics.ended(CLAIM, new Ran(function, outcome, Duration.ofSeconds(3), Duration.ofSeconds(70)));
  }

  private void everything() {
    metrics.looked(
        new Metrics.Load(
            Duration.ofMillis(2),
            Map.of(
                "default", new Metrics.Queue(10, 7, 3, Duration.ofMillis(1500)),
                "batch", new Metrics.Queue(5, 0, 4, Duration.ZERO))));
    metrics.backlog(12, Duration.ofSeconds(5));
    metrics.heartbeat(Duration.ofMillis(3));
    metrics.watch(mount);
    metrics.watchGeodata(() -> 2);
    metrics.started(CLAIM);
    metrics.stalled(CLAIM, "wepp watershed");
    metrics.settled(CLAIM, new Settlement.Leave(), Settled.SETTLED);
    end("wepppy.rq.wepp_rq.run_hillslope_rq", "finished");
    for (String name : List.of("wepp hillslope 7", "wepp flowpath fp_a", "python")) {
      metrics.used(
          name,
          new ProcessEnd(
              9,
              0,
              ProcessEnd.Cause.EXITED,
              Duration.ofSeconds(2),
              new ProcessEnd.Usage(Duration.ofSeconds(1), Duration.ZERO, 1 << 20, 11, 12, 0, 0),
              Limits.NONE));
    }
  }

  @Test
  void theAutoscaleSignalIsRunnableAndRunningJobsBySlots() {
    assertThat(metrics.scrape()).contains("rq_wanted_workers NaN");
    everything();
    assertThat(metrics.scrape())
        .contains(
            "rq_wanted_workers 3.5",
            "rq_queue_waiting_jobs{queue=\"default\"} 10.0",
            "rq_queue_oldest_seconds{queue=\"default\"} 1.5",
            "rq_worker_running_jobs 3.0");
    metrics.unanswered();
    assertThat(metrics.scrape())
        .contains("rq_wanted_workers NaN", "rq_worker_redis_errors_total 1.0");
  }

  @Test
  void tellsHowJobsAndProcessesWent() {
    everything();
    assertThat(metrics.scrape())
        .contains(
            "rq_worker_job_duration_seconds_bucket{function=\"wepppy.rq.wepp_rq.run_hillslope_rq\",outcome=\"finished\",le=\"600.0\"}"
                + " 1",
            "rq_worker_job_wait_seconds_sum{function=\"wepppy.rq.wepp_rq.run_hillslope_rq\",outcome=\"finished\"}"
                + " 3.0",
            "rq_worker_claims_total{event=\"taken\"} 1.0",
            "rq_worker_process_io_bytes_total{direction=\"written\",model=\"wepp hillslope\"} 12.0",
            "rq_worker_processes_total{cause=\"exited\",model=\"wepp flowpath\"} 1.0")
        .doesNotContain("job-17");
  }

  @Test
  void namesOfFunctionsCannotFloodIt() {
    for (int i = 0; i < 1000; i++) {
      end("made.up" + i, "failed");
    }
    end("wepppy.rq.late", "finished");
    end("", "failed");
    String scraped = metrics.scrape();
    assertThat(
            Pattern.compile("rq_worker_job_wait_seconds_count\\{function")
                .matcher(scraped)
                .results())
        .hasSize(103);
    assertThat(scraped)
        .contains(
            "rq_worker_job_wait_seconds_count{function=\"other\",outcome=\"failed\"} 900",
            "{function=\"wepppy.rq.late\"",
            "{function=\"unreadable\"");
  }

  /** Each row is what Prometheus is told of one metric: its name, type, labels and meaning. */
  @Test
  void theTableOfTheDocumentationIsWhatThereIs() throws IOException {
    everything();
    String scraped = metrics.scrape();
    List<String> rows =
        Pattern.compile("# HELP (\\S+) (.*)\\n# TYPE \\1 (\\w+)\\n(?:\\w+?(?:\\{(.*?)})? )?")
            .matcher(scraped)
            .results()
            .map(MetricsTest::row)
            .filter(MetricsTest::isSteady)
            .toList();
    assertThat(rows).hasSizeGreaterThan(30);
    assertThat(Files.readAllLines(Path.of("..", "docs", "metrics.md")).stream())
        .as("docs/metrics.md must have these rows:%n%s", String.join("\n", rows))
        .filteredOn(line -> line.matches("\\| `\\w+` .*") && isSteady(line))
        .isEqualTo(rows);
  }

  /** Some are there only once the collector has run. */
  private static boolean isSteady(String row) {
    return !row.contains("`jvm_gc_pause") && !row.contains("`jvm_gc_concurrent");
  }

  private static String row(MatchResult metric) {
    String labels =
        metric.group(4) == null
            ? ""
            : metric.group(4).replaceAll("=\"[^\"]*\"", "").replace(",", ", ");
    return "| `%s` | %s | %s | %s |"
        .formatted(
            metric.group(1),
            metric.group(3),
            labels.replaceAll(",? ?\\ble\\b", ""),
            metric.group(2));
  }
}
