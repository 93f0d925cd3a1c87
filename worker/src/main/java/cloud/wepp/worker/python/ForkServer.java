package cloud.wepp.worker.python;

import cloud.wepp.worker.process.ProcessEnd;
import cloud.wepp.worker.process.ProcessRunner;
import cloud.wepp.worker.process.ProcessSpec;
import cloud.wepp.worker.process.SpawnFailed;
import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.JsonNode;

/** One fork server process: it has imported the configured modules, and forks supervisors. */
final class ForkServer {
  private static final Logger LOG = LoggerFactory.getLogger(ForkServer.class);
  private static final Duration IMPORTS = Duration.ofMinutes(5);
  private static final Duration FORK = Duration.ofSeconds(60);
  private static final int SHOWN_LINES = 5;

  private final Board board;
  private final Path output;
  private final Thread thread;
  private final CountDownLatch ended = new CountDownLatch(1);
  private final Peer peer;
  private final String versions;
  private int jobs; // guarded by this

  /** Where things are, for one start. */
  record Start(List<String> command, Path directory, Path output, Map<String, ?> config) {}

  /**
   * Starts the process and waits until its modules are imported.
   *
   * @throws PythonUnavailable if they cannot be
   */
  ForkServer(Start start, ProcessRunner processes, Board board) throws InterruptedException {
    this.board = board;
    this.output = start.output();
    CompletableFuture<Peer> connected = board.expect("server");
    ProcessSpec spec =
        new ProcessSpec(
            start.command(),
            start.directory(),
            null,
            output,
            Map.of("RQ_KEY_PREFIX", String.valueOf(start.config().get("key_prefix"))),
            null,
            Duration.ofSeconds(1));
    thread =
        Thread.ofPlatform()
            .daemon()
            .name("python-server")
            .start(() -> live(processes, spec, connected));
    try {
      peer = await(connected, IMPORTS, "It did not start.");
      peer.send(start.config());
      JsonNode ready = answer(IMPORTS, "Its modules were not imported in time.");
      versions =
          "Python %s with rq %s"
              .formatted(
                  ready.path("ready").path("python").asString(""),
                  ready.path("ready").path("rq").asString(""));
      LOG.info("{} runs Python functions", versions);
    } catch (PythonUnavailable | InterruptedException e) {
      kill();
      throw e;
    }
  }

  private void live(ProcessRunner processes, ProcessSpec spec, CompletableFuture<Peer> connected) {
    String why = "it was killed";
    try {
      ProcessEnd end = processes.run(spec);
      why = "it ended with exit code " + end.exit();
    } catch (SpawnFailed e) {
      why = String.valueOf(e.getMessage());
    } catch (InterruptedException e) {
      // killed
    }
    ended.countDown();
    connected.completeExceptionally(new IOException(why));
  }

  /** Ends the process and what it has forked. */
  void kill() {
    thread.interrupt();
    try {
      boolean _ = thread.join(Duration.ofSeconds(10));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  boolean alive() {
    return ended.getCount() > 0 && !peer.isGone();
  }

  /** Of the interpreter and of rq, in words. */
  String versions() {
    return versions;
  }

  int pid() {
    return peer.pid();
  }

  /** Forks a supervisor for a slot, and waits until it is fit for jobs. */
  synchronized Supervisor fork(String slot) throws InterruptedException {
    CompletableFuture<Peer> connected = board.expect(slot);
    peer.failWhenGone(connected);
    peer.send(Map.of("do", "fork", "name", slot));
    Peer forked = await(connected, FORK, "It forked no supervisor.");
    JsonNode said = forked.next(FORK);
    if (said == null || !said.has("fit")) {
      forked.hangUp();
      throw new PythonUnavailable(
          "Python: a supervisor for slot %s cannot be made: %s"
              .formatted(
                  slot,
                  said == null ? "it says nothing." : said.path("unfit").asString("it ended.")));
    }
    return new Supervisor(this, forked);
  }

  /** Imported files that are no longer as they were imported. */
  synchronized List<String> changedSources() throws InterruptedException {
    peer.send(Map.of("do", "check"));
    return answer(FORK, "It does not answer.")
        .path("changed")
        .valueStream()
        .map(file -> file.asString(""))
        .toList();
  }

  /** One more job is given to what it has forked. */
  synchronized void countJob() {
    jobs++;
  }

  synchronized int jobs() {
    return jobs;
  }

  /** Forks no more; ends when its supervisors have. */
  void retire() {
    peer.send(Map.of("do", "retire"));
  }

  /** The next message that is no news of a child. */
  private JsonNode answer(Duration longest, String otherwise) throws InterruptedException {
    while (true) {
      JsonNode said = peer.next(longest);
      if (said == null || said.isMissingNode()) {
        throw unavailable(otherwise);
      }
      if (said.has("unfit")) {
        LOG.debug("Python: {}", said.path("trace").asString(""));
        throw unavailable(said.path("unfit").asString("") + ".");
      }
      if (!said.has("exited")) {
        return said;
      }
    }
  }

  private <T> T await(CompletableFuture<T> future, Duration longest, String otherwise)
      throws InterruptedException {
    try {
      return future.get(longest.toNanos(), TimeUnit.NANOSECONDS);
    } catch (ExecutionException e) {
      throw unavailable(String.valueOf(e.getCause() == null ? e : e.getCause().getMessage()) + ".");
    } catch (TimeoutException e) {
      throw unavailable(otherwise);
    }
  }

  private PythonUnavailable unavailable(String what) {
    String printed = "";
    try {
      List<String> lines = Files.readAllLines(output);
      printed =
          String.join("\n  ", lines.subList(Math.max(0, lines.size() - SHOWN_LINES), lines.size()));
    } catch (MalformedInputException e) {
      LOG.debug("The output is no text", e);
    } catch (IOException e) {
      LOG.debug("There is no output", e);
    }
    return new PythonUnavailable(
        "Python functions cannot be run: %s%s"
            .formatted(what, printed.isEmpty() ? "" : "\n  " + printed));
  }
}
