"""`rq-worker info` shows what rq's own objects and `rq info` show, and changes nothing."""

import json
import re
import subprocess
from datetime import timedelta

import pytest
from rq import Queue, Worker
from rq.results import Result
from rq.suspension import suspend

from harness import REGISTRIES, RQ, RQ_DATABASE, WEPP, launcher, python_environment


@pytest.fixture
def info(servers):
    """What `rq-worker info --json` says."""
    return lambda *more: json.loads(
        launcher("info", "--json", "--set", f"redis.url={servers.url(RQ_DATABASE)}", *more)
    )


@pytest.fixture
def some_of_each(queue, redis, held_run):
    """A job in every registry, and one that waits for nobody. Returns the one that runs."""
    running = queue.enqueue(WEPP + "run_hillslope_rq", held_run.id, 1, "held")
    held_run.started()
    finished = queue.enqueue("cloud.wepp.noop")
    failed = queue.enqueue(WEPP + "run_hillslope_rq", "no-such-run", 1)
    assert finished.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert failed.latest_result(timeout=30).type == Result.Type.FAILED
    queue.enqueue("cloud.wepp.noop", depends_on=running)
    queue.enqueue_in(timedelta(hours=1), "os.getpid")
    other = Queue("elsewhere", connection=redis)
    other.enqueue("os.getpid").cancel()
    other.enqueue("os.getpid")
    yield running
    held_run.go()
    assert running.latest_result(timeout=30).type == Result.Type.SUCCESSFUL


def test_counts_are_those_of_rq(some_of_each, redis, servers, info):
    seen = info()

    queues = {found["name"]: found for found in seen["queues"]}
    assert set(queues) == {q.name for q in Queue.all(connection=redis)}
    assert queues["default"]["started"] == 1
    assert min(queues["default"][kind] for kind in REGISTRIES if kind != "canceled") > 0
    assert queues["elsewhere"]["canceled"] > 0
    for name, found in queues.items():
        assert found["waiting"] == Queue(name, connection=redis).count
        for kind, registry in REGISTRIES.items():
            assert found[kind] == registry(name, connection=redis).count, (name, kind)

    said = subprocess.run(
        [RQ, "info", "--raw", "--only-queues", "-u", servers.url(RQ_DATABASE)],
        env=python_environment(), capture_output=True, timeout=60, text=True, check=True,
    ).stdout  # fmt: skip
    counts = re.findall(r"^queue (\S+) (\d+), (\d+) executing, (\d+) finished, (\d+) failed", said, re.M)
    assert len(counts) == len(queues)
    for name, *numbers in counts:
        assert [int(n) for n in numbers] == [queues[name][k] for k in ("waiting", "started", "finished", "failed")]


def test_workers_are_those_of_rq(some_of_each, redis, info):
    seen = info()

    workers = {found["name"]: found for found in seen["workers"]}
    theirs = Worker.all(connection=redis)
    assert set(workers) == {w.name for w in theirs}
    for worker in theirs:
        found = workers[worker.name]
        assert found["state"] == worker.get_state()
        assert found["current_job"] == worker.get_current_job_id()
        assert found["queues"] == worker.queue_names()
        assert (found["hostname"], found["pid"]) == (worker.hostname, worker.pid)
        assert found["successful_jobs"] == worker.successful_job_count
        assert found["failed_jobs"] == worker.failed_job_count
        assert found["working_seconds"] == pytest.approx(worker.total_working_time, abs=0.001)
        assert 0 <= found["heartbeat_seconds"] < 60
    assert [w["current_job"] for w in seen["workers"] if w["state"] == "busy"] == [some_of_each.id]
    assert seen["leases"] == {"held": 1, "overdue": 0}


def test_one_queue_and_its_workers(some_of_each, info):
    assert {q["name"] for q in info("--queue", "elsewhere")["queues"]} == {"elsewhere"}
    assert info("--queue", "elsewhere")["workers"] == []
    assert len(info("--queue", "elsewhere", "--queue", "other")["workers"]) == 2


def test_suspension(queue, redis, info):
    assert info()["suspended"] is False
    suspend(redis, ttl=100)
    seen = info()
    assert seen["suspended"] is True
    assert 0 < seen["suspended_seconds"] <= 100
