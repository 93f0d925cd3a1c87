package cloud.wepp.rq;

import java.time.Duration;

/**
 * What is written when a claim ends. Times to live: negative keeps for ever, zero deletes at once.
 */
public sealed interface Settlement {

  /**
   * The job finished.
   *
   * @param returnValue rq's {@code return_value}, base64; empty for Python's None
   */
  record Finish(String returnValue, Duration ttl) implements Settlement {}

  /**
   * The job failed for good.
   *
   * @param excString rq's {@code exc_string}, base64 of compressed text
   */
  record Fail(String excString, Duration ttl) implements Settlement {}

  /** As {@link Fail}, with rq's status {@code stopped}; dependents stay deferred. */
  record Stop(String excString, Duration ttl) implements Settlement {}

  /** Runs again after {@code interval}, using up one of the job's retries. */
  record Retry(Duration interval) implements Settlement {}

  /** Back to the front of its queue; no retry is used up. */
  record GiveBack() implements Settlement {}

  /**
   * rq itself has written the end, in a Python child that held the claim; the event is left to
   * write.
   *
   * @param otherwise what is written when it turns out that rq has written nothing
   */
  record Recorded(Settlement otherwise) implements Settlement {}

  /** The claim is lost: nothing may be written. */
  record Leave() implements Settlement {}
}
