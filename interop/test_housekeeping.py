"""What dead Python workers leave is put in order by our worker, as rq's own maintenance would."""

import contextlib
import time

import pytest
import rq
from rq import Queue, Retry, Worker
from rq.command import send_stop_job_command
from rq.job import Dependency, Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.results import Result

from harness import FLEET, WEPP, JavaWorker, PythonWorker, alive, until

pytestmark = pytest.mark.only("native")  # here the Python functions must be left to Python workers

OWN_DATABASE = 6
NOOP = "cloud.wepp.noop"
WIP = "rq:wip:default"
ABANDONED = "Moved to FailedJobRegistry, due to AbandonedJobError, at "


@pytest.fixture(scope="module")
def ours(servers, tmp_path_factory):
    """Our worker, which keeps house often, in a database of this module's own."""
    started = JavaWorker(
        servers,
        tmp_path_factory.mktemp("housekeeping"),
        "ours",
        OWN_DATABASE,
        timing__maintenance="300ms",
        timing__patience="100ms",
    )
    yield started
    assert started.stop() == 0


@pytest.fixture
def own(servers, ours):
    database = servers.connect(OWN_DATABASE)
    yield database
    Queue("default", connection=database).empty()
    until(database, "our worker is idle after the test", ours.idle)


@contextlib.contextmanager
def rest(own):
    """Our worker does not clean meanwhile: another has the lock."""
    own.set("rq:clean_registries:default", 1)
    try:
        yield
    finally:
        own.delete("rq:clean_registries:default")


@pytest.fixture
def default(own):
    return Queue("default", connection=own)


@pytest.fixture
def die(own, servers, default):
    """Has a Python worker die in the middle of a job, and the time go by in which it might have been heard of."""

    def abandon(version=rq.VERSION, **options):
        with PythonWorker(own, servers.url(OWN_DATABASE), "python", "default", version=version) as python:
            job = default.enqueue("time.sleep", 1000, **options)
            until(own, "the Python worker runs the job", lambda: job.get_status() == "started")
            python.kill()
        (entry,) = own.zrange(WIP, 0, -1)
        assert entry.decode().split(":")[0] == job.id
        own.delete("rq:worker:python")
        own.zadd(WIP, {entry: time.time() - 1})
        return job

    return abandon


@pytest.mark.parametrize("version", sorted({rq.VERSION, *FLEET}))
def test_abandoned_job_fails(own, default, die, version):
    failures = FailedJobRegistry(queue=default)
    job = die(version, failure_ttl=100)

    until(own, "the job fails", lambda: job.get_status() == "failed")

    result = job.latest_result()
    assert result.type == Result.Type.FAILED
    assert result.exc_string.startswith(ABANDONED)
    read = Job.fetch(job.id, connection=own)
    assert read.exc_info == result.exc_string
    assert job.id in failures
    assert own.zcard(WIP) == 0
    assert 90 <= own.ttl(job.key) <= 100
    assert default.job_ids == []
    if hasattr(job, "get_executions"):
        assert job.get_executions() == []
    job.requeue()
    assert default.job_ids == [job.id]


def test_abandoned_as_rq_says_it(own, default, die):
    """The same job, put in order by rq itself, is the measure."""
    with rest(own):
        theirs = die()
        StartedJobRegistry(queue=default).cleanup()
    ours = die()
    until(own, "our job fails", lambda: ours.get_status() == "failed")

    def shown(job):
        read = own.hgetall(job.key)
        different = {b"created_at", b"enqueued_at", b"started_at", b"last_heartbeat", b"exc_info"}
        result = job.latest_result()
        return (
            {key: value for key, value in read.items() if key not in different},
            result and (result.type, result.return_value, getattr(result, "worker_name", None), result.exc_string[: len(ABANDONED)]),
            abs(own.ttl(job.key) - 31_536_000) < 60,
            abs(own.zscore("rq:failed:default", job.id) - time.time() - 31_536_000) < 60,
        )

    expected = shown(theirs)
    if expected[1] is None or not expected[2]:  # 1.x writes no result here, and 2.x keeps the job for ever
        expected = (expected[0], expected[1] or shown(ours)[1], True, expected[3])
    assert shown(ours) == expected


def test_abandoned_job_is_tried_again(own, default, die):
    job = die(retry=Retry(max=2))

    until(own, "the job is queued again", lambda: default.job_ids == [job.id])

    assert job.get_status() == "queued"
    assert Job.fetch(job.id, connection=own).retries_left == 1
    assert own.zcard(WIP) == 0
    assert job.latest_result() is None


