package cloud.wepp.worker.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.Worker;
import cloud.wepp.worker.testing.FaultProxy;
import cloud.wepp.worker.testing.FaultProxy.Fault;
import cloud.wepp.worker.testing.HostClock;
import cloud.wepp.worker.testing.RecordingListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Servers that fail, networks that are cut, and workers that stand still. */
class OutageChaosIT {
  @TempDir Path folder;
  private final Fleet fleet = new Fleet();
  private final Invariants invariants = fleet.invariants;
  private final RecordingListener listener = new RecordingListener();
  private final List<AutoCloseable> open = new ArrayList<>();
  private Watersheds work;

  @BeforeEach
  void layOut() throws IOException {
    work = Watersheds.layOut(folder, 4, "0.3");
  }

  @AfterEach
  void close() throws Exception {
    closeWorkers();
    fleet.close();
  }

  private void closeWorkers() throws Exception {
    for (AutoCloseable one : open.reversed()) {
      one.close();
    }
    open.clear();
  }

  private Worker worker(String... settings) throws Exception {
    Worker worker = Fleet.worker(fleet.settings(work, settings), listener);
    open.add(worker);
    return worker;
  }

  private void assertAllIsWell(List<String> jobs) throws Exception {
    invariants.awaitResults(jobs);
    invariants.awaitNoClaim();
    closeWorkers();
    invariants.carryEvents();
    work.assertEachRan();
    invariants.assertEachFinishedOnce(jobs);
    Invariants.assertNothingRunsIn(folder);
  }

  private static void signal(String signal, long pid) throws Exception {
    assertThat(new ProcessBuilder("kill", "-" + signal, Long.toString(pid)).start().waitFor())
        .isZero();
  }

  private void awaitStarted(int count) throws InterruptedException {
    listener.await(RecordingListener.Started.class, count, started -> true);
  }

