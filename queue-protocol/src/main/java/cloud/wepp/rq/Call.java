package cloud.wepp.rq;

import cloud.wepp.rq.pickle.PyValue;
import java.util.List;
import java.util.Map;

/**
 * What a job asks for: a function by its dotted name, and its arguments as data.
 *
 * @param function rq's {@code func_name}, for example {@code wepppy.rq.wepp_rq.run_watershed_rq}
 * @param hasInstance whether the call is a method of a pickled object, which only Python can run
 * @param args positional arguments; rq accepts a list or a tuple
 * @param kwargs keyword arguments in the order of the call
 */
public record Call(
    String function, boolean hasInstance, List<PyValue> args, Map<String, PyValue> kwargs) {}
