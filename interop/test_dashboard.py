"""rq-dashboard, as it is, over what our worker writes. Its newest version works with rq 2.0 only: later ones name a job's parents otherwise."""

from datetime import datetime, timedelta

import pytest
from rq import Queue, Worker
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.results import Result
from rq.suspension import resume, suspend

from harness import REGISTRIES, RQ_DATABASE, WEPP, rest

pytestmark = pytest.mark.version("2.0.0")
NOOP = "cloud.wepp.noop"


@pytest.fixture(scope="module")
def app(servers):
    import rq_dashboard
    from flask import Flask

    app = Flask(__name__)
    app.config.from_object(rq_dashboard.default_settings)
    app.config["RQ_DASHBOARD_REDIS_URL"] = servers.url(RQ_DATABASE)
    rq_dashboard.web.setup_rq_connection(app)
    app.register_blueprint(rq_dashboard.blueprint, url_prefix="/")
    return app


@pytest.fixture
def page(app):
    """The text of a page."""

    def get(path):
        answer = app.test_client().get(path, follow_redirects=True)
        assert answer.status_code == 200, path
        return answer.text

    return get


@pytest.fixture
def data(app):
    """What a route tells as JSON."""

    def get(path):
        answer = app.test_client().get(f"/0/data/{path}.json")
        assert answer.status_code == 200, path
        return answer.json

    return get


@pytest.fixture
def act(app):
    """Presses a button."""

    def post(path):
        answer = app.test_client().post(path)
        assert (answer.status_code, answer.json["status"]) == (200, "OK"), path
        return answer.json

    return post


@pytest.fixture
def other(redis, queue):
    """A queue that our worker serves, with nothing of other tests in its registries."""
    other = Queue("other", connection=redis)

    def clear():
        other.empty()
        for kind in REGISTRIES.values():
            for id in kind(queue=other).get_job_ids():
                Job.fetch(id, connection=redis).delete()

    clear()
    yield other
    clear()


@pytest.fixture
def some_of_each(other, redis, held_run):
    """A job of ours in every registry, and one that nobody takes yet."""
    jobs = {"finished": other.enqueue(WEPP + "run_hillslope_rq", "sample", 1, "wepp")}
    jobs["failed"] = other.enqueue(WEPP + "run_hillslope_rq", "unknown", 1, meta={"x": 1})
    for job in jobs.values():
        assert job.latest_result(timeout=30)
    rest(redis)
    jobs["started"] = other.enqueue(WEPP + "run_hillslope_rq", held_run.id, 1, "held")
    held_run.started()
    suspend(redis)
    jobs["deferred"] = other.enqueue(NOOP, depends_on=jobs["started"])
    jobs["scheduled"] = other.enqueue_in(timedelta(hours=1), NOOP)
    jobs["canceled"] = other.enqueue(NOOP)
    jobs["canceled"].cancel()
    jobs["queued"] = other.enqueue(NOOP, "ä", number=1)
    yield jobs
    resume(redis)
    held_run.go()


def test_pages_answer(some_of_each, page):
    for path in ("/", "/0/", "/0/view", "/0/view/queues", "/0/view/workers", "/0/view/jobs"):
        assert "RQ dashboard" in page(path)
    for registry in ("queued", *REGISTRIES):
        assert "other" in page(f"/0/view/jobs/other/{registry}/8/asc/1")
    for job in some_of_each.values():
        assert job.id in page(f"/0/view/job/{job.id}")


def test_queues(some_of_each, redis, data):
    found = {queue["name"]: queue for queue in data("queues")["queues"]}

    assert found.keys() == {queue.name for queue in Queue.all(connection=redis)}
    assert found["other"]["count"] == 1
    assert {kind: found["other"][f"{kind}_job_registry_count"] for kind in REGISTRIES} == dict.fromkeys(REGISTRIES, 1)
    for name, queue in found.items():
        for kind, registry in REGISTRIES.items():
            assert queue[f"{kind}_job_registry_count"] == registry(name, connection=redis).count


@pytest.mark.parametrize("order", ["asc", "dsc"])
def test_jobs(some_of_each, data, order):
    for kind, job in some_of_each.items():
        seen = data(f"jobs/other/{kind}/8/{order}/1")
        assert [one["id"] for one in seen["jobs"]] == [job.id], kind
        assert seen["jobs"][0]["description"] == job.description
        assert (seen["jobs"][0]["started_at"] is not None) == (kind in ("started", "finished", "failed"))
        assert seen["pagination"]["num_pages"] == 1