  @Test
  void aWorkerThatStandsStillForLongerThanItsLease() throws Exception {
    Process still = Fleet.program(List.of(), fleet.settings(work));
    List<String> jobs = work.enqueue(fleet.client, false);
    invariants.awaitResults(jobs.subList(0, 1)); // it is at work
    signal("STOP", still.pid());
    worker();
    invariants.awaitResults(jobs);
    signal("CONT", still.pid());
    invariants.awaitNoClaim();
    still.toHandle().destroy();
    assertThat(still.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(still.exitValue()).isZero();
    assertAllIsWell(jobs);
  }

  /** The one that is cut off freezes what it runs; the other takes over; then it goes on. */
  @ParameterizedTest
  @EnumSource(names = {"CUT", "HALF_OPEN", "CUT_MID_REPLY"})
  void aNetworkThatIsCutForLongerThanTheLease(Fault fault) throws Exception {
    FaultProxy network = FaultProxy.before(fleet.redis.url());
    open.add(network);
    Worker cut = worker("redis.url=" + network.through(fleet.redis.url()));
    List<String> jobs = work.enqueue(fleet.client, false);
    awaitStarted(2);
    network.set(fault);
    Worker other = worker();
    invariants.awaitResults(jobs);
    other.close();
    open.remove(other);
    network.set(Fault.NONE);
    List<String> more = work.enqueue(fleet.client, false);
    jobs.addAll(more);
    invariants.awaitResults(more);
    open.remove(cut);
    open.add(cut); // before its network
    assertAllIsWell(jobs);
  }

  @Test
  void aSlowNetwork() throws Exception {
    FaultProxy network = FaultProxy.before(fleet.redis.url());
    network.set(Fault.DELAY);
    open.add(network);
    worker("redis.url=" + network.through(fleet.redis.url()));
    worker();
    assertAllIsWell(work.enqueue(fleet.client, false));
  }

  /** Jobs go on; the history follows. */
  @ParameterizedTest
  @EnumSource(names = "NONE", mode = EnumSource.Mode.EXCLUDE)
  void postgresBehindABadNetwork(Fault fault) throws Exception {
    FaultProxy network = FaultProxy.before(fleet.postgres.url());
    open.add(network);
    worker("postgres.url=" + network.through(fleet.postgres.url()));
    List<String> jobs = work.enqueue(fleet.client, false);
    listener.awaitRecorded(jobs.getFirst(), "started");
    network.set(fault);
    invariants.awaitResults(jobs);
    if (fault != Fault.DELAY) {
      assertThat(fleet.redis.ask("XLEN", "rq:wepp:events")).isNotEqualTo("0");
    }
    network.set(Fault.NONE);
    Invariants.until(
        "the history has caught up", () -> fleet.redis.ask("XLEN", "rq:wepp:events").equals("0"));
    assertAllIsWell(jobs);
  }

  /** Redis forgets nothing, and is back before anybody takes anything over. */
  @Test
  void redisIsKilledAndComesBack() throws Exception {
    try (Fleet kept = Fleet.on(RedisServer.start(folder.resolve("redis")))) {
      Worker worker = Fleet.worker(kept.settings(work), listener);
      List<String> jobs = work.enqueue(kept.client, false);
      awaitStarted(3);
      kept.redis.restart();
      kept.invariants.awaitResults(jobs);
      worker.close();
      kept.invariants.carryEvents();
      work.assertEachRan();
      kept.invariants.assertEachFinishedOnce(jobs);
      assertThat(kept.invariants.ask("select count(*) from event where event = 'requeued'"))
          .as("jobs taken over while their worker lived")
          .isLessThanOrEqualTo(2); // those that the end of this test gave back
    }
  }

  /** All is forgotten: the claims are lost, and new jobs run. */
  @Test
  void redisComesBackEmpty() throws Exception {
    worker();
    work.enqueue(fleet.client, false);
    awaitStarted(2);
    fleet.redis.restart();
    Invariants.until(
        "the slots are known again", () -> fleet.redis.ask("SCARD", "rq:workers").equals("2"));
    Invariants.until("what ran has ended", () -> Invariants.states(folder).isEmpty());
    invariants.forgetHistory();
    List<String> jobs = work.enqueue(fleet.client, false);
    invariants.awaitResults(jobs);
    assertThat(fleet.redis.ask("ZCARD", "rq:finished:default"))
        .isEqualTo(Integer.toString(jobs.size()));
  }

  /** It is there, and does not answer; then it does. */
  @Test
  void redisStandsStill() throws Exception {
    work = Watersheds.layOut(folder, 1, "2");
    worker();
    List<String> jobs = work.enqueue(fleet.client, false);
    awaitStarted(2);
    signal("STOP", fleet.redis.pid());
    Invariants.until("what runs is frozen", () -> Invariants.states(folder).contains("T"));
    signal("CONT", fleet.redis.pid());
    assertAllIsWell(jobs);
  }

  /** It answers, and refuses. */
  @ParameterizedTest
  @CsvSource({
    "OOM,        CONFIG SET maxmemory 1,              CONFIG SET maxmemory 0",
    "READONLY,   REPLICAOF 127.0.0.1 1,               REPLICAOF NO ONE",
    "NOREPLICAS, CONFIG SET min-replicas-to-write 3,  CONFIG SET min-replicas-to-write 0"
  })
  void redisRefusesToWrite(String error, String breaks, String mends) throws Exception {
    worker();
    List<String> jobs = work.enqueue(fleet.client, false);
    awaitStarted(3);
    fleet.redis.ask(breaks.split(" "));
    Invariants.until("it has refused often", () -> errors(error) > 10);
    fleet.redis.ask(mends.split(" "));
    assertAllIsWell(jobs);
  }

  /** It cannot save, and so does not write. */
  @Test
  void redisCannotSave() throws Exception {
    worker();
    List<String> jobs = work.enqueue(fleet.client, false);
    awaitStarted(3);
    String data = fleet.redis.ask("CONFIG", "GET", "dir").lines().toList().getLast();
    Path inTheWay = Files.createDirectory(Path.of(data, "dump.rdb"));
    fleet.redis.ask("CONFIG", "SET", "save", "3600 1000000");
    save("err");
    Invariants.until("it has refused often", () -> errors("MISCONF") > 10);
    Files.delete(inTheWay);
    save("ok");
    assertAllIsWell(jobs);
  }

  private void save(String comesTo) {
    fleet.redis.ask("BGSAVE");
    Invariants.until(
        "it has saved: " + comesTo,
        () -> fleet.redis.ask("INFO", "persistence").contains("rdb_last_bgsave_status:" + comesTo));
  }

  /** Redis' and the workers'. What is held is held still, and the dead are found afterwards. */
  @ParameterizedTest
  @ValueSource(strings = {"PT1H", "PT-1H"})
  void theClockIsSet(Duration ahead) throws Exception {
    HostClock clock = new HostClock(folder);
    work = Watersheds.layOut(folder, 3, "0.6");
    try (Fleet odd = Fleet.on(RedisServer.start(clock.environment()))) {
      List<String> settings =
          odd.settings(
              work, "worker.slots=1", "timing.lease=20s", "timing.wip=90s", "timing.result-ttl=7d");
      Worker one = Fleet.worker(settings, clock, listener);
      Worker other = Fleet.worker(settings, clock, listener);
      List<String> jobs = work.enqueue(odd.client, false);
      awaitStarted(7); // later than timing.calm, in which nobody takes anything over
      clock.set(ahead);
      odd.takeAndDie(jobs.getLast());
      odd.invariants.awaitResults(jobs);
      odd.invariants.awaitNoClaim();
      one.close();
      other.close();
      odd.invariants.carryEvents();
      odd.invariants.assertEachFinishedOnce(jobs);
      work.assertEachRan();
      assertThat(odd.invariants.ask("select count(*) from event where event = 'requeued'"))
          .as("jobs taken over, one of them of a dead worker")
          .isEqualTo(1);
    }
  }

  private int errors(String name) {
    return fleet
        .redis
        .ask("INFO", "errorstats")
        .lines()
        .filter(line -> line.startsWith("errorstat_" + name + ":"))
        .mapToInt(line -> Integer.parseInt(line.strip().replaceFirst(".*count=", "")))
        .sum();
  }

  /** Each worker is replaced, one after the other, and gives back what it runs. */
  @Test
  void aRollingRestart() throws Exception {
    List<Worker> fleetOfThree = new ArrayList<>(List.of(worker(), worker(), worker()));
    List<String> jobs = work.enqueue(fleet.client, false);
    awaitStarted(2);
    for (Worker old : fleetOfThree) {
      worker();
      old.close();
      open.remove(old);
    }
    assertAllIsWell(jobs);
  }
}
