package cloud.wepp.rq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import cloud.wepp.rq.pickle.PyValue;
import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * All golden vectors: what CPython and rq wrote is read right, what is hostile is refused at little
 * cost.
 */
class VectorsTest {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final JsonNode CASES = cases();

  private static JsonNode cases() {
    try (InputStream in = VectorsTest.class.getResourceAsStream("rq-vectors.json")) {
      return JSON.readTree(in).get("cases");
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static Stream<Arguments> of(String kind, String expect) {
    return CASES.values().stream()
        .filter(c -> c.get("kind").stringValue().equals(kind))
        .filter(c -> expect.isEmpty() || c.get("expect").stringValue().equals(expect))
        .map(c -> Arguments.of(Named.of(c.get("name").stringValue(), c)));
  }

  static Stream<Arguments> accepted() {
    return of("job_data", "accept");
  }

  static Stream<Arguments> rejected() {
    return of("job_data", "rejected");
  }

  static Stream<Arguments> either() {
    return of("job_data", "accept-or-reject");
  }

  static Stream<Arguments> results() {
    return Stream.concat(of("result_stream_entry", ""), of("result_payload_for_writer", ""));
  }

  static Stream<Arguments> tracebacks() {
    return of("exc_string", "");
  }

  private static byte[] data(JsonNode vector) {
    return Base64.getDecoder().decode(vector.get("data_b64").stringValue());
  }

  /** Fails when reading takes more than a second of CPU, whatever else runs here, or 64 MiB. */
  private static void bounded(Runnable read) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    long cpuBefore = threads.getCurrentThreadCpuTime();
    read.run();
    assertThat(Duration.ofNanos(threads.getCurrentThreadCpuTime() - cpuBefore))
        .isLessThan(Duration.ofSeconds(1));
    assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(64L << 20);
  }

  @ParameterizedTest
  @MethodSource
  void accepted(JsonNode vector) throws MalformedJob {
    Call call = Call.read(data(vector));
    JsonNode decoded = TaggedJson.expanded(vector.get("decoded"));

    assertThat(call.function()).isEqualTo(decoded.get("func_name").stringValue());
    assertThat(call.hasInstance()).isEqualTo(!decoded.get("instance").isNull());
    JsonNode args =
        decoded.get("args").isArray() ? decoded.get("args") : decoded.get("args").get("$tuple");
    assertSame(TaggedJson.of(new PyValue.ListOf(call.args())), args);
    Map<String, JsonNode> kwargs = new LinkedHashMap<>();
    call.kwargs().forEach((name, value) -> kwargs.put(name, TaggedJson.of(value)));
    assertSame(JSON.valueToTree(kwargs), decoded.get("kwargs"));
  }

  /**
   * Classes that the reader keeps as recipes are compared by being there; everything else by value.
   */
  private static void assertSame(JsonNode actual, JsonNode expected) {
    if (actual.has("$other")) {
      assertThat(
              expected.isObject()
                  && expected.propertyNames().stream().anyMatch(n -> n.startsWith("$")))
          .as("%s for %s", actual, expected)
          .isTrue();
    } else if (expected.isNumber() && actual.has("$float")) {
      assertThat(expected.doubleValue()).hasToString(actual.get("$float").stringValue());
    } else if (expected.isNumber() && actual.has("$int")) {
      assertThat(expected.bigIntegerValue()).hasToString(actual.get("$int").stringValue());
    } else if (actual.has("$class") && expected.has("$callable")) {
      assertThat(actual.get("$class")).isEqualTo(expected.get("$callable"));
    } else if (actual.isArray() && expected.isArray()) {
      assertThat(actual.size()).isEqualTo(expected.size());
      for (int i = 0; i < actual.size(); i++) {
        assertSame(actual.get(i), expected.get(i));
      }
    } else if (actual.isObject() && expected.isObject()) {
      assertThat(actual.propertyNames()).as("%s", expected).isEqualTo(expected.propertyNames());
      actual.propertyNames().forEach(name -> assertSame(actual.get(name), expected.get(name)));
    } else if (actual.isNumber() && expected.isNumber()) {
      assertThat(actual.bigIntegerValue()).isEqualTo(expected.bigIntegerValue());
    } else {
      assertThat(actual).isEqualTo(expected);
    }
  }

  @ParameterizedTest
  @MethodSource
  void rejected(JsonNode vector) {
    byte[] data = data(vector);
    bounded(() ->
        assertThatThrownBy(() -> Call.read(data))
            .isInstanceOf(MalformedJob.class)
            .hasMessageMatching("(?s).+"));
  }

  @ParameterizedTest
  @MethodSource
  void either(JsonNode vector) {
    byte[] data = data(vector);
    bounded(() -> {
      try {
        assertThat(Call.read(data).function()).isNotEmpty();
      } catch (MalformedJob e) {
        assertThat(e).hasMessageMatching("(?s).+");
      }
    });
  }

  @ParameterizedTest
  @MethodSource
  void results(JsonNode vector) throws MalformedJob {
    if (!vector.has("return_value_b64")) {
      assertThat(vector.get("decoded") == null || vector.get("decoded").isNull()).isTrue();
      return;
    }
    boolean json =
        vector.has("serializer") && vector.get("serializer").stringValue().equals("json");
    PyValue value = ResultCodec.returnValue(vector.get("return_value_b64").stringValue(), json);
    assertSame(TaggedJson.of(value), TaggedJson.expanded(vector.get("decoded")));

    PyValue again = ResultCodec.returnValue(ResultCodec.returnValue(value, json), json);
    assertThat(TaggedJson.of(again)).isEqualTo(TaggedJson.of(value));
  }

  @ParameterizedTest
  @MethodSource
  void tracebacks(JsonNode vector) throws MalformedJob {
    String text = vector.get("text").stringValue();
    assertThat(ResultCodec.traceback(vector.get("exc_string_b64").stringValue())).isEqualTo(text);
    assertThat(ResultCodec.traceback(ResultCodec.excString(text))).isEqualTo(text);
  }

  @org.junit.jupiter.api.Test
  void allVectorsAreUsed() {
    assertThat(
            Stream.of(accepted(), rejected(), either(), results(), tracebacks())
                .mapToLong(Stream::count)
                .sum())
        .isEqualTo(216);
    assertThat(List.of(CASES.size())).containsExactly(216);
  }
}