def test_abandoned_job_is_tried_again_later(own, default, die):
    job = die(retry=Retry(max=1, interval=60))

    until(own, "the job is scheduled", lambda: job.get_status() == "scheduled")

    due = ScheduledJobRegistry(queue=default).get_scheduled_time(job)
    assert 30 < due.timestamp() - time.time() <= 61
    assert default.job_ids == []
    own.zadd("rq:scheduled:default", {job.id: 0})
    until(own, "the job is queued", lambda: default.job_ids == [job.id])


@pytest.mark.parametrize("version", FLEET)
def test_abandoned_job_runs_here(own, servers, ours, default, new_run, version):
    """The model that its worker has started goes with it; ours starts it again."""
    runs = [new_run() for _ in range(3)]
    for run in runs:
        run.hold()
    for run in runs[:2]:  # so that no slot of ours is free
        default.enqueue(WEPP + "run_hillslope_rq", run.id, 1, "held")
        run.started()
    with PythonWorker(own, servers.url(OWN_DATABASE), "python", "default", version=version) as python:
        job = default.enqueue(WEPP + "run_hillslope_rq", runs[2].id, 1, "held", retry=Retry(max=1))
        pid = runs[2].started()
        assert Job.fetch(job.id, connection=own).worker_name == "python"
        python.kill()
    assert not alive(pid)
    theirs = [entry for entry in own.zrange(WIP, 0, -1) if entry.decode().split(":")[0] == job.id]
    own.delete("rq:worker:python")
    own.zadd(WIP, {entry: time.time() - 1 for entry in theirs})

    until(own, "the job is queued again", lambda: default.job_ids == [job.id])
    runs[0].go()
    runs[2].started()

    assert Job.fetch(job.id, connection=own).worker_name in {slot.name for slot in ours.slots()}
    for run in runs[1:]:
        run.go()
    assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert len(job.results()) == 1
    until(own, "our worker is idle", ours.idle)
    assert own.zcard(WIP) == 0


def test_dependents_of_an_abandoned_job(own, default, die):
    with rest(own):
        job = die()
        strict = default.enqueue(NOOP, depends_on=job)
        lenient = default.enqueue(NOOP, depends_on=Dependency(jobs=[job], allow_failure=True))
        assert (strict.get_status(), lenient.get_status()) == ("deferred", "deferred")

    assert lenient.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert job.get_status() == "failed"
    assert strict.get_status() == "deferred"


def test_living_worker_is_left_alone(own, servers, default):
    with PythonWorker(own, servers.url(OWN_DATABASE), "python", "default"):
        job = default.enqueue("time.sleep", 2)
        assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
        assert len(job.results()) == 1
    assert job.get_status() == "finished"


def test_stuck_id_comes_back(own, default):
    job = Job.create(NOOP, connection=own, origin="default", status="queued", timeout=60)
    job.save()

    own.rpush("rq:queue:default:intermediate", job.id)

    assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert own.llen("rq:queue:default:intermediate") == 0
    assert default.job_ids == []
    assert len(job.results()) == 1


def test_stuck_id_of_a_job_that_is_gone(own, default):
    own.rpush("rq:queue:default:intermediate", "gone")

    until(own, "the id goes", lambda: own.llen("rq:queue:default:intermediate") == 0)

    assert own.keys("rq:job:gone*") == []
    assert default.job_ids == []


def test_dead_workers_vanish(own, servers, ours):
    with PythonWorker(own, servers.url(OWN_DATABASE), "dead", "default", "elsewhere") as python:
        assert {w.name for w in Worker.all(connection=own)} == {"dead", *(slot.name for slot in ours.slots())}
        python.kill()
    own.delete("rq:worker:dead")

    until(own, "rq:workers is clean", lambda: not own.sismember("rq:workers", "rq:worker:dead"))
    until(own, "rq:workers:default is clean", lambda: not own.sismember("rq:workers:default", "rq:worker:dead"))

    assert {w.name for w in Worker.all(connection=own)} == {slot.name for slot in ours.slots()}


def test_expired_entries_go(own, default):
    own.zadd("rq:finished:default", {"old": time.time() - 1})
    own.zadd("rq:failed:default", {"old": time.time() - 1, "kept": -1})
    own.zadd("rq:deferred:default", {"waits": time.time() - 1})

    until(own, "the entries go", lambda: own.zscore("rq:finished:default", "old") is None)
    until(own, "the entries go", lambda: own.zscore("rq:failed:default", "old") is None)

    assert own.zscore("rq:failed:default", "kept") == -1
    own.zrem("rq:failed:default", "kept")
    assert own.zrem("rq:deferred:default", "waits") == 1
    assert "old" not in FinishedJobRegistry(queue=default).get_job_ids(0, -1)


