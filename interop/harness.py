"""The servers, the worker and the run folders that the tests use. Waits on events only."""

import contextlib
import functools
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from redis import Redis
from rq import VERSION, Worker
from rq.registry import (
    CanceledJobRegistry,
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)

HERE = Path(__file__).resolve().parent
LAUNCHER = HERE.parent / "rq-worker"
RQ = Path(sys.executable).with_name("rq")

# What may meet on one queue: the version that WEPPcloud has, the last one before 3, and the newest.
FLEET = ("1.16.2", "2.12.0", "3.0.0")
WEPP = "wepppy.rq.wepp_rq."

# Which functions the shared worker runs natively: all that it can, or, with INTEROP_MODE=python, none.
MODE = os.environ.get("INTEROP_MODE", "native")

# WEPPcloud's choice of databases: rq is in 9, RedisPrep hashes in 0, status channels in 2.
RQ_DATABASE, PREP_DATABASE, STATUS_DATABASE = 9, 0, 2

# Where a worker runs native and Python functions side by side.
BOTH_DATABASE = 5

# rq's registries, by the names that its tools have for them.
REGISTRIES = {
    "started": StartedJobRegistry,
    "finished": FinishedJobRegistry,
    "failed": FailedJobRegistry,
    "deferred": DeferredJobRegistry,
    "scheduled": ScheduledJobRegistry,
    "canceled": CanceledJobRegistry,
}

# A model that says when it runs, and goes on when it is let. A test that dies lets it go.
HELD = """#!/bin/sh
echo $$ > started
read go < gate
exec "$(dirname "$0")/wepp"
"""


