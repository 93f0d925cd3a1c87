package cloud.wepp.worker;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.Inventory;
import cloud.wepp.rq.JobActions;
import cloud.wepp.rq.JobLog;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.LostJobs;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.RedisCheck;
import cloud.wepp.rq.testing.RedisServer;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.testing.PythonWithRq;
import cloud.wepp.worker.testing.RecordingListener;
import cloud.wepp.worker.testing.Site;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The Redis user of {@code k8s/platform/components/stores/rq-worker.acl} may do all that a worker
 * does, and little else.
 */
class RedisAclIT {
  @ParameterizedTest
  @ValueSource(strings = {"1.16.2", "3.0.0"})
  void theUserOfTheDocumentationIsEnough(String rq) throws Exception {
    String python = PythonWithRq.interpreter(rq);
    RecordingListener listener = new RecordingListener();
    try (Site site = Site.start();
        JobQueue client = site.client(Duration.ofMillis(1), Duration.ofSeconds(90))) {
      RedisServer redis = site.redis;
      String line =
          Files.readString(Path.of("../k8s/platform/components/stores/rq-worker.acl")).strip();
      String[] words = ("ACL SETUSER" + line.substring("user".length())).split(" ");
      redis.ask(joinSelector(words));
      String gone = enqueue(client, "cloud.wepp.noop");
      assertThat(client.take(client.request("default", "gone.1", List.of(gone)))).isPresent();
      WorkerConfig config =
          ConfigReader.read(
                  null,
                  Map.of("REDIS_PASSWORD", "change-this"),
                  List.of(
                      "redis.url=" + redis.url().replace("//", "//rq-worker@"),
                      "postgres.url=" + site.postgres.url(),
                      "python.command=" + python,
                      "timing.heartbeat=100ms",
                      "timing.maintenance=100ms",
                      "timing.reclaim=100ms",
                      "timing.calm=0s"))
              .config();
      try (Worker _ = Worker.start(config, Map.of(), List.of(listener), InstantSource.system())) {
        listener.awaitRecorded(gone, "finished"); // taken over, and run again
        listener.awaitRecorded(enqueue(client, "cloud.wepp.noop"), "finished");
        listener.awaitRecorded(enqueue(client, "os.getpid"), "finished");
        String failed = enqueue(client, "no.such");
        listener.awaitRecorded(failed, "failed");
        operate(config, failed);
        int beats = (int) listener.count(RecordingListener.Beat.class);
        listener.await(RecordingListener.Beat.class, beats + 5, beat -> true);
      }
      assertThat(redis.ask("ACL", "LOG")).as("what Redis has refused").isEmpty();
      assertThat(redis.ask("ACL", "DRYRUN", "rq-worker", "FLUSHALL")).contains("no permissions");
      assertThat(redis.ask("ACL", "DRYRUN", "rq-worker", "GET", "other"))
          .contains("no permissions");
    }
  }

  /** What the commands of an operator ask for. */
  private static void operate(WorkerConfig config, String failed) {
    try (RedisAccess redis = Connections.redis(config);
        Inventory inventory = new Inventory(redis, "rq");
        JobActions actions = new JobActions(redis, "rq", InstantSource.system());
        LostJobs lost = new LostJobs(redis, "rq", InstantSource.system());
        JobLog log = new JobLog(redis, "rq")) {
      assertThat(inventory.read(List.of()).workers()).isNotEmpty();
      JobActions.Target again = new JobActions.Target(failed, "", "", false);
      assertThat(actions.requeue(again).deed()).isEqualTo(JobActions.Deed.REQUEUED);
      lost.unwritten();
      assertThat(RedisCheck.look(redis, "rq", 2, 0).refused()).isEmpty();
      log.ask(log.holder(failed), failed, "token");
      assertThat(log.read("none", "0")).isEmpty();
    }
  }

  private static String enqueue(JobQueue client, String function) {
    Call call = new Call(function, List.of(), Map.of());
    return client.enqueue("default", call.write(), function, Duration.ofMinutes(3));
  }

  /** What is in parentheses is one word to Redis. */
  private static String[] joinSelector(String[] words) {
    return String.join("\n", words)
        .transform(text -> {
          int open = text.indexOf('(');
          return text.substring(0, open) + text.substring(open).replace('\n', ' ');
        })
        .split("\n");
  }
}
