"""Fixtures: one set of servers and one worker process for all tests."""

import itertools
import json
import os
import queue as queues
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import rq
from rq import Queue
from rq.command import send_kill_horse_command
from rq.suspension import resume

import harness

# Two minutes more for each mode: in every build with the oldest and the newest rq that are served, else when asked for.
collect_ignore = (
    [] if os.environ.get("INTEROP_KEYSPACE") or rq.VERSION in ("1.16.2", "3.0.0") else ["test_keyspace.py"]
)


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    started = harness.Servers(tmp_path_factory.mktemp("servers"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def worker(servers, tmp_path_factory):
    """Two slots that serve the queues default and other. It must end well, too."""
    started = harness.JavaWorker(
        servers, tmp_path_factory.mktemp("worker"), "java", worker__queues="default,other"
    )
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="session")
def worker_of_both(servers, tmp_path_factory):
    """Two slots that run native functions natively and the rest in Python."""
    started = harness.JavaWorker(
        servers,
        tmp_path_factory.mktemp("both"),
        "both",
        harness.BOTH_DATABASE,
        runs="both",
        worker__queues="default,other",
        timing__result_ttl="1d",
    )
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="session")
def redis(servers):
    """rq's database."""
    return servers.connect(harness.RQ_DATABASE)


@pytest.fixture
def queue(redis, worker, new_run):
    """The queue `default`, which the worker serves. What a failed test leaves is removed, before its run folders."""
    yield Queue("default", connection=redis)
    for name in ("default", "other", "elsewhere"):
        Queue(name, connection=redis).empty()
    for slot in worker.slots():
        if slot.get_state() != "idle":  # the command would reach the next test's job
            send_kill_horse_command(redis, slot.name)
    resume(redis)
    harness.until(redis, "the worker is idle after the test", worker.idle)


@pytest.fixture
def until(redis):
    """Waits for a condition on rq's database."""
    return lambda what, condition, timeout=30: harness.until(redis, what, condition, timeout)


NUMBERS = itertools.count(1)


@pytest.fixture
def new_run(servers):
    """Makes run folders."""
    made = []

    def make():
        made.append(harness.Run(servers, f"run-{next(NUMBERS)}"))
        return made[-1]

    yield make
    for run in made:
        run.close()


@pytest.fixture
def held_run(new_run):
    """A run folder whose model with wepp_bin='held' runs until it is let go."""
    run = new_run()
    run.hold()
    return run


@pytest.fixture
def hooks():
    """Where webhooks go: hooks() makes one of each kind, hooks.next() tells what came."""
    came = queues.Queue()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.put((self.path, self.headers["X-Token"], json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    class Hooks:
        def __call__(self):
            url = f"http://127.0.0.1:{server.server_port}/"
            return [rq.Webhook(url + kind, kind, method="POST", headers={"X-Token": "t"}) for kind in ("finished", "failed")]

        def next(self):
            path, token, told = came.get(timeout=30)
            assert (path, token) == ("/" + told["status"], "t")
            return told

        def silent(self, queue):
            """That nothing came before a later job's."""
            last = queue.enqueue("cloud.wepp.noop", webhooks=self())
            assert self.next()["job_id"] == last.id

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield Hooks()
        server.shutdown()
        thread.join()


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(owner, name): only for an rq that has this")
    config.addinivalue_line("markers", "only(mode): about what the worker does in this INTEROP_MODE alone")
    config.addinivalue_line("markers", "version(rq): once is enough, or this rq alone can do it")


def pytest_collection_modifyitems(config, items):
    """What a version of rq or a mode does not have is no case for it, and so is not skipped either."""

    def is_case(item):
        need, only, version = map(item.get_closest_marker, ("needs", "only", "version"))
        return (
            (need is None or hasattr(*need.args))
            and (only is None or only.args[0] == harness.MODE)
            and (version is None or version.args[0] == rq.VERSION)
        )

    absent = [item for item in items if not is_case(item)]
    if absent:
        config.hook.pytest_deselected(items=absent)
        items[:] = [item for item in items if item not in absent]


def pytest_terminal_summary(terminalreporter):
    """Tells interop/run how many passed, failed and were skipped."""
    file = os.environ.get("INTEROP_COUNTS")
    if file:
        count = {name: len(found) for name, found in terminalreporter.stats.items()}
        failed = count.get("failed", 0) + count.get("error", 0)
        Path(file).write_text(f"{count.get('passed', 0)} {failed} {count.get('skipped', 0)}\n")
