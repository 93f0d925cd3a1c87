package cloud.wepp.rq.pickle;

import cloud.wepp.rq.pickle.PyValue.Global;
import java.util.Set;

/**
 * Which names a pickle may call. Nothing is ever called here; but a pickle that asks to call a
 * function, and not a class, is an attack on whoever reads it next, and is refused.
 */
final class Globals {
  private static final Set<String> BUILTIN_CLASSES =
      Set.of(
          "bool",
          "bytearray",
          "bytes",
          "complex",
          "dict",
          "float",
          "frozenset",
          "int",
          "list",
          "object",
          "range",
          "set",
          "slice",
          "str",
          "tuple");
  private static final Set<String> FUNCTIONS =
      Set.of(
          "_codecs.encode",
          "copyreg._reconstructor",
          "copy_reg._reconstructor",
          "numpy.dtype",
          "numpy.core.numeric._frombuffer",
          "numpy._core.numeric._frombuffer",
          "numpy.core.multiarray._reconstruct",
          "numpy._core.multiarray._reconstruct",
          "numpy.core.multiarray.scalar",
          "numpy._core.multiarray.scalar",
          "collections.defaultdict",
          "collections.deque",
          "datetime.date",
          "datetime.datetime",
          "datetime.time",
          "datetime.timedelta",
          "datetime.timezone",
          "functools.partial");
  private static final Set<String> CLOSED_MODULES =
      Set.of(
          "asyncio",
          "code",
          "codecs",
          "commands",
          "ctypes",
          "importlib",
          "multiprocessing",
          "nt",
          "os",
          "pickle",
          "posix",
          "pty",
          "runpy",
          "shutil",
          "signal",
          "socket",
          "subprocess",
          "sys",
          "tempfile",
          "threading",
          "types",
          "webbrowser");

  private Globals() {}

  /**
   * Python resolves a dotted name attribute by attribute, which reaches anything; such names are
   * refused.
   */
  static Global named(String module, String name) throws MalformedPickle {
    if (name.contains(".")) {
      throw MalformedPickle.refused("it names the attribute " + name + " of module " + module);
    }
    return new Global(module, name);
  }

  static void mayBeCalled(PyValue callable, PyValue args) throws MalformedPickle {
    if (callable instanceof Global global && isClass(global, args)) {
      return;
    }
    if (isZoneInfoUnpickle(callable)) {
      return;
    }
    throw MalformedPickle.refused(
        "it asks to call "
            + (callable instanceof Global global
                ? global.module() + "." + global.name()
                : "a " + callable.getClass().getSimpleName()));
  }

  private static boolean isClass(Global global, PyValue args) {
    String module = global.module();
    String name = global.name();
    if (module.equals("builtins") || module.equals("__builtin__")) {
      return BUILTIN_CLASSES.contains(name)
          || name.endsWith("Error")
          || name.endsWith("Exception")
          || name.endsWith("Warning")
          || name.equals("StopIteration")
          || name.equals("KeyboardInterrupt")
          || name.equals("SystemExit")
          || name.equals("getattr") && isZoneInfoGetattr(args);
    }
    if (FUNCTIONS.contains(module + "." + name)) {
      return true;
    }
    int dot = module.indexOf('.');
    String root = dot < 0 ? module : module.substring(0, dot);
    return !CLOSED_MODULES.contains(root)
        && !name.isEmpty()
        && Character.isUpperCase(name.charAt(name.startsWith("_") && name.length() > 1 ? 1 : 0));
  }

  private static boolean isZoneInfoGetattr(PyValue args) {
    return args instanceof PyValue.Tuple tuple
        && tuple.items().size() == 2
        && tuple.items().get(0).equals(new Global("zoneinfo", "ZoneInfo"))
        && tuple.items().get(1).equals(PyValue.of("_unpickle"));
  }

  private static boolean isZoneInfoUnpickle(PyValue callable) {
    return callable instanceof PyValue.Reduced reduced
        && reduced.callable().equals(new Global("builtins", "getattr"))
        && isZoneInfoGetattr(reduced.args());
  }
}
