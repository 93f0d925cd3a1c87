package cloud.wepp.worker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.JobRecord;
import cloud.wepp.worker.Routes.Way;
import cloud.wepp.worker.config.ConfigReader;
import cloud.wepp.worker.job.JobHandler;
import cloud.wepp.worker.job.JobOutcome;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RoutesTest {
  private static final JobHandler NATIVE = (call, context) -> new JobOutcome.Failed("native");
  private static final JobHandler PYTHON = (call, context) -> new JobOutcome.Failed("python");

  private static Routes routes(boolean python) throws Exception {
    return new Routes(
        Map.of("ours.run", NATIVE, "ours.walk", NATIVE),
        python ? PYTHON : null,
        ConfigReader.read(
                null,
                Map.of(),
                List.of(
                    "routing.native-queues=models",
                    "routing.to-python=*.walk",
                    "routing.refuse=theirs.x*,their?"))
            .config()
            .routing());
  }

  private static JobRecord job(String function, Map<String, String> more) {
    Map<String, byte[]> fields = new HashMap<>();
    fields.put("data", new Call(function, List.of(), Map.of()).write());
    more.forEach((name, value) -> fields.put(name, value.getBytes(UTF_8)));
    return new JobRecord("a-job", fields);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          # queue | function    | with Python | without
          default | ours.run    | NATIVE      | NATIVE
          models  | ours.run    | NATIVE      | NATIVE
          default | ours.walk   | PYTHON      | NO_PYTHON
          models  | ours.walk   | NATIVE_ONLY | NO_PYTHON
          default | theirs.run  | PYTHON      | NO_PYTHON
          models  | theirs.run  | NATIVE_ONLY | NO_PYTHON
          default | theirs.xray | REFUSED     | REFUSED
          default | theirs      | PYTHON      | NO_PYTHON
          default | their?      | REFUSED     | REFUSED
          """)
  void theFunctionAndTheQueueDecide(String queue, String function, Way with, Way without)
      throws Exception {
    JobRecord job = job(function, Map.of());
    assertThat(routes(true).route(queue, job).way()).isEqualTo(with);
    assertThat(routes(false).route(queue, job).way()).isEqualTo(without);
  }

  @Test
  void aJobWithPythonCallbacksIsForPython() throws Exception {
    JobRecord job = job("ours.run", Map.of("success_callback_name", "theirs.done"));
    assertThat(routes(true).route("default", job).way()).isEqualTo(Way.PYTHON);
    assertThat(routes(true).of(job, Call.read(job.data()))).contains(PYTHON);
    assertThat(routes(false).route("default", job).way()).isEqualTo(Way.NO_PYTHON);
  }

  @Test
  void whatNobodyCanReadIsTakenSoThatItFails() throws Exception {
    assertThat(routes(false).route("default", job("ours.run", Map.of("data", "no pickle"))).way())
        .isEqualTo(Way.UNREADABLE);
    assertThat(routes(false).route("default", new JobRecord("gone", Map.of())).way())
        .isEqualTo(Way.GONE);
  }

  @Test
  void aPickleThatIsOnlyRefusedHereIsForPython() throws Exception {
    String reduces = "cos\ngetpid\n(tR.";
    JobRecord job = job("ours.run", Map.of("data", reduces));
    assertThat(routes(true).route("default", job).way()).isEqualTo(Way.PYTHON);
    assertThat(routes(false).route("default", job).way()).isEqualTo(Way.NO_PYTHON);
  }
}
