package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.pickle.PyValue;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Arguments are bound as Python binds them, and refused in Python's own words. */
class ArgumentsTest {
  private static final List<String> PARAMETERS = List.of("runid", "wepp_id", "wepp_bin");
  private static final PyValue RUN = PyValue.of("a-run");
  private static final PyValue SEVEN = PyValue.of(7);
  private static final PyValue BIN = PyValue.of("wepp_260803");

  private static Arguments bind(List<PyValue> args, Map<String, PyValue> kwargs) throws JobFailed {
    return Arguments.bind(new Call("wepppy.rq.wepp_rq.f", args, kwargs), PARAMETERS, 2);
  }

  private static Arguments run(PyValue run) throws JobFailed {
    return bind(List.of(run, SEVEN), Map.of());
  }

  private static Arguments number(PyValue number) throws JobFailed {
    return bind(List.of(RUN, number), Map.of());
  }

  @Test
  void byPosition() throws Exception {
    assertThat(bind(List.of(RUN, SEVEN, BIN), Map.of()).values())
        .containsExactly(
            Map.entry("runid", RUN), Map.entry("wepp_id", SEVEN), Map.entry("wepp_bin", BIN));
  }

  @Test
  void byNameInAnyOrderButKeptInTheFunctions() throws Exception {
    assertThat(bind(List.of(), Map.of("wepp_bin", BIN, "runid", RUN, "wepp_id", SEVEN)).values())
        .containsExactly(
            Map.entry("runid", RUN), Map.entry("wepp_id", SEVEN), Map.entry("wepp_bin", BIN));
  }

  @Test
  void anOptionalOneThatIsNotGivenIsNone() throws Exception {
    assertThat(bind(List.of(RUN), Map.of("wepp_id", SEVEN)).values())
        .containsEntry("wepp_bin", PyValue.None.NONE);
    assertThat(bind(List.of(RUN, SEVEN), Map.of()).optionalText("wepp_bin")).isNull();
  }

  /** Recorded from CPython 3.11. */
  static List<org.junit.jupiter.params.provider.Arguments> refusals() {
    return List.of(
        arguments(
            List.of(), Map.of(), "missing 2 required positional arguments: 'runid' and 'wepp_id'"),
        arguments(List.of(RUN), Map.of(), "missing 1 required positional argument: 'wepp_id'"),
        arguments(
            List.of(), Map.of("wepp_id", SEVEN), "missing 1 required positional argument: 'runid'"),
        arguments(
            List.of(RUN, SEVEN, BIN, BIN),
            Map.of(),
            "takes from 2 to 3 positional arguments but 4 were given"),
        arguments(List.of(RUN), Map.of("runid", RUN), "got multiple values for argument 'runid'"),
        arguments(
            List.of(RUN, SEVEN), Map.of("bin", BIN), "got an unexpected keyword argument 'bin'"),
        arguments(
            List.of(RUN, SEVEN, BIN, BIN),
            Map.of("bin", BIN),
            "got an unexpected keyword argument 'bin'"),
        arguments(
            List.of(RUN, SEVEN, BIN, BIN),
            Map.of("runid", RUN),
            "got multiple values for argument 'runid'"));
  }

  @ParameterizedTest
  @MethodSource("refusals")
  void aCallThatDoesNotFitIsRefusedAsByPython(
      List<PyValue> args, Map<String, PyValue> kwargs, String words) {
    assertThatThrownBy(() -> bind(args, kwargs))
        .isInstanceOfSatisfying(
            JobFailed.class,
            failed -> assertThat(failed.traceback("f")).endsWith("TypeError: f() " + words + "\n"));
  }

  /** Recorded from CPython 3.11. */
  @Test
  void theWordsFollowTheNumberOfParameters() {
    assertThatThrownBy(() -> bind(List.of("runid"), 1, List.of(RUN, RUN)))
        .hasMessage("f() takes 1 positional argument but 2 were given");
    assertThatThrownBy(() -> bind(List.of("runid", "wepp_bin"), 1, List.of(RUN, RUN, RUN)))
        .hasMessage("f() takes from 1 to 2 positional arguments but 3 were given");
    assertThatThrownBy(() -> bind(List.of(), 0, List.of(RUN)))
        .hasMessage("f() takes 0 positional arguments but 1 was given");
    assertThatThrownBy(() -> bind(List.of("a", "b", "c"), 3, List.of()))
        .hasMessage("f() missing 3 required positional arguments: 'a', 'b', and 'c'");
  }

  private static Arguments bind(List<String> parameters, int required, List<PyValue> args)
      throws JobFailed {
    return Arguments.bind(new Call("wepppy.rq.wepp_rq.f", args, Map.of()), parameters, required);
  }

  @Test
  void aHillslopesNumberMayBeText() throws Exception {
    assertThat(number(SEVEN).number("wepp_id")).isEqualTo(7);
    assertThat(number(PyValue.of("7")).number("wepp_id")).isEqualTo(7);
  }

  static List<PyValue> noNumbers() {
    return List.of(
        PyValue.of(0),
        PyValue.of(-7),
        PyValue.of(10_000_000),
        PyValue.of(7.0),
        PyValue.of(true),
        PyValue.of("../7"),
        PyValue.of("07"),
        PyValue.of("\u0667"),
        PyValue.of(""),
        PyValue.None.NONE);
  }

  @ParameterizedTest
  @MethodSource("noNumbers")
  void anythingElseIsNoNumber(PyValue value) {
    assertThatThrownBy(() -> number(value).number("wepp_id"))
        .isInstanceOf(JobFailed.class)
        .hasMessageStartingWith("wepp_id must be a positive int, not ");
  }

  @Test
  void aRunIdIsText() throws Exception {
    assertThat(run(RUN).text("runid")).isEqualTo("a-run");
    assertThatThrownBy(() -> run(PyValue.None.NONE).text("runid"))
        .isInstanceOf(JobFailed.class)
        .hasMessage("runid must be a str, not None");
    assertThatThrownBy(() -> run(new PyValue.ListOf(List.of(RUN))).text("runid"))
        .hasMessage("runid must be a str, not ['a-run']");
  }

  @Test
  void areShownAsAnFStringShowsThem() throws Exception {
    Arguments shown = bind(List.of(RUN, SEVEN, PyValue.None.NONE), Map.of());
    assertThat(shown.shown("runid")).isEqualTo("a-run");
    assertThat(shown.shown("wepp_id")).isEqualTo("7");
    assertThat(shown.shown("wepp_bin")).isEqualTo("None");
  }
}
