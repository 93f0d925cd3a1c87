"""A whole run as WEPPcloud enqueues it: a tree of Python and native jobs, which its pages follow and cancel."""

import json

import pytest
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job, JobStatus
from rq.registry import DeferredJobRegistry, StartedJobRegistry
from rq.results import Result

from harness import BOTH_DATABASE, PREP_DATABASE, STATUS_DATABASE, WEPP, alive, rest

pytestmark = pytest.mark.only("python")
FINAL = {"finished", "failed", "stopped", "canceled"}
ORDER = [
    "_prep_slopes_rq",
    "_prep_climates_rq",
    "_prep_remaining_rq",
    "run_hillslopes_rq",
    "_prep_watershed_rq",
    "run_watershed_rq",
    "_log_complete_rq",
]


@pytest.fixture
def worker(worker_of_both):
    return worker_of_both


@pytest.fixture
def redis(servers):
    return servers.connect(BOTH_DATABASE)


def node(redis, id):
    """A job and, by their order, those that its meta names, as WEPPcloud's job info shows them."""
    job = Job.fetch(id, connection=redis)
    children = {}
    for key, child in job.meta.items():
        if key.startswith("jobs:"):
            order, _, name = key.removeprefix("jobs:").partition(",func:")
            children.setdefault(order, []).append({**node(redis, child), "name": name})
    return {"job": job, "name": job.func_name, "status": JobStatus(job.get_status()).value, "children": children}


def walk(tree):
    yield tree
    for children in tree["children"].values():
        for child in children:
            yield from walk(child)


def aggregate(tree):
    """One status for all, as WEPPcloud's job status tells it."""
    found = {job["status"] for job in walk(tree)}
    if found & {"queued", "started", "scheduled"}:
        return "started"
    for status in ("failed", "stopped", "canceled", "deferred"):
        if status in found:
            return status
    return "finished"


def has_ended(redis, root):
    return all(job["status"] in FINAL for job in walk(node(redis, root.id)))


def by_name(tree):
    return {job["name"]: job["job"] for job in walk(tree)}


def statuses(tree):
    return {job["name"]: JobStatus(job["job"].get_status()).value for job in walk(tree)}


def cancel(redis, id):
    """As WEPPcloud's cancel does it."""
    try:
        job = Job.fetch(id, connection=redis)
    except NoSuchJobError:
        return
    try:
        if job.get_status() == "started":
            send_stop_job_command(redis, job.id)
        else:
            job.cancel()
    except InvalidJobOperation:
        pass
    for key, child in job.meta.items():
        if key.startswith("jobs:"):
            cancel(redis, child)


def test_completes_in_order(queue, redis, servers, worker, until, new_run):
    run = new_run()
    channel = servers.connect(STATUS_DATABASE).pubsub(ignore_subscribe_messages=True)
    channel.subscribe(f"{run.id}:wepp")
    assert channel.get_message(timeout=30) is None  # subscribed

    root = queue.enqueue_call(WEPP + "run_wepp_rq", (run.id,), timeout=216_000)

    assert root.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    until("the tree has ended", lambda: has_ended(redis, root), 60)
    rest(redis)
    tree = node(redis, root.id)
    assert aggregate(tree) == "finished"
    assert [len(tree["children"][order]) for order in ("0", "1", "2", "3", "6")] == [3, 1, 1, 1, 1]
    jobs = by_name(tree)
    assert [name for name in jobs if not name.startswith("wepppy.")] == ORDER
    assert all(job.is_finished for job in jobs.values())
    in_turn = [jobs[name] for name in ORDER]
    assert all(before.ended_at <= after.started_at for before, after in zip(in_turn[1:], in_turn[2:]))
    assert jobs["_prep_slopes_rq"].ended_at <= jobs["_prep_remaining_rq"].started_at
    native = {name for name, job in jobs.items() if job.meta["pid"] == worker.process.pid}
    assert native == {"run_hillslopes_rq", "run_watershed_rq"}
    assert {job.meta["runid"] for job in jobs.values()} == {run.id}
    assert jobs["run_watershed_rq"].return_value()[0] is True
    assert (run.folder / "wepp" / "output" / "loss_pw0.txt").stat().st_size > 0
    prep = servers.connect(PREP_DATABASE).hgetall(run.id)
    assert {b"timestamps:run_wepp_hillslopes", b"timestamps:run_wepp_watershed"} <= prep.keys()
    last = f"rq:{jobs['_log_complete_rq'].id} COMPLETED"
    lines = []
    while not lines or not lines[-1].startswith(last):
        message = channel.get_message(timeout=30)
        assert message, lines
        lines.append(message["data"].decode())
    channel.close()
    assert f"rq:{jobs['_log_complete_rq'].id} TRIGGER   wepp WEPP_RUN_TASK_COMPLETED" in lines
    shown = ["run_wepp_rq", *("_run_hillslopes_rq" if name == "run_hillslopes_rq" else name for name in ORDER)]
    told = [line.split()[2].partition("(")[0] for line in lines if " STARTED " in line and line.startswith("rq:")]
    assert sorted(told) == sorted(shown)


def hold_hillslopes(run):
    (run.folder / "wepp.nodb").write_text(json.dumps({"_wepp_bin": "held"}))


def hold_python(run):
    (run.folder / "held").write_text("_prep_watershed_rq")


@pytest.mark.parametrize(
    "hold, stopped", [(hold_hillslopes, "run_hillslopes_rq"), (hold_python, "_prep_watershed_rq")]
)
def test_is_canceled_in_the_middle(queue, redis, until, held_run, hold, stopped):
    hold(held_run)
    root = queue.enqueue_call(WEPP + "run_wepp_rq", (held_run.id,), timeout=216_000)
    pid = held_run.started()
    assert root.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert aggregate(node(redis, root.id)) == "started"

    cancel(redis, root.id)

    until("the tree has ended", lambda: has_ended(redis, root))
    rest(redis)
    tree = node(redis, root.id)
    found = statuses(tree)
    later = ORDER[ORDER.index(stopped) + 1 :]
    assert found[stopped] == "stopped"
    assert {found[name] for name in later} == {"canceled"}
    assert aggregate(tree) == "stopped"
    assert not alive(pid)
    assert not any(map(alive, held_run.others()))
    assert queue.job_ids == []
    assert StartedJobRegistry(queue=queue).get_job_ids() == []
    assert not set(DeferredJobRegistry(queue=queue).get_job_ids()) & {job["job"].id for job in walk(tree)}
    # Nothing of it starts later, either.
    assert queue.enqueue("jobs.say", "well").latest_result(timeout=30).return_value == "well"
    rest(redis)
    assert statuses(tree) == found
