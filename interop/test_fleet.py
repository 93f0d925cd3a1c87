"""Our worker beside rq's own workers, of its version and of several at once, and its end."""

import contextlib
import time
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace

import pytest
import rq
from rq import Callback, Queue, Retry, Worker
from rq.command import send_shutdown_command
from rq.job import Job
from rq.registry import ScheduledJobRegistry, StartedJobRegistry
from rq.results import Result
from rq.suspension import resume, suspend

from harness import (
    FLEET,
    MODE,
    WEPP,
    JavaWorker,
    PythonScheduler,
    PythonWorker,
    alive,
    client,
    launcher,
    python_worker,
    until,
)

OWN_DATABASE, MIXED_DATABASE = 8, 10


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


# Several versions of rq at once


@pytest.fixture(scope="module")
def fleet(servers, tmp_path_factory):
    """A worker of each rq and one of ours, one slot each, which serve `default` and a queue of its own; and rq's scheduler."""
    database, url = servers.connect(MIXED_DATABASE), servers.url(MIXED_DATABASE)
    with contextlib.ExitStack() as started:
        scheduler = started.enter_context(PythonScheduler(database, url, "default"))
        for version in FLEET:
            started.enter_context(PythonWorker(database, url, version, "default", f"rq-{version}", version=version))
        ours = JavaWorker(
            servers,
            tmp_path_factory.mktemp("fleet"),
            "ours",
            MIXED_DATABASE,
            slots=1,
            worker__queues="default,ours",
            **({"routing__native_queues": "default,ours"} if MODE == "native" else {}),
        )
        (slot,) = ours.slots()
        yield SimpleNamespace(
            redis=database, url=url, scheduler=scheduler, ours=slot.name, queues={slot.name: "ours", **{v: f"rq-{v}" for v in FLEET}}
        )
        assert ours.stop() == 0


@pytest.fixture
def mixed(fleet):
    """The queue `default` of the fleet; all its workers are idle before and after the test."""
    yield Queue("default", connection=fleet.redis)
    resume(fleet.redis)
    for name in ("default", *fleet.queues.values()):
        Queue(name, connection=fleet.redis).empty()
    all_idle(fleet)


def all_idle(fleet):
    def idle():
        found = Worker.all(connection=fleet.redis)
        return len(found) == len(fleet.queues) and all(w.get_state() == "idle" for w in found)

    until(fleet.redis, "all workers of the fleet are idle", idle)


def done(fleet):
    """How many jobs each worker has ended well."""
    return {w.name: w.successful_job_count for w in Worker.all(connection=fleet.redis)}


def hold(queue, run, **options):
    """A job that runs until it is let go, and the name of the worker that has it."""
    job = queue.enqueue(WEPP + "run_hillslope_rq", run.id, 1, "held", **options)
    run.started()
    return job, Job.fetch(job.id, connection=queue.connection).worker_name


@pytest.fixture
def held_runs(new_run):
    def make(number):
        runs = [new_run() for _ in range(number)]
        for run in runs:
            run.hold()
        return runs

    return make


def test_each_job_is_done_once(fleet, mixed, held_runs):
    before = done(fleet)
    runs = held_runs(len(fleet.queues))
    held = [hold(mixed, run) for run in runs]
    assert {worker for _, worker in held} == fleet.queues.keys()
    ours = next(job.id for job, worker in held if worker == fleet.ours)

    ids = []
    for version in FLEET:
        ids += client(version, fleet.url, "enqueue", "default", 40, "cloud.wepp.noop")
        ids += client(version, fleet.url, "enqueue", "default", 10, "jobs.count", f"ran by {version}")
        seen = client(version, fleet.url, "workers")
        assert seen.keys() == fleet.queues.keys()
        assert seen[fleet.ours] == {"state": "busy", "queues": ["default", "ours"], "job": ours}
        assert client(version, fleet.url, "read", ours)[ours]["place"] == ["StartedJobRegistry"]
    for run in runs:
        run.go()

    jobs = [job for job, _ in held] + [Job.fetch(id, connection=fleet.redis) for id in ids]
    for job in jobs:
        assert job.latest_result(timeout=60).type == Result.Type.SUCCESSFUL
    all_idle(fleet)
    assert [int(fleet.redis.get(f"ran by {version}")) for version in FLEET] == [10] * len(FLEET)
    assert {len(job.results()) for job in jobs} == {1}
    gains = {name: number - before[name] for name, number in done(fleet).items()}
    assert sum(gains.values()) == len(jobs)
    names = [Job.fetch(job.id, connection=fleet.redis).worker_name for job in jobs]
    assert {name: names.count(name) for name in gains} == gains
    assert mixed.job_ids == []
    assert StartedJobRegistry(queue=mixed).get_job_ids() == []
    assert fleet.redis.keys("rq:execution*") == []


