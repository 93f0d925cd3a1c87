package cloud.wepp.worker.wepp;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.pickle.PyRepr;
import cloud.wepp.rq.pickle.PyValue;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A call's arguments by the names of a Python function's parameters. */
record Arguments(Map<String, PyValue> values) {

  /**
   * Binds as Python does; {@code None} stands for an optional one that was not given.
   *
   * @param parameters the names in order
   * @param required how many of the first have no default
   */
  static Arguments bind(Call call, List<String> parameters, int required) throws JobFailed {
    String name = call.function().substring(call.function().lastIndexOf('.') + 1);
    int given = call.args().size();
    Map<String, PyValue> values = new LinkedHashMap<>();
    for (int i = 0; i < Math.min(given, parameters.size()); i++) {
      values.put(parameters.get(i), call.args().get(i));
    }
    for (Map.Entry<String, PyValue> named : call.kwargs().entrySet()) {
      if (!parameters.contains(named.getKey())) {
        throw wrong("%s() got an unexpected keyword argument '%s'".formatted(name, named.getKey()));
      }
      if (values.put(named.getKey(), named.getValue()) != null) {
        throw wrong("%s() got multiple values for argument '%s'".formatted(name, named.getKey()));
      }
    }
    if (given > parameters.size()) {
      throw wrong(
          "%s() takes %s but %d %s given"
              .formatted(
                  name, taken(required, parameters.size()), given, given == 1 ? "was" : "were"));
    }
    List<String> missing =
        parameters.subList(0, required).stream()
            .filter(parameter -> !values.containsKey(parameter))
            .map(parameter -> "'" + parameter + "'")
            .toList();
    if (!missing.isEmpty()) {
      throw wrong(
          "%s() missing %d required positional argument%s: %s"
              .formatted(name, missing.size(), missing.size() == 1 ? "" : "s", listed(missing)));
    }
    Map<String, PyValue> inOrder = new LinkedHashMap<>();
    for (String parameter : parameters) {
      inOrder.put(parameter, values.getOrDefault(parameter, PyValue.None.NONE));
    }
    return new Arguments(inOrder);
  }

  private static String taken(int least, int most) {
    String range = least == most ? "" + most : "from %d to %d".formatted(least, most);
    return range + " positional argument" + (most == 1 ? "" : "s");
  }

  private static String listed(List<String> names) {
    int last = names.size() - 1;
    return switch (names.size()) {
      case 1 -> names.getFirst();
      case 2 -> names.getFirst() + " and " + names.getLast();
      default -> String.join(", ", names.subList(0, last)) + ", and " + names.getLast();
    };
  }

  String text(String parameter) throws JobFailed {
    if (value(parameter) instanceof PyValue.Str(String text)) {
      return text;
    }
    throw wrong("%s must be a str, not %s".formatted(parameter, shown(parameter)));
  }

  @Nullable String optionalText(String parameter) throws JobFailed {
    return value(parameter) instanceof PyValue.None ? null : text(parameter);
  }

  /** A whole number from 1 to 9,999,999, as a number or as text. */
  int number(String parameter) throws JobFailed {
    String text =
        switch (value(parameter)) {
          case PyValue.Int(var number) -> number.toString();
          case PyValue.Str(String digits) -> digits;
          default -> "";
        };
    if (!text.matches("[1-9]\\d{0,6}")) {
      throw wrong("%s must be a positive int, not %s".formatted(parameter, shown(parameter)));
    }
    return Integer.parseInt(text);
  }

  /** The name of a file, which leads nowhere else. */
  String name(String parameter) throws JobFailed {
    String name = text(parameter);
    if (!name.matches("[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")) {
      throw new JobFailed(
          "ValueError", "%s is no name of a file: %s".formatted(parameter, shown(parameter)));
    }
    return name;
  }

  /** The value as an f-string of Python shows it: text bare, the rest as {@code repr}. */
  String shown(String parameter) {
    return value(parameter) instanceof PyValue.Str(String text)
        ? text
        : PyRepr.of(value(parameter));
  }

  private PyValue value(String parameter) {
    return values.getOrDefault(parameter, PyValue.None.NONE);
  }

  private static JobFailed wrong(String message) {
    return new JobFailed("TypeError", message);
  }
}