def test_pages_of_jobs(other, data):
    jobs = [other.enqueue(NOOP) for _ in range(20)]
    for job in jobs:
        assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    rest(other.connection)
    seen = set()
    for number in (1, 2, 3):
        part = data(f"jobs/other/finished/8/asc/{number}")
        assert part["pagination"]["num_pages"] == 3
        seen |= {one["id"] for one in part["jobs"]}  # its later pages of a registry are too long
    assert seen == {job.id for job in jobs}


def test_job(some_of_each, data):
    seen = {kind: data(f"job/{job.id}") for kind, job in some_of_each.items()}

    for kind, job in seen.items():
        assert (job["status"], job["origin"]) == (kind, "other")
        given = [job[f"{what}_at"] for what in ("created", "enqueued", "started", "ended") if job[f"{what}_at"]]
        times = [datetime.fromisoformat(time) for time in given]
        assert times == sorted(times)
        assert len(times) == {"finished": 4, "failed": 4, "started": 3, "queued": 2, "canceled": 2}.get(kind, 1)
    assert seen["finished"]["result"][0] is True
    assert seen["finished"]["exc_info"] is None
    assert seen["failed"]["result"] is None
    assert "unknown" in seen["failed"]["exc_info"]
    assert '"x": 1' in seen["failed"]["metadata"]
    assert seen["deferred"]["depends_on"] == [some_of_each["started"].id]
    assert seen["deferred"]["depends_on_status"] == ["active"]


def test_workers(some_of_each, redis, worker, data):
    seen = {found["name"]: found for found in data("workers")["workers"]}

    theirs = {found.name: found for found in Worker.all(connection=redis)}
    assert seen.keys() == theirs.keys() == {slot.name for slot in worker.slots()}
    for name, found in seen.items():
        assert found["queues"] == ["default", "other"]
        assert found["pid"] == worker.process.pid
        assert found["python_version"].startswith("Java ")
        assert found["version"] and found["birth_date"] and found["last_heartbeat"]
        assert found["successful_job_count"] == theirs[name].successful_job_count
        assert found["failed_job_count"] == theirs[name].failed_job_count
        assert found["total_working_time"] == theirs[name].total_working_time
    (busy,) = [found for found in seen.values() if found["current_job"] != "idle"]
    assert busy["state"] == "busy"
    assert busy["current_job"]["job_id"] == some_of_each["started"].id
    assert busy["current_job"]["call_string"] == some_of_each["started"].get_call_string()


def test_requeue(other, until, act, new_run):
    runs = [new_run() for _ in range(4)]
    lines = [run.spoil() for run in runs]
    jobs = [other.enqueue(WEPP + "run_hillslope_rq", run.id, 1) for run in runs]
    for job in jobs:
        assert job.latest_result(timeout=30).type == Result.Type.FAILED
    until("all are in the registry", lambda: FailedJobRegistry(queue=other).count == 4)
    rest(other.connection)
    for run, whole in zip(runs, lines):
        run.repair(whole)

    act(f"/job/{jobs[0].id}/requeue")
    until("it has run", lambda: jobs[0].get_status() == "finished")
    assert act("/requeue/other")["count"] == 3

    until("all have run", lambda: {job.get_status() for job in jobs} == {"finished"})
    assert {job.latest_result().type for job in jobs} == {Result.Type.SUCCESSFUL}
    rest(other.connection)
    assert FailedJobRegistry(queue=other).get_job_ids() == []


def test_delete(some_of_each, other, redis, worker, until, act):
    for job in some_of_each.values():
        act(f"/job/{job.id}/delete")

    until("the worker has ended the model", worker.idle)
    left = {key.decode() for job in some_of_each.values() for key in redis.keys(f"*{job.id}*")}
    assert left <= {f"rq:results:{job.id}" for job in some_of_each.values()}  # rq before 3.0 lets them stay until their time is over
    assert other.job_ids == []
    for kind in REGISTRIES.values():
        assert kind(queue=other).get_job_ids() == []


def test_empty(some_of_each, other, redis, worker, until, act):
    for kind in ("queued", *REGISTRIES):
        act(f"/queue/other/{kind}/empty")

    until("the worker has ended the model", worker.idle)
    for kind in REGISTRIES.values():
        assert kind(queue=other).get_job_ids() == []
    assert other.job_ids == []
    assert not any(redis.exists(job.key) for job in some_of_each.values())
    resume(redis)
    assert other.enqueue(NOOP).latest_result(timeout=30).type == Result.Type.SUCCESSFUL


def test_compact(other, redis, act):
    """It empties the list for a moment, and fills it again."""
    suspend(redis)
    jobs = [other.enqueue(NOOP) for _ in range(20)]
    gone = jobs.pop(7)
    redis.delete(gone.key)

    act("/queue/other/compact")

    assert other.job_ids == [job.id for job in jobs]
    resume(redis)
    for job in jobs:
        assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert {len(job.results()) for job in jobs} == {1}
    assert other.job_ids == []
