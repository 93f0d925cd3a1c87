package cloud.wepp.worker;

import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.QueueUnavailable;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.RedisTarget;
import cloud.wepp.worker.config.Secret;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.ledger.LedgerStore;
import cloud.wepp.worker.ledger.LedgerUnavailable;
import cloud.wepp.worker.ledger.Months;
import cloud.wepp.worker.ledger.PostgresAccess;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** To the servers that a configuration names. Whoever opens one closes it. */
public final class Connections {
  private static final Logger LOG = LoggerFactory.getLogger(Connections.class);

  private Connections() {}

  /** How the names of this host's slots begin. */
  public static String name(WorkerConfig config) {
    return config
        .worker()
        .name()
        .orElseGet(() -> host().map(InetAddress::getHostName).orElse("localhost"));
  }

  static Optional<InetAddress> host() {
    try {
      return Optional.of(InetAddress.getLocalHost());
    } catch (UnknownHostException e) {
      LOG.debug("this host has no name", e);
      return Optional.empty();
    }
  }

  public static RedisAccess redis(WorkerConfig config) {
    return new RedisAccess(target(config.redis()), config.redis().timeout());
  }

  static RedisTarget target(WorkerConfig.Redis to) {
    return new RedisTarget(
        to.url(),
        to.database().orElse(null),
        to.password().map(Secret::reveal).orElse(null),
        to.sentinelPassword().map(Secret::reveal).orElse(null),
        new RedisTarget.Tls(
            to.authorities().orElse(null), to.certificate().orElse(null), to.key().orElse(null)));
  }

  public static JobQueue queue(WorkerConfig config, RedisAccess redis, InstantSource clock) {
    WorkerConfig.Timing timing = config.timing();
    return new JobQueue(
        redis,
        config.redis().keyPrefix(),
        new JobQueue.QueueTiming(timing.lease(), timing.wip(), config.ledger().stopAt()),
        clock);
  }

  public static PostgresAccess postgres(WorkerConfig config) {
    WorkerConfig.Postgres to = config.postgres();
    return new PostgresAccess(
        to.url(), to.user().orElse(null), to.password().map(Secret::reveal).orElse(null));
  }

  public static LedgerStore history(WorkerConfig config) {
    return new LedgerStore(
        postgres(config),
        new Months.Retention(config.ledger().retention(), config.ledger().eventRetention()));
  }

  /** Tries again for a while: at a start of everything the servers may be the last to be up. */
  static <T> T untilReachable(Duration longest, Supplier<T> open) {
    long since = 0; // the first failure
    while (true) {
      try {
        return open.get();
      } catch (QueueUnavailable | LedgerUnavailable e) {
        if (longest.isZero() || (since != 0 && System.nanoTime() - since > longest.toNanos())) {
          throw e;
        }
        if (since == 0) {
          since = System.nanoTime();
          LOG.warn("{}. Waiting for it for {} s.", e.getMessage(), longest.toSeconds());
        }
        LockSupport.parkNanos(Duration.ofMillis(500).toNanos());
      }
    }
  }
}
