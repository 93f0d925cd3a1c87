package cloud.wepp.worker;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.ResultCodec;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.testing.PostgresServer;
import cloud.wepp.worker.testing.PythonWithRq;
import cloud.wepp.worker.testing.Site;
import java.io.BufferedReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Passwords are in the environment, and nowhere else: not where a job, an operator or ps sees. */
class SecretsIT {
  private static final String OF_REDIS = "hush-of-redis";
  private static final String OF_POSTGRES = "hush-of-postgres";

  @Test
  void noPasswordIsInArgumentsLogsErrorsOrTheHistory() throws Exception {
    try (Site site = Site.start()) {
      RedisServer redis = site.redis;
      PostgresServer postgres = site.postgres;
      redis.ask("ACL", "SETUSER", "someone", "on", ">" + OF_REDIS, "~*", "&*", "+@all");
      execute(postgres, "create role someone superuser login password '" + OF_POSTGRES + "'");
      ProcessBuilder program = ProgramIT.program("run");
      program
          .environment()
          .putAll(
              Map.of(
                  "RQ_REDIS_URL", redis.url().replace("//", "//someone:" + OF_REDIS + "@"),
                  "DATABASE_URL",
                      postgres
                          .url()
                          .replace("jdbc:", "")
                          .replace("?user=postgres", "")
                          .replace("//", "//someone:" + OF_POSTGRES + "@"),
                  "RQ_WORKER_PYTHON_COMMAND", PythonWithRq.interpreter("3.0.0")));
      Process process = program.start();
      List<String> seen = new ArrayList<>();
      try (BufferedReader log = process.errorReader()) {
        String line = log.readLine();
        while (line != null && !line.contains("slots serve")) {
          seen.add(line);
          line = log.readLine();
        }
        assertThat(line).as("%s", seen).isNotNull();
        List<String> jobs = new ArrayList<>();
        for (String function : List.of("cloud.wepp.noop", "os.getpid", "no.such", "os.abort")) {
          byte[] call = new Call(function, List.of(), Map.of()).write();
          jobs.add(site.client.enqueue("default", call, function, Duration.ofMinutes(3)));
        }
        for (String job : jobs) {
          String results = "";
          for (int tries = 0; results.isEmpty() && tries < 8; tries++) {
            results = redis.ask("XREAD", "BLOCK", "5000", "STREAMS", "rq:results:" + job, "0");
          }
          seen.add(results);
          List<String> fields = results.lines().toList();
          int at = fields.indexOf("exc_string");
          seen.add(at < 0 ? "" : ResultCodec.traceback(fields.get(at + 1)));
        }
        List<ProcessHandle> processes = new ArrayList<>(process.descendants().toList());
        processes.add(process.toHandle());
        for (ProcessHandle one : processes) {
          Path arguments = Path.of("/proc/" + one.pid() + "/cmdline");
          seen.add(Files.exists(arguments) ? Files.readString(arguments) : "");
        }
        for (int tries = 0; ended(postgres) < jobs.size() && tries < 60; tries++) {
          redis.ask("BLPOP", "nothing", "1"); // the history is on its way
        }
        postgres.stop();
        redis.restart(); // both are told of in the log
        process.toHandle().destroy();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        log.lines().forEach(seen::add);
        postgres.resume();
      }
      assertThat(String.join("\n", seen)).contains("Work-horse terminated", "fork_server.py");
      seen.addAll(history(postgres));
      assertThat(seen).noneMatch(text -> text.contains(OF_REDIS) || text.contains(OF_POSTGRES));
    }
  }

  private static void execute(PostgresServer postgres, String statement) throws Exception {
    try (Connection connection = DriverManager.getConnection(postgres.url());
        Statement one = connection.createStatement()) {
      one.execute(statement);
    }
  }

  private static int ended(PostgresServer postgres) throws Exception {
    try (Connection connection = DriverManager.getConnection(postgres.url());
        Statement statement = connection.createStatement();
        ResultSet count =
            statement.executeQuery(
                "select count(*) from rq_worker.execution where ended_at is not null")) {
      count.next();
      return count.getInt(1);
    }
  }

  private static List<String> history(PostgresServer postgres) throws Exception {
    List<String> rows = new ArrayList<>();
    try (Connection connection = DriverManager.getConnection(postgres.url());
        Statement statement = connection.createStatement()) {
      for (String table : List.of("event", "job", "execution")) {
        try (ResultSet result =
            statement.executeQuery("select one::text from rq_worker." + table + " one")) {
          while (result.next()) {
            rows.add(result.getString(1));
          }
        }
      }
    }
    assertThat(rows).isNotEmpty();
    return rows;
  }
}
