package cloud.wepp.worker;

import cloud.wepp.rq.JobRecord;
import cloud.wepp.rq.pickle.PyValue;
import cloud.wepp.worker.config.WorkerConfig;
import cloud.wepp.worker.process.Limits;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the processes of a job may use: bounds by function, which the job's {@code meta} may lower,
 * and raise as far as they say.
 */
final class JobLimits {
  private static final Logger LOG = LoggerFactory.getLogger(JobLimits.class);
  private static final long MIB = 1L << 20;

  private final List<Bound> memory;
  private final List<Bound> cpu;
  private final List<Bound> files;
  private final List<Bound> fileSize;
  private final List<Bound> processors;
  private final int retries;
  private final double factor;

  /** The bound of the functions of a pattern, and how far a job may raise it. */
  private record Bound(Pattern functions, long usual, long most) {
    private static final Bound NONE = new Bound(Routes.pattern("*"), 0, 0);

    /** Reads {@code pattern:usual} or {@code pattern:usual-most}. */
    static Bound of(String text, long unit) {
      int colon = text.lastIndexOf(':');
      String[] numbers = text.substring(colon + 1).strip().split("-", 2);
      long usual = unit * Long.parseLong(numbers[0]);
      long most = numbers.length == 1 ? usual : unit * Long.parseLong(numbers[1]);
      return new Bound(
          Routes.pattern(text.substring(0, colon).strip()), usual, Math.max(usual, most));
    }

    /** What a job gets that asks for so much; 0 asks for nothing, and is no bound. */
    long of(long asked) {
      if (asked <= 0) {
        return usual;
      }
      return usual == 0 ? asked : Math.min(asked, most);
    }
  }

  JobLimits(WorkerConfig.Limits config) {
    memory = bounds(config.memory(), MIB);
    cpu = bounds(config.cpuTime(), 1);
    files = bounds(config.openFiles(), 1);
    fileSize = bounds(config.fileSize(), MIB);
    processors = bounds(config.pythonCpu(), 1);
    retries = config.memoryRetries();
    factor = Double.parseDouble(config.memoryFactor());
  }

  private static List<Bound> bounds(List<String> texts, long unit) {
    return texts.stream().map(text -> Bound.of(text, unit)).toList();
  }

  private static Bound first(List<Bound> bounds, String function) {
    return bounds.stream()
        .filter(bound -> bound.functions().matcher(function).matches())
        .findFirst()
        .orElse(Bound.NONE);
  }

  /** Those of one job. */
  Limits of(String function, JobRecord job) {
    Map<String, Long> asked = asked(job);
    Bound bound = first(memory, function);
    return new Limits(
        bound.of(MIB * asked.getOrDefault("rq_worker_memory_mb", 0L)),
        first(cpu, function).of(asked.getOrDefault("rq_worker_cpu_seconds", 0L)),
        first(files, function).of(asked.getOrDefault("rq_worker_open_files", 0L)),
        first(fileSize, function).of(MIB * asked.getOrDefault("rq_worker_file_mb", 0L)),
        new Limits.Growth(retries, factor, bound.most()));
  }

  /** How many processors a Python job of the function takes, if it can. */
  int processors(String function) {
    return (int) Math.max(1, first(processors, function).usual());
  }

  /** The whole numbers in the job's meta, by key. */
  private static Map<String, Long> asked(JobRecord job) {
    Map<String, Long> numbers = new HashMap<>();
    try {
      for (PyValue.Entry entry : JobMeta.read(job.meta())) {
        if (entry.key() instanceof PyValue.Str(String key)
            && key.startsWith("rq_worker_")
            && entry.value() instanceof PyValue.Int(var number)
            && number.signum() > 0
            && number.bitLength() < 32) {
          numbers.put(key, number.longValue());
        }
      }
    } catch (JobMeta.Unreadable e) {
      LOG.debug("Job {}: its meta asks for nothing that can be read: {}", job.id(), e.getMessage());
    }
    return numbers;
  }
}
