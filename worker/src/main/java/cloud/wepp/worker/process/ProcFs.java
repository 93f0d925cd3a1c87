package cloud.wepp.worker.process;

import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What the kernel tells in /proc. A process that has gone reads as null, empty or 0. */
final class ProcFs {
  static final int SELF = (int) ProcessHandle.current().pid();

  private ProcFs() {}

  /** A process, known by pid and start time together. */
  record Identity(int pid, long start) {}

  /**
   * The fields of {@code /proc/<pid>/stat} that matter here.
   *
   * @param ticks of processor time, also of its children that have ended
   */
  record Stat(
      Identity id,
      char state,
      int parent,
      int group,
      int session,
      long ticks,
      int threads,
      long rssPages) {

    /** A process whose first thread has ended is a zombie only when no other thread is left. */
    boolean alive() {
      return state != 'X' && (state != 'Z' || threads > 1);
    }

    boolean stopped() {
      return state == 'T' || state == 't';
    }
  }

  /** Bytes read from and written to storage. */
  record Io(long read, long written) {}

  static @Nullable Stat stat(int pid) {
    String line = text(pid, "stat");
    int name = line.lastIndexOf(')');
    if (name < 0) {
      return null;
    }
    String[] field = line.substring(name + 2).split(" ", 23);
    return new Stat(
        new Identity(pid, Long.parseLong(field[19])),
        field[0].charAt(0),
        Integer.parseInt(field[1]),
        Integer.parseInt(field[2]),
        Integer.parseInt(field[3]),
        Long.parseLong(field[11])
            + Long.parseLong(field[12])
            + Long.parseLong(field[13])
            + Long.parseLong(field[14]),
        Integer.parseInt(field[17]),
        Long.parseLong(field[21]));
  }

  /** Every process that can be seen. */
  static List<Stat> all() {
    List<Stat> all = new ArrayList<>();
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(Path.of("/proc"), "[1-9]*")) {
      for (Path entry : entries) {
        Stat stat = stat(Integer.parseInt(String.valueOf(entry.getFileName())));
        if (stat != null) {
          all.add(stat);
        }
      }
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
    return all;
  }

  /** Whether the environment of the process has an entry that begins with this text. */
  static boolean hasVariable(int pid, String beginning) {
    String variables = "\0" + text(pid, "environ");
    return variables.contains("\0" + beginning);
  }

  /** The most memory the process has held, in bytes. */
  static long peakRss(int pid) {
    return number(text(pid, "status"), "VmHWM:") * 1024;
  }

  /** Where in the kernel a process waits; empty when it does not, or nobody may know. */
  static String waitsIn(int pid) {
    String place = text(pid, "wchan");
    return place.equals("0") ? "" : place;
  }

  /** Its state, and where it waits, for people. */
  static String words(Stat stat) {
    String place = waitsIn(stat.id().pid());
    return stat.state() + (place.isEmpty() ? "" : " in " + place);
  }

  /** All that it has read and written, also of what was in memory; 0 where nobody may know. */
  static long ioBytes(int pid) {
    String text = "\n" + text(pid, "io");
    return number(text, "\nrchar:") + number(text, "\nwchar:");
  }

  /** Can be read until the process has been waited for. */
  static Io io(int pid) {
    String text = text(pid, "io");
    return new Io(number(text, "\nread_bytes:"), number(text, "\nwrite_bytes:"));
  }

  /** Takes leave of a process that has ended, if as an orphan it has come to this process. */
  static void reapOrphan(int pid) {
    Stat stat = stat(pid);
    if (stat != null && stat.parent() == SELF && !stat.alive()) {
      Libc.reap(pid);
    }
  }

  /** The children of this process's first thread, to which orphans go; null as for children. */
  static @Nullable List<Integer> adopted() {
    return children(SELF);
  }

  /** The children of a process's first thread; null where the kernel does not tell. */
  static @Nullable List<Integer> children(int pid) {
    String text = text(pid, "task/" + pid + "/children");
    if (text.isEmpty()) {
      return Tells.CHILDREN ? List.of() : null;
    }
    List<Integer> children = new ArrayList<>();
    for (String child : text.trim().split(" ", -1)) {
      children.add(Integer.valueOf(child));
    }
    return children;
  }

  private static final class Tells {
    static final boolean CHILDREN = Files.exists(Path.of("/proc/self/task/" + SELF + "/children"));
  }

  private static long number(String text, String label) {
    int at = text.indexOf(label);
    if (at < 0) {
      return 0;
    }
    at += label.length();
    while (Character.isWhitespace(text.charAt(at))) {
      at++;
    }
    long number = 0;
    for (; at < text.length() && Character.isDigit(text.charAt(at)); at++) {
      number = 10 * number + (text.charAt(at) - '0');
    }
    return number;
  }

  private static String text(int pid, String file) {
    return new String(Libc.readAll("/proc/" + pid + "/" + file), StandardCharsets.ISO_8859_1);
  }
}
