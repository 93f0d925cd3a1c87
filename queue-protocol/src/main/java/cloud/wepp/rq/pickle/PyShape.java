package cloud.wepp.rq.pickle;

import cloud.wepp.rq.pickle.PyValue.Entry;
import cloud.wepp.rq.pickle.PyValue.Reduced;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Bounds on the shape of a value: it is a tree of moderate depth and size, so that whoever walks it
 * comes to an end.
 */
final class PyShape {
  private static final int DEEPEST = 500;
  private static final long MOST_NODES = 20_000_000;

  private PyShape() {}

  /** The values that a value is made of. */
  static List<PyValue> parts(PyValue value) {
    return switch (value) {
      case PyValue.Tuple tuple -> tuple.items();
      case PyValue.ListOf list -> list.items();
      case PyValue.SetOf set -> set.items();
      case PyValue.Dict dict -> keysAndValues(dict.entries());
      case Reduced r -> {
        List<PyValue> parts = new ArrayList<>();
        parts.add(r.callable());
        parts.add(r.args());
        add(parts, r.kwargs());
        add(parts, r.state());
        parts.addAll(r.items());
        parts.addAll(keysAndValues(r.entries()));
        yield parts;
      }
      default -> List.of();
    };
  }

  private static void add(List<PyValue> parts, @Nullable PyValue part) {
    if (part != null) {
      parts.add(part);
    }
  }

  private static List<PyValue> keysAndValues(List<Entry> entries) {
    List<PyValue> parts = new ArrayList<>(entries.size() * 2);
    for (Entry entry : entries) {
      parts.add(entry.key());
      parts.add(entry.value());
    }
    return parts;
  }

  private static final class Frame {
    final PyValue value;
    final Iterator<PyValue> parts;
    int height = 1;
    long nodes = 1;

    Frame(PyValue value) {
      this.value = value;
      parts = PyShape.parts(value).iterator();
    }
  }

  private record Measure(int height, long nodes) {}

  /**
   * Refuses cycles, deep nesting, and shared parts that stand for a huge tree. Visits every part
   * once.
   */
  static void check(PyValue root) throws MalformedPickle {
    IdentityHashMap<PyValue, Measure> measured = new IdentityHashMap<>();
    IdentityHashMap<PyValue, Boolean> open = new IdentityHashMap<>();
    List<Frame> path = new ArrayList<>();
    path.add(new Frame(root));
    open.put(root, true);
    while (!path.isEmpty()) {
      Frame frame = path.getLast();
      if (frame.parts.hasNext()) {
        PyValue part = frame.parts.next();
        Measure known = measured.get(part);
        if (known != null) {
          include(frame, known);
        } else if (!isContainer(part)) {
          include(frame, new Measure(1, 1));
        } else if (open.put(part, true) != null) {
          throw MalformedPickle.refused("it contains itself");
        } else if (path.size() >= DEEPEST) {
          throw MalformedPickle.refused("it is nested deeper than " + DEEPEST);
        } else {
          path.add(new Frame(part));
        }
      } else {
        path.removeLast();
        open.remove(frame.value);
        Measure measure = new Measure(frame.height, frame.nodes);
        measured.put(frame.value, measure);
        if (!path.isEmpty()) {
          include(path.getLast(), measure);
        }
      }
    }
  }

  private static boolean isContainer(PyValue value) {
    return value instanceof PyValue.Tuple
        || value instanceof PyValue.ListOf
        || value instanceof PyValue.SetOf
        || value instanceof PyValue.Dict
        || value instanceof Reduced;
  }

  private static void include(Frame frame, Measure part) throws MalformedPickle {
    frame.height = Math.max(frame.height, part.height() + 1);
    frame.nodes += part.nodes();
    if (frame.height > DEEPEST) {
      throw MalformedPickle.refused("it is nested deeper than " + DEEPEST);
    }
    if (frame.nodes > MOST_NODES) {
      throw MalformedPickle.refused("it stands for more than " + MOST_NODES + " values");
    }
  }

  /** Returns the list if Python could hash every member. */
  static List<PyValue> hashable(List<PyValue> items) throws MalformedPickle {
    for (PyValue item : items) {
      if (item instanceof PyValue.ListOf
          || item instanceof PyValue.Dict
          || item instanceof PyValue.ByteArray
          || item instanceof PyValue.SetOf set && !set.frozen()) {
        throw MalformedPickle.broken("a key or member of a set cannot be hashed");
      }
    }
    return items;
  }
}
