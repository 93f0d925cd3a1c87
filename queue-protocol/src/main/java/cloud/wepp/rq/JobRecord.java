package cloud.wepp.rq;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * A job hash as it was read. Fields that nobody asked for are kept as bytes and never written back.
 *
 * @param id rq's job id
 * @param fields the fields of {@code rq:job:<id>}
 */
public record JobRecord(String id, Map<String, byte[]> fields) {
  /** In seconds. Redis refuses times to live that end beyond its calendar. */
  private static final long LONGEST = 100L * 365 * 24 * 3600;

  /** The field as text; empty when absent or empty. */
  public String text(String field) {
    byte @Nullable [] value = fields.get(field);
    return value == null ? "" : new String(value, UTF_8);
  }

  /** The pickled or JSON call, usually compressed. */
  public byte[] data() {
    return bytes("data");
  }

  /** The serialized {@code meta}; empty when the job has none. */
  public byte[] meta() {
    return bytes("meta");
  }

  /** The queue that the job belongs to: all registries use this name. */
  public String origin() {
    return text("origin");
  }

  /** When the job was put into its queue; empty if it does not say so. */
  public Optional<Instant> enqueuedAt() {
    return Wire.instant(text("enqueued_at"));
  }

  /** Whole seconds until the job is ended by force; empty for no limit. rq's default is 180. */
  public OptionalLong timeoutSeconds() {
    long timeout = seconds("timeout").orElse(180);
    return timeout < 0 ? OptionalLong.empty() : OptionalLong.of(timeout);
  }

  /** An integer field that is a time in seconds; more than a hundred years are a hundred years. */
  public OptionalLong seconds(String field) {
    OptionalLong found = number(field);
    return found.isEmpty() ? found : OptionalLong.of(Math.min(found.getAsLong(), LONGEST));
  }

  /** An integer field; empty when absent, empty or not a number. */
  public OptionalLong number(String field) {
    try {
      String text = text(field).strip();
      return text.isEmpty() ? OptionalLong.empty() : OptionalLong.of(Long.parseLong(text));
    } catch (NumberFormatException e) {
      return OptionalLong.empty();
    }
  }

  /** Whether the job names a Python callback, which only Python can run. */
  public boolean hasCallbacks() {
    return !text("success_callback_name").isEmpty()
        || !text("failure_callback_name").isEmpty()
        || !text("stopped_callback_name").isEmpty();
  }

  private byte[] bytes(String field) {
    return Optional.ofNullable(fields.get(field)).orElseGet(() -> new byte[0]);
  }
}
