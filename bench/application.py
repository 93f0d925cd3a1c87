"""What a Python application's rq workers import: a worker class, its functions, and the weight behind them."""

import os
import sys
import time
import types

from rq import Worker

WEIGHT = 100 << 20

# One module of the many that numpy, pandas, GDAL, SQLAlchemy, a web framework and the application itself bring along.
# What imports leave in memory is small objects, most of them tracked by the garbage collector: the dicts of modules
# and classes, functions with their code, defaults and annotations, types, strings, tuples, tables of constants.
MODULE = '''
"""Module {n}: readers and writers of one kind of table."""

LIMITS = {{"length": (0.0, {n}.5), "width": (0.0, 1.5), "slope": (-1.0, {n}.25)}}
NAMES = ["name_{n}_%d" % i for i in range(40)]
COLUMNS = [{{"name": name, "unit": "m", "range": (i, i + {n}), "tags": [name, i]}} for i, name in enumerate(NAMES)]


class Table{n}:
    """The rows of table {n}."""

    kind = "table-{n}"
    columns: list = COLUMNS
    limits: dict = LIMITS

{methods}


class Wide{n}(Table{n}):
    kind = "wide-{n}"

{methods}
'''

METHOD = '''
    def read_{m}(self, path: str, first: int = {m}, *, unit: str = "m", limits: tuple = ({n}.5, {m}.5)) -> list:
        """Reads column {m} of table {n} from a file."""
        rows = [line.split() for line in open(path)]
        return [(row[{m}], first, unit) for row in rows if limits[0] < float(row[{m}]) < limits[1]]
'''


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def import_much():
    end, n = resident() + WEIGHT, 0
    while resident() < end:
        name = f"application_weight.table_{n}"
        module = types.ModuleType(name)
        methods = "".join(METHOD.format(n=n, m=m) for m in range(12))
        exec(compile(MODULE.format(n=n, methods=methods), name, "exec"), module.__dict__)
        sys.modules[name] = module
        n += 1


import_much()


class ApplicationWorker(Worker):
    pass


def noop():
    pass


def hold(folder):
    """Runs until there is a file `go` in the folder, to which it adds one that says so."""
    with open(os.path.join(folder, f"running-{os.getpid()}"), "w"):
        pass
    while not os.path.exists(os.path.join(folder, "go")):
        time.sleep(0.05)
