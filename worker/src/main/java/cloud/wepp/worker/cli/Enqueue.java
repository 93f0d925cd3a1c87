package cloud.wepp.worker.cli;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.RedisAccess;
import cloud.wepp.rq.pickle.PyRepr;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.Connections;
import cloud.wepp.worker.config.WorkerConfig;
import java.math.BigInteger;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "enqueue",
    mixinStandardHelpOptions = true,
    description = "Adds a job as rq's Queue.enqueue does, and prints its id.")
final class Enqueue implements Callable<Integer> {
  /** Characters that rq shows of one value. */
  private static final int SHOWN = 75;

  @Mixin private final Configured configured = new Configured();

  @Option(names = "--queue", defaultValue = "default", description = "default: ${DEFAULT-VALUE}")
  private String queue = "";

  @Option(
      names = "--timeout",
      defaultValue = "180",
      description =
          "seconds until the job is ended by force, -1 for never; default: ${DEFAULT-VALUE}")
  private long timeout;

  @Parameters(index = "0", paramLabel = "FUNC", description = "the function's dotted name")
  private String function = "";

  @Parameters(
      index = "1..*",
      paramLabel = "ARGS",
      description =
          "whole numbers, fractions, True, False and None are read as such; NAME=VALUE is a"
              + " keyword argument; the rest is text")
  private List<String> arguments = new ArrayList<>();

  @Override
  public Integer call() throws Exception {
    WorkerConfig config = configured.read();
    List<PyValue> args = new ArrayList<>();
    Map<String, PyValue> kwargs = new LinkedHashMap<>();
    for (String argument : arguments) {
      int equals = argument.indexOf('=');
      if (equals > 0 && argument.substring(0, equals).matches("[A-Za-z_]\\w*")) {
        kwargs.put(argument.substring(0, equals), value(argument.substring(equals + 1)));
      } else {
        args.add(value(argument));
      }
    }
    Call call = new Call(function, args, kwargs);
    try (RedisAccess redis = Connections.redis(config);
        JobQueue jobs = Connections.queue(config, redis, InstantSource.system())) {
      System.out.println(
          jobs.enqueue(queue, call.write(), describe(call), Duration.ofSeconds(timeout)));
    }
    return 0;
  }

  private static PyValue value(String text) {
    return switch (text) {
      case "None" -> PyValue.None.NONE;
      case "True" -> PyValue.of(true);
      case "False" -> PyValue.of(false);
      default -> {
        if (text.matches("-?\\d{1,30}")) {
          yield new PyValue.Int(new BigInteger(text));
        }
        yield text.matches("-?\\d+\\.\\d+")
            ? PyValue.of(Double.parseDouble(text))
            : PyValue.of(text);
      }
    };
  }

  /** rq's default description: the call as Python would write it, long values cut off. */
  private static String describe(Call call) {
    List<String> shown = new ArrayList<>();
    call.args().forEach(arg -> shown.add(shown(arg)));
    call.kwargs().entrySet().stream()
        .map(entry -> entry.getKey() + "=" + shown(entry.getValue()))
        .sorted()
        .forEach(shown::add);
    return call.function() + "(" + String.join(", ", shown) + ")";
  }

  private static String shown(PyValue value) {
    String shown = PyRepr.of(value);
    return shown.length() > SHOWN ? shown.substring(0, SHOWN) + "..." : shown;
  }
}
