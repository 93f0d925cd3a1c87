"""Our worker beside rq's own workers, and its end."""

import subprocess
from collections import Counter

import pytest
from rq import Callback, Queue, Worker
from rq.command import send_shutdown_command
from rq.job import Job
from rq.registry import StartedJobRegistry
from rq.results import Result

from harness import RQ, WEPP, JavaWorker, alive, launcher, python_environment, python_worker, until

OWN_DATABASE = 8


@pytest.fixture
def own(servers):
    """A database where only the test's own worker is."""
    database = servers.connect(OWN_DATABASE)
    database.flushdb()
    yield database
    database.flushdb()


@pytest.mark.only("native")
@pytest.mark.parametrize("function, args", [("os.getpid", ()), ("time.sleep", (0,)), ("not.there", ())])
def test_foreign_function_stays_in_place(queue, servers, function, args):
    foreign = queue.enqueue(function, *args)
    ours = [queue.enqueue("cloud.wepp.noop") for _ in range(5)]
    other = queue.enqueue(function, *args)

    for job in ours:
        assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert queue.job_ids == [foreign.id, other.id]
    assert foreign.get_status() == "queued"

    python_worker(servers.url(9), "default")
    wanted = Result.Type.FAILED if function == "not.there" else Result.Type.SUCCESSFUL
    assert foreign.latest_result().type == wanted
    assert other.latest_result().type == wanted


@pytest.mark.only("native")
def test_callbacks_are_for_python(queue, servers):
    job = queue.enqueue("cloud.wepp.noop", on_success=Callback("cloud.wepp.noop"))
    ours = queue.enqueue("cloud.wepp.noop")

    assert ours.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert queue.job_ids == [job.id]


def test_mixed_fleet_runs_each_job_once(queue, redis, servers, worker):
    ours_before = sum(slot.successful_job_count for slot in worker.slots())
    process = subprocess.Popen(
        [RQ, "worker", "-u", servers.url(9), "--name", "python", "default"],
        env=python_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        key = "rq:worker:python"
        until(redis, "the Python worker waits", lambda: redis.hget(key, "state") == b"idle")
        jobs = [queue.enqueue("cloud.wepp.noop") for _ in range(200)]
        for job in jobs:
            assert job.latest_result(timeout=60).type == Result.Type.SUCCESSFUL

        until(redis, "the Python worker waits again", lambda: redis.hget(key, "state") == b"idle")
        ours = sum(slot.successful_job_count for slot in worker.slots()) - ours_before
        theirs = Worker.find_by_key(key, connection=redis).successful_job_count
        assert ours + theirs == 200
        assert ours > 0 and theirs > 0
        assert {len(job.results()) for job in jobs} == {1}
        ran = Counter(Job.fetch(job.id, connection=redis).worker_name == "python" for job in jobs)
        assert (ran[False], ran[True]) == (ours, theirs)
        assert queue.job_ids == []
        assert StartedJobRegistry(queue=queue).get_job_ids() == []
    finally:
        send_shutdown_command(redis, "python")
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.mark.only("native")
def test_term_as_soon_as_it_is_known(own, servers, tmp_path):
    worker = JavaWorker(servers, tmp_path, "brief", OWN_DATABASE)

    assert worker.stop() == 0

    assert Worker.all(connection=own) == []
    assert own.keys("rq:workers*") == []


@pytest.mark.only("native")
def test_term_gives_the_job_back(own, servers, tmp_path, held_run):
    queue = Queue("default", connection=own)
    worker = JavaWorker(servers, tmp_path, "leaver", OWN_DATABASE, slots=1, timing__drain="0s")
    job = queue.enqueue(WEPP + "run_hillslope_rq", held_run.id, 1, "held")
    pid = held_run.started()
    waiting = queue.enqueue("cloud.wepp.noop")

    assert worker.stop() == 0

    assert Worker.all(connection=own) == []
    assert not alive(pid)
    assert queue.job_ids == [job.id, waiting.id]
    assert job.get_status() == "queued"
    assert StartedJobRegistry(queue=queue).get_job_ids() == []
    assert job.latest_result() is None

    successor = JavaWorker(servers, tmp_path, "successor", OWN_DATABASE, slots=1)
    held_run.started()
    held_run.go()
    assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert waiting.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert successor.stop() == 0


def test_shutdown_command_lets_the_job_end(own, servers, tmp_path, held_run):
    queue = Queue("default", connection=own)
    worker = JavaWorker(servers, tmp_path, "shutdown", OWN_DATABASE, slots=1)
    job = queue.enqueue(WEPP + "run_hillslope_rq", held_run.id, 1, "held")
    held_run.started()

    send_shutdown_command(own, worker.slots()[0].name)
    later = queue.enqueue("cloud.wepp.noop")
    held_run.go()

    assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert worker.process.wait(60) == 0
    assert Worker.all(connection=own) == []
    assert later.get_status() in ("queued", "finished")


def test_enqueue_command(own, servers):
    id = launcher(
        "enqueue", "--set", f"redis.url={servers.url(OWN_DATABASE)}", "--queue", "elsewhere", "--timeout", "77",
        WEPP + "run_hillslope_rq", "a run", "1", "1.5", "None", "wepp_bin=wepp_dcc52a6", "flag=True", "text=" + "x" * 100,
    )  # fmt: skip

    job = Job.fetch(id, connection=own)
    asked = Job.create(
        WEPP + "run_hillslope_rq", ("a run", 1, 1.5, None), {"wepp_bin": "wepp_dcc52a6", "flag": True, "text": "x" * 100}, connection=own
    )
    assert job.func_name == asked.func_name
    assert job.args == asked.args
    assert job.kwargs == asked.kwargs
    assert job.description == asked.description
    assert job.timeout == 77
    assert job.get_status() == "queued"
    assert job.origin == "elsewhere"
    assert Queue("elsewhere", connection=own).job_ids == [id]
    assert [q.name for q in Queue.all(connection=own)] == ["elsewhere"]


def test_enqueued_job_runs_in_python(own, servers):
    id = launcher("enqueue", "--set", f"redis.url={servers.url(OWN_DATABASE)}", "os.path.join", "a", "b")

    python_worker(servers.url(OWN_DATABASE), "default")

    assert Job.fetch(id, connection=own).return_value() == "a/b"