def test_each_version_reads_what_the_others_write(fleet, mixed, new_run):
    jobs = {}
    for worker, name in fleet.queues.items():
        queue = Queue(name, connection=fleet.redis)
        jobs[queue.enqueue(WEPP + "run_hillslope_rq", new_run().id, 1, "wepp").id] = (worker, "finished", "(True, ")
        jobs[queue.enqueue("cloud.wepp.noop", "ä", None, [1.5]).id] = (worker, "finished", "None")
        jobs[queue.enqueue(WEPP + "run_hillslope_rq", "unknown", 1).id] = (worker, "failed", "None")
    for id in jobs:
        assert Job.fetch(id, connection=fleet.redis).latest_result(timeout=30)
    all_idle(fleet)

    seen = [client(version, fleet.url, "read", *jobs) for version in (rq.VERSION, *FLEET)]

    assert all(other == seen[0] for other in seen)
    for id, (worker, status, value) in jobs.items():
        job = seen[0][id]
        assert (job["worker"], job["status"]) == (worker, status)
        assert job["value"].startswith(value)
        assert job["results"] == [job["latest"]]
        assert job["place"] == [{"finished": "FinishedJobRegistry", "failed": "FailedJobRegistry"}[status]]
        assert all(job["times"]) and job["times"] == sorted(job["times"])


def test_parents_and_children_of_each(fleet, mixed):
    """Ours releases a child for each rq, they all together release one of ours, and so on."""
    theirs = [Queue(f"rq-{version}", connection=fleet.redis) for version in FLEET]
    ours = Queue("ours", connection=fleet.redis)
    rounds = []
    for _ in range(8):
        first = ours.enqueue("cloud.wepp.noop")
        between = [queue.enqueue("cloud.wepp.noop", depends_on=first) for queue in theirs]
        joined = ours.enqueue("cloud.wepp.noop", depends_on=between)
        anywhere = mixed.enqueue("cloud.wepp.noop", depends_on=[joined, between[0]])
        last = [queue.enqueue("cloud.wepp.noop", depends_on=[anywhere, joined]) for queue in theirs]
        rounds.append([[first], between, [joined], [anywhere], last])

    for steps in rounds:
        for job in steps[-1]:
            assert job.latest_result(timeout=60).type == Result.Type.SUCCESSFUL
    all_idle(fleet)
    for steps in rounds:
        steps = [[Job.fetch(job.id, connection=fleet.redis) for job in step] for step in steps]
        assert [job.worker_name for job in steps[0] + steps[2]] == [fleet.ours] * 2
        assert [job.worker_name for job in steps[1]] == [job.worker_name for job in steps[4]] == list(FLEET)
        for before, after in zip(steps, steps[1:]):
            assert max(job.ended_at for job in before) <= min(job.started_at for job in after)
        assert {len(job.results()) for step in steps for job in step} == {1}
    assert fleet.redis.keys("rq:deferred:*") == []


@pytest.mark.parametrize("suspended", [True, False])
def test_idle_fleet_is_quiet(fleet, mixed, suspended):
    all_idle(fleet)
    if suspended:
        suspend(fleet.redis)
        for version in FLEET:  # rq's worker looks when it has done a job that it waited for
            Queue(f"rq-{version}", connection=fleet.redis).enqueue("cloud.wepp.noop")
            until(fleet.redis, "rq's worker is suspended", lambda v=version: fleet.redis.hget(f"rq:worker:{v}", "state") == b"suspended")
        jobs = [mixed.enqueue("cloud.wepp.noop") for _ in range(3)]
    counted = Counter()
    with fleet.redis.monitor() as monitor:
        end = time.monotonic() + 5
        while time.monotonic() < end:  # some scheduler says something every second
            told = monitor.next_command()
            counted[told["command"].split()[0]] += told["db"] == MIXED_DATABASE

    assert 0 < counted.total() <= 5 * 20 * len(fleet.queues), counted
    if suspended:
        assert mixed.job_ids == [job.id for job in jobs]
        resume(fleet.redis)
        for job in jobs:
            assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL


def test_maintenance_of_each_leaves_our_jobs_alone(fleet, held_runs):
    queue = Queue("ours", connection=fleet.redis)
    runs = held_runs(2)
    running, worker = hold(queue, runs[0])
    assert worker == fleet.ours
    waiting = queue.enqueue(WEPP + "run_hillslope_rq", runs[1].id, 1, "held")
    child = queue.enqueue("cloud.wepp.noop", depends_on=running)
    later = queue.enqueue_in(timedelta(hours=1), "cloud.wepp.noop")

    def beat():
        return fleet.redis.hget(running.key, "last_heartbeat")

    for version in {rq.VERSION, *FLEET}:
        before = beat()
        client(version, fleet.url, "clean", "ours", "default")
        until(fleet.redis, "our worker beats", lambda before=before: beat() > before)
        jobs = client(version, fleet.url, "read", running.id, waiting.id, child.id, later.id)
        assert [job["status"] for job in jobs.values()] == ["started", "queued", "deferred", "scheduled"]
        assert [job["place"] for job in jobs.values()] == [["StartedJobRegistry"], ["Queue"], [], []]
        assert client(version, fleet.url, "workers")[fleet.ours]["job"] == running.id
    for run in runs:
        run.go()

    for job in (running, waiting, child):
        assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
        assert len(job.results()) == 1
    assert later.id in ScheduledJobRegistry(queue=queue)
    later.delete()
    all_idle(fleet)


def test_retried_by_another(fleet, mixed, held_runs):
    """A job fails on ours, on one of rq's, on ours again, and so on. First rq's scheduler moves it, then, when that has left, ours."""
    lock = "rq:scheduler-lock:default"
    route = [fleet.ours]
    for version in FLEET:
        route += [version, fleet.ours]
    run, *others = held_runs(len(fleet.queues))
    lines = run.spoil()
    moved = held_runs(len(route))
    job, first = hold(mixed, run, retry=Retry(max=20, interval=1))
    busy = {worker: other for other in others for _, worker in [hold(mixed, other)]}
    assert {first, *busy} == fleet.queues.keys()
    if first == fleet.ours:
        route = route[1:]
    theirs = fleet.redis.get(lock)
    assert theirs

    for n, worker in enumerate(route):
        if n == len(route) // 2:
            assert fleet.redis.get(lock) == theirs
            fleet.scheduler.__exit__()
            until(fleet.redis, "our scheduler has the lock", lambda: fleet.redis.get(lock) not in (None, theirs))
        # Where it fails there is other work, and the next one is free when it is due.
        now = Job.fetch(job.id, connection=fleet.redis).worker_name
        mixed.enqueue(WEPP + "run_hillslope_rq", moved[n].id, 1, "held")
        run.go()
        moved[n].started()
        busy[now] = moved[n]
        if n == len(route) - 1:
            run.repair(lines)
        busy.pop(worker).go()
        run.started()
        assert Job.fetch(job.id, connection=fleet.redis).worker_name == worker
    run.go()
    for other in busy.values():
        other.go()

    result = job.latest_result(timeout=30)
    assert result.type == Result.Type.SUCCESSFUL, result.exc_string
    all_idle(fleet)
    read = Job.fetch(job.id, connection=fleet.redis)
    assert (read.worker_name, read.get_status(), read.retries_left) == (route[-1], "finished", 20 - len(route))
    assert [r.type for r in job.results()] == [Result.Type.SUCCESSFUL]
    assert job.id not in ScheduledJobRegistry(queue=mixed)
    assert StartedJobRegistry(queue=mixed).get_job_ids() == []
