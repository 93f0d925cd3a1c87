package cloud.wepp.rq;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.testing.RedisServer;
import io.lettuce.core.Consumer;
import io.lettuce.core.RedisClient;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.sync.RedisCommands;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The consumer side of the event stream against a real Redis. */
class EventStreamIT {
  private static final String EVENTS = "rq:wepp:events";
  private static final Duration AT_ONCE = Duration.ZERO;

  private static RedisServer server;
  private static RedisClient client;
  private static StatefulRedisConnection<String, String> connection;
  private static RedisAccess access;
  private static RedisCommands<String, String> redis;

  private EventStream stream;

  @BeforeAll
  static void start() {
    server = RedisServer.start();
    client = RedisClient.create(server.url());
    connection = client.connect();
    redis = connection.sync();
    access = new RedisAccess(server.url(), null, RedisAccess.USUAL_TIMEOUT);
  }

  @AfterAll
  static void stop() {
    access.close();
    connection.close();
    client.shutdown();
    server.close();
  }

  @BeforeEach
  void open() {
    redis.flushall();
    stream = new EventStream(access, "rq", "ledger", "me");
  }

  @AfterEach
  void close() {
    stream.close();
  }

  private static void add(String event) {
    redis.xadd(EVENTS, Map.of("event", event));
  }

  private static List<String> names(List<Event> events) {
    return events.stream().map(event -> event.text("event")).toList();
  }

  @Test
  void eventsOfBeforeTheGroupAreRead() {
    add("one");
    add("two");
    List<Event> read = stream.read(10, AT_ONCE);

    assertThat(names(read)).containsExactly("one", "two");
    assertThat(read.getFirst().source()).hasToString(redis.get("rq:wepp:source"));
    stream.done(read);
    stream.done(read);
    assertThat(stream.waiting()).isZero();
    assertThat(redis.xpending(EVENTS, "ledger").getCount()).isZero();
  }

  @Test
  void aFlushedRedisIsAnotherSource() {
    add("one");
    var before = stream.read(10, AT_ONCE).getFirst().source();
    redis.flushall();
    add("two");
    List<Event> read = stream.read(10, AT_ONCE);

    assertThat(names(read)).containsExactly("two");
    assertThat(read.getFirst().source()).isNotEqualTo(before);
  }

  @Test
  void aWaitSurvivesAFlushAndIsWoken() throws Exception {
    assertThat(stream.read(1, AT_ONCE)).isEmpty();
    long began = System.nanoTime();
    var read = CompletableFuture.supplyAsync(() -> stream.read(1, Duration.ofSeconds(5)));
    while (!redis.clientList().contains("cmd=xreadgroup")) {
      Thread.onSpinWait();
    }
    redis.flushall();
    while (!read.isDone()) {
      stream.wake();
    }
    assertThat(read.get(1, TimeUnit.SECONDS)).isEmpty();
    assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(4));
  }

  @Test
  void anEventEndsAWait() throws Exception {
    var read = CompletableFuture.supplyAsync(() -> stream.read(1, Duration.ofSeconds(5)));
    add("one");
    assertThat(names(read.get(10, TimeUnit.SECONDS))).containsExactly("one");
  }

  @Test
  void heldEventsAreTakenOverAlsoBehindDeletedOnes() {
    try (EventStream dead = new EventStream(access, "rq", "ledger", "dead")) {
      add("one");
      add("two");
      add("three");
      List<Event> held = dead.read(10, AT_ONCE);
      redis.xdel(EVENTS, held.get(0).id(), held.get(1).id());
      assertThat(stream.abandoned(Duration.ofHours(1), 1)).isEmpty();
      assertThat(names(stream.abandoned(Duration.ofMillis(0), 1))).containsExactly("three");
    }
    assertThat(redis.xinfoConsumers(EVENTS, "ledger").toString()).doesNotContain("three");
  }

  @Test
  void aConsumerThatHoldsNothingLeavesTheGroup() {
    try (EventStream other = new EventStream(access, "rq", "ledger", "other")) {
      add("one");
      other.done(other.read(10, AT_ONCE));
    }
    assertThat(stream.read(10, AT_ONCE)).isEmpty();
    add("two");
    assertThat(stream.read(10, AT_ONCE)).hasSize(1);
    assertThat(redis.xinfoConsumers(EVENTS, "ledger")).hasSize(1);
  }

  @Test
  void eventsThatNobodyHoldsAreReadAgain() {
    add("one");
    assertThat(stream.read(10, AT_ONCE)).hasSize(1);
    redis.xgroupDelconsumer(EVENTS, Consumer.from("ledger", "me"));
    assertThat(stream.read(10, AT_ONCE)).isEmpty();

    assertThat(stream.abandoned(Duration.ofHours(1), 10)).isEmpty();
    assertThat(names(stream.read(10, AT_ONCE))).containsExactly("one");
  }
}