@pytest.mark.needs(rq, "Webhook")
def test_webhook_of_an_abandoned_job(own, default, die, hooks):
    again = die(webhooks=hooks(), retry=Retry(max=1))
    until(own, "the job is queued again", lambda: default.job_ids == [again.id])
    again.cancel()
    for ttl in (100, 0):
        job = die(webhooks=hooks(), failure_ttl=ttl)
        told = hooks.next()
        assert (told["job_id"], told["func_name"], told["status"]) == (job.id, "time.sleep", "failed")
        assert told["exc_info"].startswith(ABANDONED)
    hooks.silent(default)


@pytest.mark.needs(rq, "RateLimit")
class TestLimit:
    """rq 3.0's concurrency limit, with no worker that knows it but ours."""

    def held(self, queue, run, key):
        """A job that runs, and one that waits for its place."""
        limit = rq.RateLimit(key, 1)
        first = queue.enqueue(WEPP + "run_hillslope_rq", run.id, 1, "held", rate_limit=limit)
        pid = run.started()
        second = queue.enqueue(NOOP, rate_limit=limit)
        assert second.get_status() == "rate_limited"
        assert pid
        return first, second

    def freed(self, own, key):
        until(own, f"limit {key} is gone", lambda: own.keys(f"rq:rl:{key}*") == [])
        assert not own.sismember("rq:rl-keys", key)

    def test_one_after_the_other(self, own, default, held_run):
        first, second = self.held(default, held_run, "finish")
        held_run.go()
        assert second.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
        assert first.get_status() == "finished"
        read = [Job.fetch(job.id, connection=own) for job in (first, second)]
        assert read[1].started_at >= read[0].ended_at
        self.freed(own, "finish")

    def test_failure_gives_the_place_away(self, own, default, held_run):
        held_run.spoil()
        first, second = self.held(default, held_run, "fail")
        held_run.go()
        assert second.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
        assert first.get_status() == "failed"
        self.freed(own, "fail")

    def test_stop_gives_the_place_away(self, own, default, held_run):
        first, second = self.held(default, held_run, "stop")
        send_stop_job_command(own, first.id)
        assert second.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
        assert first.get_status() == "stopped"
        self.freed(own, "stop")

    @pytest.mark.parametrize("end", ["cancel", "delete"])
    def test_cancel_and_delete_give_the_place_away(self, own, default, held_run, end):
        first, second = self.held(default, held_run, end)
        getattr(first, end)()
        assert second.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
        self.freed(own, end)

    def test_many(self, own, default):
        limit = rq.RateLimit("many", 2)
        jobs = [default.enqueue(NOOP, rate_limit=limit) for _ in range(40)]
        for job in jobs:
            assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
        self.freed(own, "many")

    def test_dead_worker_gives_the_place_away(self, own, default, die):
        limit = rq.RateLimit("dead", 1)
        with rest(own):
            first = die(rate_limit=limit)
            second = default.enqueue(NOOP, rate_limit=limit)
            assert second.get_status() == "rate_limited"
        assert second.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
        assert first.get_status() == "failed"
        self.freed(own, "dead")

    def test_places_of_jobs_that_do_not_run(self, own, default):
        """What a worker that died left behind, or a tool."""
        limit, kept = "rq:rl:stale", {}
        for status in ("finished", "failed", "canceled", "stopped", "scheduled", "bogus", ""):
            kept[f"job-{status}"] = job = Job.create(NOOP, id=f"job-{status}", connection=own, origin="default", status="queued")
            job.save()
            own.hset(job.key, "status", status)
        own.zadd(f"{limit}:allowed", {**{id: 1 for id in kept}, "gone": 2})
        own.zadd(f"{limit}:rate_limited", {"job-canceled": 1, "gone-too": 2})
        waiting = default.enqueue(NOOP, rate_limit=rq.RateLimit("stale", 1))
        assert waiting.get_status() == "rate_limited"

        assert waiting.latest_result(timeout=30).type == Result.Type.SUCCESSFUL

        self.freed(own, "stale")
        assert [id for id, job in kept.items() if own.hget(job.key, "status").decode() != id.partition("-")[2]] == []
        assert default.job_ids == []
        for job in kept.values():
            own.delete(job.key)

    def test_later(self, own, default, held_run):
        first, _ = self.held(default, held_run, "later")
        due = default.enqueue_at(rq.utils.now(), NOOP, rate_limit=rq.RateLimit("later", 1))
        until(own, "the job waits for its place", lambda: due.get_status() == "rate_limited")
        held_run.go()
        assert due.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
        assert first.get_status() == "finished"
        self.freed(own, "later")


@pytest.mark.needs(rq, "RateLimit")
def test_ready_job_is_queued(own, default):
    """rq 3.0's workers leave such ones when they end several parents at once."""
    job = Job.create(NOOP, connection=own, origin="default", status="ready_to_enqueue", timeout=60)
    job.save()
    own.zadd("rq:ready:default", {job.id: time.time()})
    assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert own.zcard("rq:ready:default") == 0
