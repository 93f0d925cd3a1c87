package cloud.wepp.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import cloud.wepp.rq.Call;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.testing.RecordingListener;
import cloud.wepp.worker.testing.Site;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The role of {@code docs/weppcloud/role.sql} may keep the history, and nothing else. */
class PostgresRoleIT {
  private static final String RIGHTS =
      "select s.nspname from pg_class t join pg_namespace s on s.oid = t.relnamespace"
          + " where t.relkind in ('r', 'p', 'v', 'm', 'f') and s.nspname not in ('pg_catalog',"
          + " 'information_schema') and has_table_privilege('rq_worker', t.oid,"
          + " 'select, insert, update, delete, truncate, references, trigger')";

  /** A database with one of WEPPcloud's tables. */
  private static Site site() throws Exception {
    Site site = Site.start();
    site.postgres.execute("create table public.\"user\" (id int, password text)");
    String role = Files.readString(Path.of("../docs/weppcloud/role.sql"));
    site.postgres.execute(role);
    site.postgres.execute(role);
    return site;
  }

  private static Connection asRole(Site site) throws SQLException {
    return DriverManager.getConnection(
        site.postgres.url().replace("user=postgres", "user=rq_worker"));
  }

  @Test
  void aWorkerKeepsItsHistoryAsThatRole() throws Exception {
    try (Site site = site();
        Connection role = asRole(site);
        Statement statement = role.createStatement()) {
      WorkerConfig config =
          ConfigReader.read(
                  null,
                  Map.of(
                      "DATABASE_URL", site.postgres.url(),
                      "POSTGRES_USER", "postgres",
                      "RQ_WORKER_POSTGRES_USER", "rq_worker"),
                  List.of(
                      "redis.url=" + site.redis.url(),
                      "observe.port=off",
                      "python.enabled=false",
                      "routing.native-queues=default"))
              .config();
      RecordingListener listener = new RecordingListener();
      try (Worker _ = Worker.start(config, Map.of(), List.of(listener), InstantSource.system())) {
        byte[] call = new Call("cloud.wepp.noop", List.of(), Map.of()).write();
        String job = site.client.enqueue("default", call, "cloud.wepp.noop", Duration.ofMinutes(3));
        listener.awaitRecorded(job, "finished");
      }
      List<String> seen = new ArrayList<>();
      try (ResultSet status = statement.executeQuery("select status from rq_worker.job")) {
        while (status.next()) {
          seen.add(status.getString(1));
        }
      }
      assertThat(seen).containsExactly("finished");
      try (ResultSet tables = statement.executeQuery(RIGHTS)) {
        while (tables.next()) {
          assertThat(tables.getString(1)).isEqualTo("rq_worker");
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "select * from public.\"user\"",
        "insert into public.\"user\" values (1, '')",
        "create schema other",
        "create role other",
        "create table public.other (id int)"
      })
  void nothingElseIsAllowed(String statement) throws Exception {
    try (Site site = site();
        Connection role = asRole(site);
        Statement forbidden = role.createStatement()) {
      assertThatThrownBy(() -> forbidden.execute(statement))
          .isInstanceOf(SQLException.class)
          .hasMessageContaining("permission denied");
    }
  }
}
