package cloud.wepp.worker.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Inventory.Events;
import cloud.wepp.rq.Inventory.Leases;
import cloud.wepp.rq.Inventory.QueueSeen;
import cloud.wepp.rq.Inventory.Seen;
import cloud.wepp.rq.Inventory.Suspension;
import cloud.wepp.rq.Inventory.WorkerSeen;
import cloud.wepp.worker.config.WorkerConfig;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class InfoTest {
  private static final Instant AT = Instant.parse("2026-11-24T12:00:00.5Z");

  private static final Seen SEEN =
      new Seen(
          AT,
          new Suspension(true, Duration.ofSeconds(90)),
          new TreeSet<>(List.of("queue default", "function " + "f".repeat(120))),
          new Leases(1, 2),
          new Events(3, AT.minusSeconds(4), 7),
          List.of(
              new QueueSeen("default", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
              new QueueSeen(
                  "q".repeat(120), 123_456_789, 2, 123_456_789, 4, 123_456_789, 6, 7, 0, 0, 0)),
          List.of(
              new WorkerSeen(
                  "w.1",
                  "busy",
                  "the-job",
                  List.of("default", "q".repeat(120)),
                  "host",
                  7L,
                  12,
                  1,
                  Duration.ofMinutes(61),
                  AT.minusSeconds(5),
                  AT.minusSeconds(90_000),
                  "process 7 does not end"),
              new WorkerSeen(
                  "w".repeat(120),
                  "",
                  null,
                  List.of(),
                  "",
                  null,
                  0,
                  0,
                  Duration.ZERO,
                  null,
                  null,
                  "")));

  private static String printed(boolean json, int mostEvents) {
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    Info info =
        new Info(
            SEEN,
            "redis:6379/9",
            new WorkerConfig.Ledger(
                "write",
                mostEvents,
                "stop",
                Duration.ofMinutes(1),
                Duration.ofDays(730),
                Duration.ofDays(90)));
    try (PrintStream out = new PrintStream(said, true, UTF_8)) {
      if (json) {
        info.printJson(out);
      } else {
        info.print(out);
      }
    }
    return said.toString(UTF_8);
  }

  @Test
  void theTextFitsInto100Columns() {
    assertThat(printed(false, 3).lines()).allMatch(line -> line.length() <= 100);
    assertThat(Info.JSON_KEYS.lines()).allMatch(line -> line.length() <= 80);
  }

  @Test
  void theTextTellsAllOfIt() {
    assertThat(printed(false, 3).lines().map(line -> line.strip().replaceAll(" +", " ")))
        .contains(
            "Redis redis:6379/9 at 2026-11-24T12:00:00Z",
            "Workers are suspended: no job is taken for 1m30s more.",
            "default 1 2 3 4 5 6 7",
            "paused",
            "9 popped by a Python worker and not yet started",
            "10 ready, and not yet put into the queue by rq 3.0",
            "w.1 busy 12 1 1h01m 5s 1d01h",
            "runs the-job",
            "is blocked: process 7 does not end",
            "?, pid ?, for ?:",
            "Leases: 1 held, 2 overdue.",
            "Events that wait for Postgres: 3, the first for 4s.",
            "These are ledger.max-events (3) or more: no job is taken until Postgres has some.",
            "Dropped so far, because too many waited: 7.");
  }

  @Test
  void jsonHasTheKeysThatTheHelpNames() {
    JsonNode all = JsonMapper.builder().build().readTree(printed(true, 1000));
    all.properties().forEach(entry -> assertThat(Info.JSON_KEYS).contains(entry.getKey()));
    for (String list : List.of("queues", "workers")) {
      all.path(list)
          .path(0)
          .properties()
          .forEach(entry -> assertThat(Info.JSON_KEYS).contains(entry.getKey()));
    }
    assertThat(all.at("/queues/0/paused").asBoolean()).isTrue();
    assertThat(all.at("/queues/1/paused").asBoolean()).isFalse();
    assertThat(all.at("/queues/0/abandoned").asInt()).isEqualTo(8);
    assertThat(all.at("/workers/0/current_job").asString()).isEqualTo("the-job");
    assertThat(all.at("/workers/0/age_seconds").asDouble()).isEqualTo(90_000);
    assertThat(all.at("/workers/1/pid").isNull()).isTrue();
    assertThat(all.at("/suspended_seconds").asDouble()).isEqualTo(90);
    assertThat(all.at("/events/max").asInt()).isEqualTo(1000);
  }

  @ParameterizedTest
  @CsvSource({"-1, 0s", "59, 59s", "200, 3m20s", "43500, 12h05m", "284400, 3d07h"})
  void durationsAreBrief(long seconds, String brief) {
    assertThat(Info.brief(Duration.ofSeconds(seconds))).isEqualTo(brief);
  }
}
