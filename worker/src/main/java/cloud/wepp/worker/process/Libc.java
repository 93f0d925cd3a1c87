package cloud.wepp.worker.process;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;

/** Every call into libc that this package makes, except posix_spawn. Linux, 64 bit. */
@SuppressWarnings("restricted")
final class Libc {
  static final int SIGHUP = 1;
  static final int SIGINT = 2;
  static final int SIGKILL = 9;
  static final int SIGTERM = 15;
  static final int SIGCONT = 18;
  static final int SIGSTOP = 19;
  static final int SIGXCPU = 24;
  static final int SIGXFSZ = 25;
  static final AddressLayout STRINGS =
      ADDRESS.withTargetLayout(MemoryLayout.sequenceLayout(1 << 24, ADDRESS));

  private static final int O_CLOEXEC = 0x80000;
  private static final int PR_SET_CHILD_SUBREAPER = 36;
  private static final int EVENTFD_FLAGS = O_CLOEXEC | 0x800;
  private static final long KILL = 62; // x86-64
  private static final long PIDFD_OPEN = 434;
  private static final long PIDFD_SEND_SIGNAL = 424;
  private static final short POLLIN = 1;
  private static final int RUSAGE_BYTES = 144;
  private static final int PAGE = 4096;
  private static final int WNOHANG = 1;
  private static final int RLIMIT_CPU = 0;
  private static final int RLIMIT_FSIZE = 1;
  private static final int RLIMIT_NOFILE = 7;
  private static final long CPU_GRACE_S = 5;

