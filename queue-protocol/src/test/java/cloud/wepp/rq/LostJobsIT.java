package cloud.wepp.rq;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.lettuce.core.api.sync.RedisCommands;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What an event keeps of a job, and how the job is made from it again. */
class LostJobsIT {
  private static Fixture fixture;
  private static JobQueue jobs;
  private static LostJobs lost;
  private static RedisCommands<String, String> redis;

  @BeforeAll
  static void start() {
    fixture = new Fixture();
    redis = fixture.redis;
    jobs = fixture.jobs;
    lost = new LostJobs(fixture.access, "rq", InstantSource.system());
  }

  @AfterAll
  static void stop() {
    lost.close();
    fixture.close();
  }

  @BeforeEach
  void empty() {
    redis.flushall();
  }

  private static List<Event> events() {
    try (EventStream stream = new EventStream(fixture.access, "rq", "ledger", "me")) {
      List<Event> read = stream.read(100, Duration.ZERO);
      stream.done(read);
      return read;
    }
  }

  private static byte[] payload(Event event) {
    return Base64.getDecoder().decode(event.text("payload"));
  }

  private static Claim take() {
    return jobs.take(jobs.request("q", "w", List.of())).orElseThrow();
  }

  @Test
  void aLostJobIsMadeFromItsEventAgain() {
    byte[] data = new byte[600];
    for (int i = 0; i < data.length; i++) {
      data[i] = (byte) i;
    }
    String id = jobs.enqueue("q", data, "m.f()", Duration.ofMinutes(3));
    redis.hset("rq:job:" + id, Map.of("retries_left", "2", "ttl", "5000", "result_ttl", "77"));
    Map<String, String> before = redis.hgetall("rq:job:" + id);
    redis.hset("rq:job:" + id, "crashes", "[{}]");
    take();
    Event started = events().getFirst();
    redis.flushall();

    assertThat(lost.missing(List.of(id))).containsExactly(id);
    assertThat(lost.restore(id, "q", payload(started), true)).isEmpty();
    assertThat(redis.keys("*")).isEmpty();
    assertThat(lost.restore(id, "q", payload(started), false)).isEmpty();
    assertThat(redis.lrange("rq:queue:q", 0, -1)).containsExactly(id);
    Map<String, String> after = redis.hgetall("rq:job:" + id);
    for (String field :
        List.of(
            "data",
            "origin",
            "description",
            "timeout",
            "retries_left",
            "ttl",
            "result_ttl",
            "created_at",
            "status")) {
      assertThat(after.get(field)).as(field).isEqualTo(before.get(field));
    }
    assertThat(after).as("who died of it").doesNotContainKey("crashes");
    assertThat(redis.ttl("rq:job:" + id)).isBetween(4990L, 5000L);
    assertThat(lost.missing(List.of(id))).isEmpty();
    assertThat(lost.unwritten()).containsExactly(id);
    assertThat(lost.restore(id, "q", payload(started), false)).isEqualTo("Redis has it");
    Event requeued = events().getFirst();
    assertThat(requeued.text("event")).isEqualTo("requeued");
    assertThat(requeued.text("by")).isEqualTo("reconcile");
    assertThat(take().job().data()).isEqualTo(data);
  }

  @Test
  void anIdThatIsInTheQueueStillIsThereOnce() {
    String id = jobs.enqueue("q", "data".getBytes(UTF_8), "m.f()", Duration.ofMinutes(3));
    take();
    byte[] payload = payload(events().getFirst());
    redis.del("rq:job:" + id);
    redis.rpush("rq:queue:q", id);
    assertThat(lost.restore(id, "q", payload, false)).isEmpty();
    assertThat(redis.lrange("rq:queue:q", 0, -1)).containsExactly(id);
  }

  @Test
  void whatIsTooLargeIsNotKept() {
    String id = jobs.enqueue("q", new byte[70_000], "m.f()", Duration.ofMinutes(3));
    take();
    Event started = events().getFirst();
    assertThat(started.text("payload")).isEmpty();
    redis.flushall();
    assertThat(lost.restore(id, "q", payload(started), false))
        .isEqualTo("no event has its payload: it was too large, or is too old");
    assertThat(lost.restore(id, "q", new byte[] {1, 2}, false)).contains("cannot be read");
  }

  @Test
  void theHistoryIsToldOfAJobThatItDoesNotKnow() {
    String id = jobs.enqueue("q", "data".getBytes(UTF_8), "m.f()", Duration.ofMinutes(3));
    JobActions.Target target = new JobActions.Target(id, "m.f", "run-1", false);
    assertThat(lost.found(target)).isEmpty();
    Event found = events().getFirst();
    assertThat(found.fields())
        .containsEntry("event", "found")
        .containsEntry("job", id)
        .containsEntry("queue", "q")
        .containsEntry("status", "queued")
        .containsEntry("function", "m.f")
        .containsEntry("run", "run-1")
        .containsKey("enqueued_at");
    redis.del("rq:job:" + id);
    assertThat(lost.found(target)).isEqualTo("it is gone");
    assertThat(lost.restore(id, "q", payload(found), false)).isEmpty();
    assertThat(redis.lrange("rq:queue:q", 0, -1)).containsExactly(id);
  }
}
