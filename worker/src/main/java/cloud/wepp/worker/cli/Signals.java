package cloud.wepp.worker.cli;

import java.lang.reflect.Proxy;
import java.util.List;

/**
 * What TERM and INT do, in place of the JVM's own handling, which hears only the first of them. The
 * class that can do this is in every JDK but has no supported name, hence the reflection.
 */
final class Signals {
  private Signals() {}

  /** From now on {@code work} is done at each of these signals, on a thread of its own. */
  static void handle(List<String> names, Runnable work) {
    try {
      Class<?> signal = Class.forName("sun.misc.Signal");
      Class<?> handler = Class.forName("sun.misc.SignalHandler");
      Object ours =
          Proxy.newProxyInstance(
              Signals.class.getClassLoader(),
              new Class<?>[] {handler},
              (proxy, method, arguments) -> {
                if (!method.getName().equals("handle")) {
                  return method.invoke(work, arguments);
                }
                work.run();
                return null;
              });
      for (String name : names) {
        signal
            .getMethod("handle", signal, handler)
            .invoke(null, signal.getConstructor(String.class).newInstance(name), ours);
      }
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("this JVM does not let signals be handled", e);
    }
  }
}
