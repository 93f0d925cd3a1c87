package cloud.wepp.worker.process;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Starts processes with posix_spawn: own session, default signals, no descriptor but 0, 1, 2. */
final class Spawner {
  private static final Path NULL = Path.of("/dev/null");
  private static final int O_WRONLY_CREAT_TRUNC = 01 | 0100 | 01000;
  private static final int MODE = 0644;
  private static final short FLAGS = 0x80 | 0x08 | 0x04; // SETSID, SETSIGMASK, SETSIGDEF
  private static final int ATTRIBUTES_BYTES = 336;
  private static final int ACTIONS_BYTES = 80;
  private static final int SIGSET_BYTES = 128;

  private static final MethodHandle SPAWN =
      handle("posix_spawn", ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS);
  private static final MethodHandle ATTR_INIT = handle("posix_spawnattr_init", ADDRESS);
  private static final MethodHandle ATTR_FLAGS =
      handle("posix_spawnattr_setflags", ADDRESS, JAVA_SHORT);
  private static final MethodHandle ATTR_MASK =
      handle("posix_spawnattr_setsigmask", ADDRESS, ADDRESS);
  private static final MethodHandle ATTR_DEFAULT =
      handle("posix_spawnattr_setsigdefault", ADDRESS, ADDRESS);
  private static final MethodHandle INIT = handle("posix_spawn_file_actions_init", ADDRESS);
  private static final MethodHandle DESTROY = handle("posix_spawn_file_actions_destroy", ADDRESS);
  private static final MethodHandle OPEN =
      handle("posix_spawn_file_actions_addopen", ADDRESS, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT);
  private static final MethodHandle DUP =
      handle("posix_spawn_file_actions_adddup2", ADDRESS, JAVA_INT, JAVA_INT);
  private static final MethodHandle CLOSE_FROM =
      handle("posix_spawn_file_actions_addclosefrom_np", ADDRESS, JAVA_INT);
  private static final MethodHandle CHDIR =
      handle("posix_spawn_file_actions_addchdir_np", ADDRESS, ADDRESS);

  private final MemorySegment plain = attributes();
  private final MemorySegment deaf = attributes(Libc.SIGHUP, Libc.SIGINT, Libc.SIGTERM);
  private final List<Variable> inherited = inherited();

  /** A variable of this process's own: its name, and where its text is. */
  private record Variable(String name, MemorySegment text) {}

  private static MethodHandle handle(String name, java.lang.foreign.MemoryLayout... arguments) {
    return Libc.bind(name, FunctionDescriptor.of(JAVA_INT, arguments));
  }

  /** Spawn attributes, with these signals blocked. */
  private static MemorySegment attributes(int... blocked) {
    MemorySegment attributes = Arena.global().allocate(ATTRIBUTES_BYTES, 8);
    MemorySegment mask = Arena.global().allocate(SIGSET_BYTES, 8);
    for (int signal : blocked) {
      mask.set(JAVA_LONG, 0, mask.get(JAVA_LONG, 0) | 1L << (signal - 1));
    }
    MemorySegment all = Arena.global().allocate(SIGSET_BYTES, 8).fill((byte) -1);
    try {
      int ignored = (int) ATTR_INIT.invokeExact(attributes);
      ignored = (int) ATTR_FLAGS.invokeExact(attributes, FLAGS);
      ignored = (int) ATTR_MASK.invokeExact(attributes, mask);
      ignored = (int) ATTR_DEFAULT.invokeExact(attributes, all);
    } catch (Throwable thrown) {
      throw Libc.broken(thrown);
    }
    return attributes;
  }

  private static List<Variable> inherited() {
    List<Variable> variables = new ArrayList<>();
    MemorySegment environ = Libc.environ();
    for (long i = 0; ; i++) {
      MemorySegment text = environ.getAtIndex(ADDRESS, i);
      if (text.equals(MemorySegment.NULL)) {
        return variables;
      }
      String entry = Libc.string(text);
      variables.add(new Variable(entry.substring(0, Math.max(0, entry.indexOf('='))), text));
    }
  }

