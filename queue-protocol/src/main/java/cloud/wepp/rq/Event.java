package cloud.wepp.rq;

import java.util.Map;
import java.util.UUID;

/**
 * One state change of a job, as the script that made it wrote it down.
 *
 * @param source the Redis data set that the event comes from; its ids are unique within it
 * @param millis first part of the stream id: Redis time in ms
 * @param sequence second part of the stream id
 * @param fields as they were written; which ones there are depends on the event. {@code payload},
 *     what a lost job can be made from again, is base64
 */
public record Event(UUID source, long millis, long sequence, Map<String, String> fields) {

  /** The stream id as Redis spells it. */
  public String id() {
    return millis + "-" + sequence;
  }

  /** The field; empty when the event has none of this name. */
  public String text(String field) {
    return fields.getOrDefault(field, "");
  }
}