class Servers:
    """Redis, Postgres if the worker needs it, the stand-in model and sample runs."""

    def __init__(self, folder):
        with open(folder / "servers.log", "wb") as log:
            self._process = subprocess.Popen(
                [LAUNCHER, "servers", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        ready, _, _ = select.select([self._process.stdout], [], [], 120)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            self.close()
            raise RuntimeError("the servers did not start:\n" + (folder / "servers.log").read_text())
        found = json.loads(line)
        self._url = found["redis_url"]
        self.postgres = found.get("postgres_url")
        self.runs = Path(found["runs"])
        self.bin = Path(found["wepp_bin"])
        held = self.bin / "held"
        held.write_text(HELD)
        held.chmod(0o755)
        self.connect(RQ_DATABASE).config_set("notify-keyspace-events", "KA")
        # What the Python stand-ins of job functions need to know, whoever runs them.
        os.environ.update(INTEROP_REDIS=self._url, INTEROP_RUNS=str(self.runs), INTEROP_BIN=str(self.bin))

    def url(self, database):
        return f"{self._url}/{database}"

    def connect(self, database):
        return Redis.from_url(self.url(database), socket_timeout=None)

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def until(connection, what, condition, timeout=30):
    """Asks again after each change in the connection's database; returns the first true answer."""
    database = connection.connection_pool.connection_kwargs["db"]
    deadline = time.monotonic() + timeout
    with connection.pubsub() as changes:
        changes.psubscribe(f"__keyspace@{database}__:*")
        while True:
            # The first message says that the subscription holds: no change after it is missed.
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"{what}: not within {timeout} s")
            changes.get_message(timeout=left)
            while changes.get_message(timeout=0):
                pass
            answer = condition()
            if answer:
                return answer


def rest(connection):
    """Waits until what is due after a job's result is done, too.

    A native job's result and all the rest come at once. rq writes the result first, as its own workers do.
    """
    if MODE == "python":
        until(connection, "the workers are idle", lambda: all(w.get_state() == "idle" for w in Worker.all(connection)))


def set_all(settings):
    return itertools.chain.from_iterable(("--set", f"{key}={value}") for key, value in settings.items())


def functions(which):
    """The settings of a worker that runs these functions: `native`, `python` (its own ones in Python, too) or `both`."""
    if which == "native":
        return {"python.enabled": "false", "routing.native-queues": "default,other"}
    return {
        "python.command": sys.executable,
        "python.directory": HERE,
        "python.worker-class": "wepppy.rq.WepppyRqWorker",
        "routing.to-python": "*" if which == "python" else "",
    }


class JavaWorker:
    """One `rq-worker run` process."""

    def __init__(self, servers, folder, name, database=RQ_DATABASE, slots=2, runs=MODE, **settings):
        self.name = name
        self.redis = servers.connect(database)
        given = {
            "redis.url": servers.url(database),
            "worker.name": name,
            "worker.slots": slots,
            "wepp.bin-dir": servers.bin,
            "wepp.runs": servers.runs,
            "wepp.input-wait": "1s",
            "timing.heartbeat": "1s",
            "timing.grace": "1s",
            **functions(runs),
        }
        if servers.postgres:
            given["postgres.url"] = servers.postgres
        given.update({key.replace("__", ".").replace("_", "-"): value for key, value in settings.items()})
        self.log = folder / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [LAUNCHER, "run", *set_all(given)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            until(self.redis, f"worker {name} registers", lambda: len(self.slots()) == slots, 60)
        except AssertionError as e:
            self.stop()
            raise RuntimeError(f"{e}\n{self.log.read_text()}") from e

    def slots(self):
        """Its slots as rq sees them."""
        return [w for w in Worker.all(connection=self.redis) if w.name.startswith(self.name + "-")]

    def idle(self):
        """Whether nothing of a job is left, or to be done."""
        return all(w.get_state() == "idle" for w in self.slots())

    def stop(self):
        """SIGTERM. Returns the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class Run:
    """A run folder of a test's own."""

    def __init__(self, servers, name):
        self.id = name
        self.folder = servers.runs / name[:2] / name
        shutil.copytree(servers.runs / "sa" / "sample", self.folder)
        self.inputs = self.folder / "wepp" / "runs"
        self._fifos = {}
        self._told = []

    def spoil(self, hillslope=1):
        """Takes away the end of a .run file: the model asks and gets no answer."""
        file = self.inputs / f"p{hillslope}.run"
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(lines[: len(lines) // 2]))
        return lines

    def repair(self, lines, hillslope=1):
        (self.inputs / f"p{hillslope}.run").write_text("".join(lines))

    def hold(self):
        """From now on `wepp_bin='held'` waits for go()."""
        for name in ("started", "gate"):
            os.mkfifo(self.inputs / name)
            self._fifos[name] = os.open(self.inputs / name, os.O_RDWR)

    def told(self):
        """The process ids that the next held one tells."""
        if not self._told:
            ready, _, _ = select.select([self._fifos["started"]], [], [], 30)
            assert ready, "nothing was started within 30 s"
            self._told = os.read(self._fifos["started"], 4096).decode().splitlines()
        return [int(pid) for pid in self._told.pop(0).split()]

    def started(self):
        """The process id of the next held model that runs."""
        (pid,) = self.told()
        return pid

    @staticmethod
    def next_told(runs):
        """That of these runs in which the next held one is started."""
        by_fifo = {run._fifos["started"]: run for run in runs}
        ready, _, _ = select.select(list(by_fifo), [], [], 60)
        assert ready, "nothing was started within 60 s"
        return by_fifo[ready[0]]

    def others(self):
        """The process ids that further held ones have told."""
        ready, _, _ = select.select([self._fifos["started"]], [], [], 0)
        if ready:
            self._told += os.read(self._fifos["started"], 4096).decode().splitlines()
        return [int(pid) for line in self._told for pid in line.split()]

    def go(self):
        os.write(self._fifos["gate"], b"go\n")

    def close(self):
        for fifo in self._fifos.values():
            os.close(fifo)


def stat(pid):
    """The fields of /proc/<pid>/stat after the process's name; empty when there is none."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return []


def alive(pid):
    """Whether the process runs. One that has ended, and waits for its parent to notice, does not."""
    return stat(pid)[:1] not in ([], ["Z"], ["X"])


def parent(pid):
    return int(stat(pid)[1])


def family(pid):
    """The process and all that descend from it."""
    parents = {entry.name: stat(entry.name)[1:2] for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    found = [str(pid)]
    for one in found:
        found += [child for child, of in parents.items() if of == [one]]
    return [int(pid) for pid in found]


@functools.cache
def python_of(version):
    """The interpreter that has this rq; interop/run makes it if it is not there."""
    if version == VERSION:
        return Path(sys.executable)
    made = subprocess.run([HERE / "run", "--python", version], capture_output=True, text=True, timeout=240)
    if made.returncode == 77:
        pytest.skip(made.stderr)
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.strip())


def client(version, url, function, *arguments):
    """What a function of client.py returns with this rq."""
    done = subprocess.run(
        [python_of(version), HERE / "client.py", url, function, json.dumps(arguments)],
        env=python_environment(), capture_output=True, timeout=60, text=True,
    )  # fmt: skip
    assert done.returncode == 0, f"rq {version}: {done.stderr}"
    return json.loads(done.stdout)


def python_worker(url, *queues):
    """rq's own worker of this version runs what it finds, and ends."""
    done = subprocess.run(
        [RQ, "worker", "--burst", "-u", url, *queues], env=python_environment(), capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()


def python_environment():
    return {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}


def launcher(*arguments):
    """What one command of rq-worker prints."""
    done = subprocess.run([LAUNCHER, *arguments], capture_output=True, timeout=60, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class PythonProcess:
    """A `process` of rq's, until it is shut down or killed with all that it has started."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            command, env=python_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def kill(self):
        """kill -9, also of its horse, which is a group of its own, and of its scheduler."""
        with contextlib.ExitStack() as watched:
            ends = []
            for pid in family(self.process.pid) if self.process.poll() is None else []:
                with contextlib.suppress(ProcessLookupError):
                    ends.append(os.pidfd_open(pid))
                    watched.callback(os.close, ends[-1])
            for end in ends:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(end, signal.SIGKILL)
            for end in ends:
                assert select.select([end], [], [], 30)[0], "a process has not ended 30 s after SIGKILL"
        self.process.wait()


class PythonWorker(PythonProcess):
    """rq's own worker, of this version if no other is named."""

    def __init__(self, redis, url, name, *options, version=VERSION):
        self.name = name
        self.key = f"rq:worker:{name}"
        super().__init__(python_of(version).with_name("rq"), "worker", "-u", url, "--name", name, *options)
        try:
            until(redis, f"the Python worker {name} waits", lambda: redis.hget(self.key, "state") == b"idle")
        except AssertionError:
            self.kill()
            raise


class PythonPool(PythonProcess):
    """rq's own worker-pool of one worker, as WEPPcloud starts it."""

    def __init__(self, redis, url, queue):
        before = {worker.name for worker in Worker.all(connection=redis)}
        super().__init__(
            RQ, "worker-pool", "-u", url, "-n", "1", "--worker-class", "wepppy.rq.WepppyRqWorker", queue
        )
        try:
            (self.worker,) = until(
                redis,
                "the worker of the pool is known",
                lambda: {worker.name for worker in Worker.all(connection=redis)} - before,
            )
        except AssertionError:
            self.kill()
            raise


class PythonScheduler(PythonProcess):
    """rq's own scheduler without a worker. It has the locks of its queues."""

    def __init__(self, redis, url, *queues, version=VERSION):
        super().__init__(python_of(version), HERE / "client.py", url, "schedule", json.dumps(queues))
        try:
            until(redis, "the Python scheduler has its locks", lambda: redis.exists(*(f"rq:scheduler-lock:{q}" for q in queues)))
        except AssertionError:
            self.kill()
            raise
