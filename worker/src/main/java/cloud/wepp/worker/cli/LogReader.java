package cloud.wepp.worker.cli;

import cloud.wepp.rq.Call;
import cloud.wepp.rq.JobLog;
import cloud.wepp.rq.JobLog.Holder;
import cloud.wepp.rq.JobLog.Item;
import cloud.wepp.rq.JobQueue;
import cloud.wepp.rq.JobRecord;
import cloud.wepp.rq.MalformedJob;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * Prints what a job prints: of a running one what its worker tells, on whatever host; of a native
 * one that has ended the logs of its models, where their folder is mounted.
 */
final class LogReader {
  private static final long MOST_OF_A_FILE = 1 << 20;
  private static final long ASK_AGAIN = TimeUnit.SECONDS.toNanos(10);
  private static final long PATIENCE = TimeUnit.SECONDS.toNanos(10);

  private final JobLog log;
  private final JobQueue jobs;
  private final Function<Call, List<Path>> files;
  private final PrintStream out;

  /**
   * @param files the logs of a native call's models; none of another
   */
  LogReader(JobLog log, JobQueue jobs, Function<Call, List<Path>> files, PrintStream out) {
    this.log = log;
    this.jobs = jobs;
    this.files = files;
    this.out = out;
  }

  /**
   * Prints it.
   *
   * @param follow whether to wait for a job that has not started, and to go on until it ends
   * @return whether there was something to print
   */
  boolean print(String job, boolean follow) {
    boolean printed = false;
    while (true) {
      Holder holder = log.holder(job);
      switch (holder.status()) {
        case "" -> {
          out.printf("There is no job %s.%n", job);
          return false;
        }
        case "started" -> {
          if (holder.claim().isEmpty()) {
            out.printf(
                "Job %s runs in %s, a worker of rq's own, which keeps what it prints to itself.%n",
                job, holder.worker());
            return false;
          }
          printed |= printRunning(job, holder, follow);
          if (!follow) {
            return printed;
          }
        }
        case "finished", "failed", "stopped", "canceled" -> {
          if (printed) {
            out.printf("Job %s is %s.%n", job, holder.status());
            return true;
          }
          return printEnded(job, holder);
        }
        default -> {
          if (!follow) {
            out.printf("Job %s is %s: it has not printed anything.%n", job, holder.status());
            return false;
          }
          List<?> _ = log.read("none", "0"); // waits
        }
      }
    }
  }

  private boolean printRunning(String job, Holder holder, boolean follow) {
    String token = UUID.randomUUID().toString();
    String id = "0";
    long asked = 0;
    long heard = System.nanoTime();
    while (true) {
      if (asked == 0 || System.nanoTime() - asked > ASK_AGAIN) {
        if (!log.holder(job).equals(holder)) {
          return true; // it has ended, or runs elsewhere
        }
        log.ask(holder, job, token);
        asked = System.nanoTime();
      }
      for (JobLog.Placed one : log.read(holder.claim(), id)) {
        id = one.id();
        heard = System.nanoTime();
        switch (one.item()) {
          case Item.Line(String text) -> out.println(text);
          case Item.End() -> {
            return true;
          }
          case Item.Answered(String answered) -> {
            if (!follow && answered.equals(token)) {
              return true;
            }
          }
        }
      }
      out.flush();
      if (System.nanoTime() - heard > PATIENCE + ASK_AGAIN) {
        out.printf("Worker %s does not tell what job %s prints.%n", holder.worker(), job);
        return false;
      }
    }
  }

  private boolean printEnded(String job, Holder holder) {
    for (JobRecord record : jobs.calls(List.of(job))) {
      try {
        List<Path> found = files.apply(Call.read(record.data()));
        for (Path file : found) {
          printEnd(file);
        }
        if (!found.isEmpty()) {
          return true;
        }
      } catch (MalformedJob e) {
        break; // then it is none of ours
      } catch (IOException e) {
        out.printf("%s cannot be read here.%n", e.getMessage());
      }
    }
    out.printf(
        "Job %s is %s. What it printed is in the log of its worker, %s, in the lines that have this"
            + " id.%n",
        job, holder.status(), holder.worker());
    return false;
  }

  private void printEnd(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file)) {
      out.printf("==> %s <==%n", file);
      channel.position(Math.max(0, channel.size() - MOST_OF_A_FILE));
      Channels.newInputStream(channel).transferTo(out);
    }
  }
}
