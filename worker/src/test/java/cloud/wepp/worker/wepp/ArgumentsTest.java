package cloud.wepp.worker.wepp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.pickle.PyValue;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Calls are bound to parameters as Python binds them. */
class ArgumentsTest {
  private static final PyValue RUN = PyValue.of("my-run");

  private static Arguments bind(List<PyValue> args, Map<String, PyValue> kwargs) throws JobFailed {
    return Arguments.bind(
        new Call("wepppy.rq.wepp_rq.f", args, kwargs), List.of("runid", "wepp_id", "wepp_bin"), 2);
  }

  @Test
  void byPositionByNameAndByDefault() throws Exception {
    Arguments arguments = bind(List.of(RUN), Map.of("wepp_id", PyValue.of(7)));
    assertThat(arguments.text("runid")).isEqualTo("my-run");
    assertThat(arguments.number("wepp_id")).isEqualTo(7);
    assertThat(arguments.optionalText("wepp_bin")).isNull();
    assertThat(arguments.values()).containsOnlyKeys("runid", "wepp_id", "wepp_bin");
  }

  @Test
  void showsValuesAsPythonDoes() throws Exception {
    Arguments arguments = bind(List.of(RUN, PyValue.of(7)), Map.of());
    assertThat(arguments.shown("runid")).isEqualTo("my-run");
    assertThat(arguments.shown("wepp_id")).isEqualTo("7");
    assertThat(arguments.shown("wepp_bin")).isEqualTo("None");
  }

  @Test
  void refusesInPythonsWords() {
    assertThatThrownBy(() -> bind(List.of(RUN), Map.of()))
        .hasMessage("f() missing 1 required positional argument: 'wepp_id'");
    assertThatThrownBy(() -> bind(List.of(RUN, RUN, RUN, RUN), Map.of()))
        .hasMessage("f() takes from 2 to 3 positional arguments but 4 were given");
    assertThatThrownBy(() -> bind(List.of(RUN), Map.of("x", RUN)))
        .hasMessage("f() got an unexpected keyword argument 'x'");
    assertThatThrownBy(() -> bind(List.of(RUN), Map.of("runid", RUN)))
        .hasMessage("f() got multiple values for argument 'runid'");
  }

  @Test
  void refusesValuesOfTheWrongKind() throws Exception {
    Arguments arguments = bind(List.of(PyValue.of(1), PyValue.of(-7)), Map.of());
    assertThatThrownBy(() -> arguments.text("runid")).hasMessage("runid must be a str, not 1");
    assertThatThrownBy(() -> arguments.number("wepp_id"))
        .hasMessage("wepp_id must be a positive int, not -7");
  }
}
