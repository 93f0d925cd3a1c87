package cloud.wepp.rq;

import static org.assertj.core.api.Assertions.assertThat;

import cloud.wepp.rq.pickle.PyValue;
import com.code_intelligence.jazzer.junit.FuzzTest;
import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;

/**
 * Whatever a client puts into a job's fields is read as data or refused, at little cost. Replays
 * its corpus in every build; {@code bench/run fuzz} looks for more.
 */
class CodecFuzzTest {
  private static final Duration LONGEST = Duration.ofSeconds(1);
  private static final long MOST_BYTES = 64L << 20;

  private interface Reading {
    void read() throws MalformedJob;
  }

  /** Classes are loaded, and instrumented, at their first use, which is not the reader's cost. */
  @BeforeAll
  static void warmUp() throws MalformedJob {
    Call call = new Call("a.b", List.of(PyValue.of("c"), PyValue.of(1.5)), Map.of());
    for (boolean json : new boolean[] {false, true}) {
      ResultCodec.returnValue(ResultCodec.returnValue(PyValue.of("d"), json), json);
    }
    Call.read(call.write());
    ResultCodec.traceback(ResultCodec.excString("e"));
    assertCheap(() -> Call.read(new byte[] {'['}));
  }

  private static void assertCheap(Reading reading) {
    ThreadMXBean thread = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long allocated = thread.getCurrentThreadAllocatedBytes();
    long started = thread.getCurrentThreadCpuTime();
    try {
      reading.read();
    } catch (MalformedJob e) {
      assertThat(e.getMessage()).isNotBlank();
    }
    assertThat(thread.getCurrentThreadCpuTime() - started).isLessThan(LONGEST.toNanos());
    assertThat(thread.getCurrentThreadAllocatedBytes() - allocated).isLessThan(MOST_BYTES);
  }

  @FuzzTest(maxDuration = "2m")
  void call(byte[] data) {
    assertCheap(() -> Call.read(data));
  }

  @FuzzTest(maxDuration = "2m")
  void result(byte[] data) {
    String text = new String(data, StandardCharsets.ISO_8859_1);
    assertCheap(() -> ResultCodec.returnValue(text, false));
    assertCheap(() -> ResultCodec.returnValue(text, true));
    assertCheap(() -> ResultCodec.traceback(text));
  }

  @FuzzTest(maxDuration = "2m")
  void fields(byte[] data) {
    JobRecord job =
        new JobRecord(
            "a-job", Map.of("timeout", data, "retries_left", data, "origin", data, "data", data));
    assertCheap(() -> {
      assertThat(job.timeoutSeconds()).isNotNull();
      assertThat(job.number("retries_left")).isNotNull();
      assertThat(job.origin()).isNotNull();
    });
  }
}
