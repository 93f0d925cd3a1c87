package cloud.wepp.worker;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.Claim;
import cloud.wepp.rq.Inventory;
import cloud.wepp.worker.job.JobListener;
import cloud.wepp.worker.testing.Site;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What is told of a process that SIGKILL does not end. */
class SurvivorsIT {
  @Test
  void isAnEventAndListedUntilItIsGone() {
    try (Site site = Site.start();
        Inventory inventory = new Inventory(site.access, "rq")) {
      byte[] call = new Call("cloud.wepp.noop", List.of(), Map.of()).write();
      site.client.enqueue("default", call, "", Duration.ofMinutes(3));
      site.redis.ask("SADD", "rq:workers", "rq:worker:w.1");
      Claim claim =
          site.client.take(site.client.request("default", "w.1", List.of())).orElseThrow();
      List<Integer> told = new ArrayList<>();
      JobListener listener =
          new JobListener() {
            @Override
            public void survivor(Claim whose, int pid) {
              told.add(pid);
            }
          };
      List<RunningJob> running = List.of(new RunningJob(claim, false));
      Survivors survivors = new Survivors(site.client, () -> running, List.of(listener));

      survivors.found("of another", 6, "D");
      survivors.found(claim.id(), 7, "D in rpc_wait");
      assertThat(told).containsExactly(7);
      String what = "process 7 does not end after SIGKILL (state D in rpc_wait)";
      assertThat(blocked(inventory)).isEqualTo(what);
      assertThat(site.redis.ask("XREVRANGE", "rq:wepp:events", "+", "-", "COUNT", "1"))
          .contains("survivor", claim.job().id(), what);
      survivors.gone(claim.id());
      assertThat(blocked(inventory)).isEmpty();
    }
  }

  private static String blocked(Inventory inventory) {
    return inventory.read(List.of()).workers().getFirst().blocked();
  }
}
