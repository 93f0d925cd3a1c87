package cloud.wepp.worker.testing;

import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.testing.RedisServer;
import java.time.Duration;
import java.time.InstantSource;

/** What a worker needs around it: real servers, and a client that enqueues. */
public final class Site implements AutoCloseable {
  public final RedisServer redis;
  public final PostgresServer postgres = PostgresServer.start();
  public final RedisAccess access;
  public final JobQueue client;

  private Site(RedisServer redis) {
    this.redis = redis;
    access = new RedisAccess(redis.url(), null, RedisAccess.USUAL_TIMEOUT);
    client = client(Duration.ofSeconds(20), Duration.ofSeconds(90));
  }

  /** Starts new servers. */
  public static Site start() {
    return on(RedisServer.start());
  }

  /** On a Redis that is closed together with the rest. */
  public static Site on(RedisServer redis) {
    return new Site(redis);
  }

  /**
   * Another client, to be closed before this; if it takes a job, a worker that sends no heartbeats.
   *
   * @param lease of what it takes
   * @param wip until rq calls what it took abandoned
   */
  public JobQueue client(Duration lease, Duration wip) {
    return new JobQueue(
        access, "rq", new JobQueue.QueueTiming(lease, wip, 1_000_000), InstantSource.system());
  }

  @Override
  public void close() {
    client.close();
    access.close();
    postgres.close();
    redis.close();
  }
}