  private static final Linker LINKER = Linker.nativeLinker();
  private static final MethodHandle OPEN =
      bind(
          "open",
          FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT),
          Linker.Option.firstVariadicArg(2));
  private static final MethodHandle READ =
      bind("read", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG));
  private static final MethodHandle WRITE =
      bind("write", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG));
  private static final MethodHandle CLOSE =
      bind("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
  private static final MethodHandle POLL =
      bind("poll", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));
  private static final MethodHandle SYSCALL =
      bind(
          "syscall",
          FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
          Linker.Option.firstVariadicArg(1));

  private Libc() {}

  /** What only the worker calls; bound apart, because the guard should start fast. */
  private static final class Worker {
    static final MethodHandle WAIT4 =
        bind("wait4", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT, ADDRESS));
    static final MethodHandle EVENTFD =
        bind("eventfd", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    static final MethodHandle PIPE2 =
        bind("pipe2", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT));
    static final MethodHandle STRERROR = bind("strerror", FunctionDescriptor.of(ADDRESS, JAVA_INT));
    static final MethodHandle PRLIMIT =
        bind("prlimit", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, ADDRESS));
    static final MethodHandle PAGE_SIZE = bind("getpagesize", FunctionDescriptor.of(JAVA_INT));
    static final MethodHandle PRCTL =
        bind(
            "prctl",
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
            Linker.Option.firstVariadicArg(1));
  }

  /** The status that wait4 gave, the processor time used, and the context switches. */
  record Waited(int exit, Duration user, Duration system, long waits, long preemptions) {}

  static MethodHandle bind(String name, FunctionDescriptor shape, Linker.Option... options) {
    return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), shape, options);
  }

  /** The variables of this process, as the C library holds them. */
  static MemorySegment environ() {
    MemorySegment variable = LINKER.defaultLookup().findOrThrow("environ");
    return variable.reinterpret(ADDRESS.byteSize()).get(STRINGS, 0);
  }

  /** A C string of any length at this address. */
  static String string(MemorySegment address) {
    return address.reinterpret(Long.MAX_VALUE).getString(0);
  }

  static AssertionError broken(Throwable thrown) {
    return new AssertionError("a libc call threw", thrown);
  }

  /** The whole content of a file below /proc; empty when it cannot be read. */
  static byte[] readAll(String path) {
    try (Arena arena = Arena.ofConfined()) {
      int fd = (int) OPEN.invokeExact(arena.allocateFrom(path), O_CLOEXEC);
      if (fd < 0) {
        return new byte[0];
      }
      try {
        return readAll(fd, arena.allocate(PAGE));
      } finally {
        close(fd);
      }
    } catch (Throwable thrown) {
      throw broken(thrown);
    }
  }

  private static byte[] readAll(int fd, MemorySegment buffer) {
    byte[] all = new byte[0];
    for (int n = read(fd, buffer); n > 0; n = read(fd, buffer)) {
      int old = all.length;
      all = Arrays.copyOf(all, old + n);
      MemorySegment.copy(buffer, JAVA_BYTE, 0, all, old, n);
    }
    return all;
  }

  /** The number of bytes read; 0 at the end, negative after an error. */
  static int read(int fd, MemorySegment buffer) {
    try {
      return (int) (long) READ.invokeExact(fd, buffer, buffer.byteSize());
    } catch (Throwable thrown) {
      throw broken(thrown);
    }
  }

  /** Writes all of it; false when the other end is gone. */
  static boolean write(int fd, String text) {
    try (Arena arena = Arena.ofConfined()) {
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      MemorySegment left = arena.allocateFrom(JAVA_BYTE, bytes);
      while (left.byteSize() > 0) {
        long n = (long) WRITE.invokeExact(fd, left, left.byteSize());
        if (n < 0) {
          return false;
        }
        left = left.asSlice(n);
      }
      return true;
    } catch (Throwable thrown) {
      throw broken(thrown);
    }
  }

  static void close(int fd) {
    try {
      int ignored = (int) CLOSE.invokeExact(fd);
    } catch (Throwable thrown) {
      throw broken(thrown);
    }
  }

  /** Room for so many descriptors to poll. */
  static MemorySegment pollSet(Arena arena, int size) {
    return arena.allocate(8L * size, 8);
  }

  static void pollSlot(MemorySegment set, int index, int fd) {
    set.set(JAVA_INT, 8L * index, fd);
    set.set(JAVA_SHORT, 8L * index + 4, POLLIN);
    set.set(JAVA_SHORT, 8L * index + 6, (short) 0);
  }

  static boolean pollReady(MemorySegment set, int index) {
    return set.get(JAVA_SHORT, 8L * index + 6) != 0;
  }

  /** Waits until one of the descriptors is ready; a negative timeout is for ever. */
  static void poll(MemorySegment set, int size, long nanos) {
    long millis = nanos < 0 ? -1 : Math.min(Integer.MAX_VALUE, (nanos + 999_999) / 1_000_000);
    try {
      int ready = (int) POLL.invokeExact(set, (long) size, (int) millis);
      if (ready < 0) { // interrupted by a signal: what the set holds is of an earlier call
        for (int i = 0; i < size; i++) {
          set.set(JAVA_SHORT, 8L * i + 6, (short) 0);
        }
      }
    } catch (Throwable thrown) {
      throw broken(thrown);
    }
  }

  /** A descriptor that becomes ready when the process ends; negative when there is none. */
  static int pidfd(int pid) {
    return syscall(PIDFD_OPEN, pid, 0);
  }

  static void signal(int pidfd, int signal) {
    syscall(PIDFD_SEND_SIGNAL, pidfd, signal);
  }

  /** Whether a process of this group is left, be it a zombie. */
  static boolean groupExists(int group) {
    return syscall(KILL, -group, 0) == 0;
  }

  private static int syscall(long number, long first, long second) {
    try {
      return (int) (long) SYSCALL.invokeExact(number, first, second, 0L, 0L);
    } catch (Throwable thrown) {
      throw broken(thrown);
    }
  }

  /** Takes the exit status of a child; blocks until it has one. */
  static Waited waitFor(int pid) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment status = arena.allocate(JAVA_INT);
      MemorySegment usage = arena.allocate(RUSAGE_BYTES, 8);
      int waited = (int) Worker.WAIT4.invokeExact(pid, status, 0, usage);
      if (waited != pid) {
        throw new IllegalStateException("process " + pid + " was waited for by someone else");
      }
      int word = status.get(JAVA_INT, 0);
      int signal = word & 0x7f;
      return new Waited(
          signal == 0 ? (word >> 8) & 0xff : -signal,
          time(usage, 0),
          time(usage, 16),
          usage.get(JAVA_LONG, 128),
          usage.get(JAVA_LONG, 136));
    } catch (RuntimeException e) {
      throw e;
    } catch (Throwable thrown) {
      throw broken(thrown);
    }
  }

  /** Takes leave of a child that has ended, unless another thread was faster. */
  static void reap(int pid) {
    try {
      int ignored =
          (int) Worker.WAIT4.invokeExact(pid, MemorySegment.NULL, WNOHANG, MemorySegment.NULL);
    } catch (Throwable thrown) {
      throw broken(thrown);
    }
  }

  private static Duration time(MemorySegment usage, long at) {
    return Duration.ofSeconds(usage.get(JAVA_LONG, at))
        .plusNanos(usage.get(JAVA_LONG, at + 8) * 1000);
  }

  /** Sets what the kernel itself enforces. A process that has ended already is none to limit. */
  static void limit(int pid, Limits limits) {
    limit(pid, RLIMIT_CPU, limits.cpuSeconds(), CPU_GRACE_S);
    limit(pid, RLIMIT_FSIZE, limits.fileBytes(), 0);
    limit(pid, RLIMIT_NOFILE, limits.openFiles(), 0);
  }

  /** Never above the hard limit that is there already, which only root may raise. */
  private static void limit(int pid, int resource, long soft, long untilHard) {
    if (soft == 0) {
      return;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment pair = arena.allocate(JAVA_LONG, 2);
      int ignored = (int) Worker.PRLIMIT.invokeExact(pid, resource, MemorySegment.NULL, pair);
      long hard = pair.getAtIndex(JAVA_LONG, 1);
      pair.setAtIndex(JAVA_LONG, 0, least(soft, hard));
      pair.setAtIndex(JAVA_LONG, 1, least(soft + untilHard, hard));
      ignored = (int) Worker.PRLIMIT.invokeExact(pid, resource, pair, MemorySegment.NULL);
    } catch (Throwable thrown) {
      throw broken(thrown);
    }
  }

  /** Infinity is the largest number, without sign. */
  private static long least(long one, long other) {
    return Long.compareUnsigned(one, other) < 0 ? one : other;
  }

  static int pageSize() {
    try {
      return (int) Worker.PAGE_SIZE.invokeExact();
    } catch (Throwable thrown) {
      throw broken(thrown);
    }
  }

  static int eventfd() {
    try {
      return checked("eventfd", (int) Worker.EVENTFD.invokeExact(0, EVENTFD_FLAGS));
    } catch (RuntimeException e) {
      throw e;
    } catch (Throwable thrown) {
      throw broken(thrown);
    }
  }

  /** The reading and the writing end of a new pipe. */
  static int[] pipe() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment ends = arena.allocate(JAVA_INT, 2);
      checked("pipe2", (int) Worker.PIPE2.invokeExact(ends, O_CLOEXEC));
      return ends.toArray(JAVA_INT);
    } catch (RuntimeException e) {
      throw e;
    } catch (Throwable thrown) {
      throw broken(thrown);
    }
  }

  private static int checked(String call, int result) {
    if (result < 0) {
      throw new IllegalStateException(call + " failed");
    }
    return result;
  }

  /** Orphans of this process's children become its own children. */
  static void adoptOrphans() {
    try {
      int ignored = (int) Worker.PRCTL.invokeExact(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
    } catch (Throwable thrown) {
      throw broken(thrown);
    }
  }

  static String errorText(int errno) {
    try {
      return string((MemorySegment) Worker.STRERROR.invokeExact(errno));
    } catch (Throwable thrown) {
      throw broken(thrown);
    }
  }
}
