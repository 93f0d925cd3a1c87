package cloud.wepp.worker.ledger;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;

/** What the history has of jobs that had not ended when it last heard of them. */
public final class OpenJobs {
  private static final String LIST =
      "select id, queue, status, function, run, description,"
          + " to_char(started_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
          + " from rq_worker.job where status not in ('finished', 'failed', 'stopped', 'canceled')"
          + " and (started_at > now() - make_interval(days => ?) or started_at is null)"
          + " and last_ms < extract(epoch from now()) * 1000 - ? order by last_ms";
  private static final String KNOWN = "select id from rq_worker.job where id = any (?)";
  private static final String PAYLOAD =
      "select fields->>'payload' from rq_worker.event where job = ? and fields->>'payload' <> ''"
          + " order by stream_ms desc, stream_seq desc limit 1";

  private final LedgerStore store;
  private final Duration calm;

  /**
   * @param calm for how long nothing must have been heard of a job: what is younger may be on its
   *     way
   */
  public OpenJobs(LedgerStore store, Duration calm) {
    this.store = store;
    this.calm = calm;
  }

  /** A job; what is not known is empty. */
  public record OpenJob(
      String id,
      String queue,
      String status,
      String function,
      String run,
      String description,
      String started) {}

  /**
   * Those that started, or were never heard to start, in the last days; oldest first. Throws {@link
   * LedgerUnavailable}, as the others.
   */
  public List<OpenJob> list(int days) {
    try (Connection connection = store.connect();
        PreparedStatement query = connection.prepareStatement(LIST)) {
      query.setInt(1, days);
      query.setLong(2, calm.toMillis());
      try (ResultSet rows = query.executeQuery()) {
        List<OpenJob> found = new ArrayList<>();
        while (rows.next()) {
          String[] cells = new String[7];
          for (int i = 0; i < cells.length; i++) {
            cells[i] = Objects.requireNonNullElse(rows.getString(i + 1), "");
          }
          found.add(
              new OpenJob(cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], cells[6]));
        }
        return found;
      }
    } catch (SQLException e) {
      throw store.unavailable(e);
    }
  }

  /** Those of these jobs that the history knows, whatever became of them. */
  public Set<String> known(Collection<String> ids) {
    try (Connection connection = store.connect();
        PreparedStatement query = connection.prepareStatement(KNOWN)) {
      query.setArray(1, connection.createArrayOf("text", ids.toArray(String[]::new)));
      try (ResultSet rows = query.executeQuery()) {
        Set<String> found = new HashSet<>();
        while (rows.next()) {
          found.add(rows.getString(1));
        }
        return found;
      }
    } catch (SQLException e) {
      throw store.unavailable(e);
    }
  }

  /** What the job can be made from again; empty when it is not kept. */
  public byte[] payload(String id) {
    try (Connection connection = store.connect();
        PreparedStatement query = connection.prepareStatement(PAYLOAD)) {
      query.setString(1, id);
      try (ResultSet rows = query.executeQuery()) {
        String kept = rows.next() ? rows.getString(1) : "";
        return Base64.getDecoder().decode(kept);
      }
    } catch (IllegalArgumentException e) { // written by a release that does not know payloads
      return new byte[0];
    } catch (SQLException e) {
      throw store.unavailable(e);
    }
  }
}
