package cloud.wepp.worker;

import cloud.wepp.rq.Event;
import cloud.wepp.rq.EventBacklog;
import cloud.wepp.rq.EventStream;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.job.JobListener;
import cloud.wepp.worker.ledger.Backlog;
import cloud.wepp.worker.ledger.Ledger;
import cloud.wepp.worker.ledger.LedgerStore;
import cloud.wepp.worker.ledger.LedgerUnavailable;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What becomes of events: carried to Postgres, left to other workers, or thrown away. */
final class Records implements AutoCloseable {
  /** The group of all readers that carry events to Postgres. */
  static final String GROUP = "ledger";

  private static final Logger LOG = LoggerFactory.getLogger(Records.class);
  private static final Duration MEMORY_EVERY = Duration.ofMinutes(30);
  private static final Duration MEMORY_OF = Duration.ofDays(7);
  private static final Duration LOOKS = Duration.ofSeconds(5);

  private final @Nullable LedgerStore history; // with ledger, or both null
  private final @Nullable Ledger ledger;
  private final Backlog backlog;
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("memory-of-functions").factory());

  /**
   * @param consumer unique per process
   * @throws cloud.wepp.worker.ledger.LedgerUnavailable if Postgres is needed and cannot be reached
   */
  Records(
      WorkerConfig config,
      RedisAccess redis,
      String consumer,
      List<JobListener> listeners,
      InstantSource clock) {
    String prefix = config.redis().keyPrefix();
    WorkerConfig.Ledger settings = config.ledger();
    if (settings.writes()) {
      LedgerStore store = Connections.history(config);
      Connections.untilReachable(
          config.postgres().startWait(),
          () -> {
            store.migrate();
            return store;
          });
      history = store;
      ledger =
          new Ledger(
              new EventStream(redis, prefix, GROUP, consumer),
              store,
              Ledger.Timing.usual(settings.takeover()),
              new Ledger.Listener() {
                @Override
                public void kept(List<Event> events) {
                  listeners.forEach(listener -> listener.recorded(events));
                }

                @Override
                public void stalled(String why) {} // the ledger has logged it
              });
    } else {
      history = null;
      ledger = null;
    }
    String full = settings.mode().equals("off") ? "off" : settings.full();
    backlog =
        new Backlog(
            new EventBacklog(
                redis,
                prefix,
                GROUP,
                new EventBacklog.Bound(
                    settings.maxEvents(), EventBacklog.Full.valueOf(full.toUpperCase(Locale.ROOT))),
                clock),
            (events, oldest) -> listeners.forEach(listener -> listener.backlog(events, oldest)));
  }

  /**
   * @param memory told at times what jobs of each function take, as {@link LedgerStore#memory}
   */
  void start(Consumer<Map<String, Long>> memory) {
    if (ledger != null) {
      ledger.start();
    }
    if (history != null) {
      LedgerStore store = history;
      var _ =
          timer.scheduleWithFixedDelay(
              () -> tell(store, memory), 0, MEMORY_EVERY.toSeconds(), TimeUnit.SECONDS);
    }
    backlog.start(LOOKS);
  }

  private static void tell(LedgerStore store, Consumer<Map<String, Long>> memory) {
    try {
      memory.accept(store.memory(MEMORY_OF));
    } catch (LedgerUnavailable e) {
      LOG.info("What jobs take is not looked up now: {}.", e.getMessage());
    }
  }

  /** Carries what it can within the ledger's last seconds. */
  @Override
  public void close() {
    timer.shutdownNow();
    backlog.close();
    if (ledger != null) {
      ledger.close();
    }
    if (history != null) {
      history.close();
    }
  }
}