  /** Starts what the specification says, with these variables on top of this process's own. */
  int spawn(ProcessSpec spec, Map<String, String> environment) throws SpawnFailed {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment actions = arena.allocate(ACTIONS_BYTES, 8);
      int ignored = (int) INIT.invokeExact(actions);
      try {
        open(arena, actions, 0, spec.stdin(), 0);
        open(arena, actions, 1, spec.output(), O_WRONLY_CREAT_TRUNC);
        ignored = (int) DUP.invokeExact(actions, 1, 2);
        ignored = (int) CLOSE_FROM.invokeExact(actions, 3);
        ignored = (int) CHDIR.invokeExact(actions, string(arena, spec.directory()));
        return spawn(arena, spec.command(), environment, actions, plain);
      } finally {
        ignored = (int) DESTROY.invokeExact(actions);
      }
    } catch (SpawnFailed | RuntimeException e) {
      throw e;
    } catch (Throwable thrown) {
      throw Libc.broken(thrown);
    }
  }

  /**
   * Starts a process that reads from this descriptor and does not hear HUP, INT and TERM. It shares
   * standard error with this process.
   */
  int spawnDeaf(List<String> command, int stdin) throws SpawnFailed {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment actions = arena.allocate(ACTIONS_BYTES, 8);
      int ignored = (int) INIT.invokeExact(actions);
      try {
        ignored = (int) DUP.invokeExact(actions, stdin, 0);
        open(arena, actions, 1, NULL, O_WRONLY_CREAT_TRUNC);
        ignored = (int) CLOSE_FROM.invokeExact(actions, 3);
        return spawn(arena, command, Map.of(), actions, deaf);
      } finally {
        ignored = (int) DESTROY.invokeExact(actions);
      }
    } catch (SpawnFailed | RuntimeException e) {
      throw e;
    } catch (Throwable thrown) {
      throw Libc.broken(thrown);
    }
  }

  private int spawn(
      Arena arena,
      List<String> command,
      Map<String, String> environment,
      MemorySegment actions,
      MemorySegment attributes)
      throws Throwable {
    MemorySegment pid = arena.allocate(JAVA_INT);
    MemorySegment arguments = arguments(arena, command);
    int error =
        (int)
            SPAWN.invokeExact(
                pid,
                arguments.get(ADDRESS, 0),
                actions,
                attributes,
                arguments,
                environment(arena, environment));
    if (error != 0) {
      throw new SpawnFailed(command, Libc.errorText(error));
    }
    return pid.get(JAVA_INT, 0);
  }

  private static void open(
      Arena arena, MemorySegment actions, int fd, @Nullable Path path, int flags) throws Throwable {
    MemorySegment name = string(arena, path == null ? NULL : path);
    int ignored = (int) OPEN.invokeExact(actions, fd, name, flags, MODE);
  }

  private static MemorySegment arguments(Arena arena, List<String> command) {
    MemorySegment arguments = arena.allocate(ADDRESS, command.size() + 1L);
    for (int i = 0; i < command.size(); i++) {
      arguments.setAtIndex(ADDRESS, i, string(arena, command.get(i)));
    }
    return arguments;
  }

  private MemorySegment environment(Arena arena, Map<String, String> added) {
    MemorySegment block = arena.allocate(ADDRESS, inherited.size() + added.size() + 1L);
    long at = 0;
    for (Variable variable : inherited) {
      if (!added.containsKey(variable.name())) {
        block.setAtIndex(ADDRESS, at++, variable.text());
      }
    }
    for (Map.Entry<String, String> entry : added.entrySet()) {
      block.setAtIndex(ADDRESS, at++, string(arena, entry.getKey() + "=" + entry.getValue()));
    }
    return block;
  }

  private static MemorySegment string(Arena arena, Path path) {
    return string(arena, path.toAbsolutePath().toString());
  }

  private static MemorySegment string(Arena arena, String text) {
    if (text.indexOf('\0') >= 0) {
      throw new IllegalArgumentException("a NUL character in " + text.replace('\0', '?'));
    }
    return arena.allocateFrom(text);
  }
}
