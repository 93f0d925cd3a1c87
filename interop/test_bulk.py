"""Many jobs are requeued or canceled at once, and rq reads the result as its own."""

import os
import subprocess
from datetime import timedelta

import pytest
import rq
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.registry import CanceledJobRegistry, DeferredJobRegistry, FailedJobRegistry, ScheduledJobRegistry
from rq.results import Result
from rq.timeouts import TimerDeathPenalty

import harness
from harness import LAUNCHER, WEPP, alive, launcher

pytestmark = pytest.mark.only("native")  # the command line does not care who runs the jobs


@pytest.fixture
def bulk(servers):
    """One command on rq's database. Returns the lines but the summary, by job id, and the summary."""

    def run(*arguments):
        *lines, summary = launcher(
            arguments[0], "--set", f"redis.url={servers.url(harness.RQ_DATABASE)}", *arguments[1:]
        ).splitlines()
        return {line.split("  ")[0]: line for line in lines}, summary

    return run


@pytest.fixture
def elsewhere(queue, redis):
    """A queue that no worker serves, and of which nothing is left after the test."""
    yield Queue("elsewhere", connection=redis)
    redis.delete("rq:queue:elsewhere")
    for registry in ("failed", "canceled", "deferred", "scheduled"):
        for member in redis.zrange(f"rq:{registry}:elsewhere", 0, -1):
            redis.delete(b"rq:job:" + member)
        redis.delete(f"rq:{registry}:elsewhere")


def fail(queue, function, *args, **options):
    """A job of rq's own that has failed, because its function cannot be imported or called."""
    job = queue.enqueue(function, *args, **options)

    class Quiet(SimpleWorker):
        death_penalty_class = TimerDeathPenalty

    Quiet([queue], connection=queue.connection).work(burst=True, logging_level="CRITICAL")
    assert job.get_status(refresh=True) == "failed"
    return job


def test_requeue_by_function(elsewhere, bulk):
    one = fail(elsewhere, "absent.model.run_rq", "a")
    other = fail(elsewhere, "absent.model.prepare_rq", "a")
    before = Job.fetch(one.id, connection=elsewhere.connection)  # rq 2.0 reads times without a zone, but makes them with one

    lines, summary = bulk("requeue", "--queue", "elsewhere", "--function", "absent.*.run_rq")

    assert summary == "1 requeued."
    assert lines == {one.id: f"{one.id}  absent.model.run_rq  a  failed  requeued"}
    assert one.get_status(refresh=True) == "queued"
    assert other.get_status(refresh=True) == "failed"
    assert elsewhere.job_ids == [one.id]
    assert FailedJobRegistry(queue=elsewhere).get_job_ids() == [other.id]
    read = Job.fetch(one.id, connection=elsewhere.connection)
    assert (read.started_at, read.ended_at, read.args) == (None, None, ("a",))
    assert read.enqueued_at >= before.enqueued_at


def test_requeue_by_cause(elsewhere, bulk):
    missing = fail(elsewhere, "absent.f")
    wrong = fail(elsewhere, "math.sqrt", "no number")

    lines, summary = bulk("requeue", "--queue", "elsewhere", "--cause", "must be real number")

    assert list(lines) == [wrong.id]
    assert summary == "1 requeued."
    assert elsewhere.job_ids == [wrong.id]
    assert missing.get_status(refresh=True) == "failed"


def test_requeue_by_run(queue, bulk, new_run):
    """What is requeued, the worker runs."""
    run, another = new_run(), new_run()
    lines = run.spoil(), another.spoil()
    jobs = [queue.enqueue(WEPP + "run_hillslope_rq", r.id, 1) for r in (run, another)]
    for job in jobs:
        assert job.latest_result(timeout=30).type == Result.Type.FAILED
    run.repair(lines[0])

    found, summary = bulk("requeue", "--run", run.id, "--function", "*hillslope*")

    assert list(found) == [jobs[0].id]
    assert summary == "1 requeued."
    harness.until(queue.connection, "it is finished", lambda: jobs[0].get_status(refresh=True) == "finished")
    assert jobs[0].latest_result().type == Result.Type.SUCCESSFUL
    assert jobs[1].get_status(refresh=True) == "failed"
    assert jobs[0].id not in FailedJobRegistry(queue=queue)


def test_requeue_named_jobs(elsewhere, bulk):
    jobs = [fail(elsewhere, "absent.f", n) for n in range(3)]
    waiting = elsewhere.enqueue("absent.f")

    lines, summary = bulk(
        "requeue", "--job", jobs[2].id, "--job", waiting.id, "--job", jobs[0].id, "--job", "not-there"
    )

    assert summary == "2 requeued, 2 left alone."
    assert lines[waiting.id].endswith("  queued  left alone: it is queued")
    assert lines["not-there"] == "not-there  -  -  gone  left alone: it is gone"
    assert elsewhere.job_ids == [waiting.id, jobs[2].id, jobs[0].id]
    assert FailedJobRegistry(queue=elsewhere).get_job_ids() == [jobs[1].id]


def test_cancel_what_waits(elsewhere, redis, bulk):
    queued = elsewhere.enqueue("absent.f")
    deferred = elsewhere.enqueue("absent.f", depends_on=queued)
    below = elsewhere.enqueue("absent.g", depends_on=deferred)
    scheduled = elsewhere.enqueue_in(timedelta(hours=1), "absent.f")
    kept = elsewhere.enqueue("absent.g")
    jobs = [queued, deferred, scheduled]

    lines, summary = bulk("cancel", "--queue", "elsewhere", "--function", "absent.f")

    assert summary == "3 canceled."
    assert set(lines) == {job.id for job in jobs}
    for job in jobs:
        read = Job.fetch(job.id, connection=redis)
        assert read.get_status() == "canceled"
        assert read.is_canceled
        assert job.id in CanceledJobRegistry(queue=elsewhere)
    assert elsewhere.job_ids == [kept.id]
    assert DeferredJobRegistry(queue=elsewhere).get_job_ids() == [below.id]
    assert below.get_status(refresh=True) == "deferred"
    assert ScheduledJobRegistry(queue=elsewhere).get_job_ids() == []
    assert not redis.exists(queued.dependents_key)
    with pytest.raises(rq.exceptions.InvalidJobOperation):
        read.cancel()


def test_cancel_what_runs(queue, bulk, worker, held_run):
    job = queue.enqueue(WEPP + "run_hillslope_rq", held_run.id, 1, "held")
    pid = held_run.started()
    child = queue.enqueue("cloud.wepp.noop", depends_on=job)
    name = Job.fetch(job.id, connection=queue.connection).worker_name

    lines, summary = bulk("cancel", "--job", job.id)

    assert summary == "1 told to stop."
    assert lines[job.id].endswith(f"  started  told to stop, on worker {name}")
    assert job.latest_result(timeout=30).exc_string == "Job stopped by user, work-horse terminated."
    assert job.get_status(refresh=True) == "stopped"
    assert not alive(pid)
    assert child.get_status(refresh=True) == "deferred"


def tree(queue, run):
    """A finished root, a running child, and below it a waiting one that names the root again."""
    root = queue.enqueue("cloud.wepp.noop", run.id)
    assert root.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    running = queue.enqueue(WEPP + "run_hillslope_rq", run.id, 1, "held")
    run.started()
    waiting = queue.enqueue("cloud.wepp.noop", "another run", depends_on=running)
    for job, children in ((root, [running.id, "not-there"]), (running, [waiting.id]), (waiting, [root.id])):
        job.refresh()
        job.meta.update({f"jobs:{n},func:f": child for n, child in enumerate(children)})
        job.save_meta()
    return root, running, waiting


@pytest.mark.parametrize("by", ["run", "job"])
def test_cancel_a_tree(queue, bulk, until, worker, held_run, by):
    root, running, waiting = tree(queue, held_run)

    lines, summary = bulk("cancel", f"--{by}", held_run.id if by == "run" else root.id)

    assert summary == "1 canceled, 1 told to stop, 2 left alone."
    assert lines[root.id].endswith("  finished  left alone: it is finished")
    assert lines["not-there"].endswith("left alone: it is gone")
    assert lines[waiting.id] == f"{waiting.id}  cloud.wepp.noop  another run  deferred  canceled"
    until("the model is stopped", worker.idle)
    assert running.get_status(refresh=True) == "stopped"
    assert waiting.get_status(refresh=True) == "canceled"
    assert root.get_status(refresh=True) == "finished"


def test_all_criteria_must_hold(elsewhere, bulk):
    root = elsewhere.enqueue("absent.f", "my-run")
    child = elsewhere.enqueue("absent.g", "my-run")
    root.meta["jobs:0,func:g"] = child.id
    root.save_meta()
    elsewhere.enqueue("absent.g", "other-run")

    lines, summary = bulk("cancel", "--run", "my-run", "--function", "*.g")
    none = bulk("cancel", "--run", "my-run", "--queue", "default")

    assert (list(lines), summary) == ([child.id], "1 canceled.")
    assert none == ({}, "No job matches.")
    assert root.get_status(refresh=True) == "queued"


def test_dry_run(queue, elsewhere, redis, bulk, held_run):
    _, running, waiting = tree(queue, held_run)
    failed = fail(elsewhere, "absent.f", "my-run")
    queued = elsewhere.enqueue("absent.f", "my-run")
    still = (failed, queued, waiting)
    before = {job.id: redis.hgetall(job.key) for job in still}
    lists = {key: redis.dump(key) for key in redis.keys("rq:*:elsewhere")}

    canceled = [bulk("cancel", "--run", run, "--dry-run") for run in (held_run.id, "my-run")]
    requeued = bulk("requeue", "--run", "my-run", "--dry-run")

    assert canceled[0][1] == "1 would be canceled, 1 would be told to stop, 2 left alone."
    assert canceled[1][1] == "1 would be canceled, 1 left alone."
    assert canceled[1][0][queued.id].endswith("  queued  would be canceled")
    assert requeued[0] == {failed.id: f"{failed.id}  absent.f  my-run  failed  would be requeued"}
    assert requeued[1] == "1 would be requeued."
    assert {job.id: redis.hgetall(job.key) for job in still} == before
    assert {key: redis.dump(key) for key in redis.keys("rq:*:elsewhere")} == lists
    assert running.get_status(refresh=True) == "started"
    held_run.go()
    assert running.latest_result(timeout=30).type == Result.Type.SUCCESSFUL


def test_odd_ids(elsewhere, redis, bulk):
    """Clients before 2.8 allow any id; newer ones cannot read it, so that Redis is asked."""
    failed = fail(elsewhere, "absent.f", "odd")
    plain = elsewhere.enqueue("absent.f", "odd")
    odd, odder = "odd id|*'\"{x}:ü", "-- ']]:%s\\"
    redis.hset(f"rq:job:{odd}", mapping=redis.hgetall(failed.key))
    redis.zadd("rq:failed:elsewhere", {odd: 4e9})
    redis.hset(f"rq:job:{odder}", mapping={**redis.hgetall(plain.key), "status": "queued"})
    redis.rpush("rq:queue:elsewhere", odder)

    requeued = bulk("requeue", f"--job={odd}")[1]
    assert requeued == "1 requeued."
    assert redis.hget(f"rq:job:{odd}", "status") == b"queued"
    assert redis.lrange("rq:queue:elsewhere", -1, -1) == [odd.encode()]

    canceled = bulk("cancel", f"--job={odd}", f"--job={odder}")[1]
    assert canceled == "2 canceled."
    assert redis.lrange("rq:queue:elsewhere", 0, -1) == [plain.id.encode()]
    assert {odd.encode(), odder.encode()} <= set(redis.zrange("rq:canceled:elsewhere", 0, -1))


@pytest.mark.needs(rq, "RateLimit")
def test_limits(elsewhere, redis, bulk):
    limit = rq.RateLimit("one", 1)
    first, second, third = (elsewhere.enqueue("absent.f", n, rate_limit=limit) for n in range(3))
    assert [job.get_status(refresh=True) for job in (second, third)] == ["rate_limited"] * 2

    bulk("cancel", "--job", first.id)

    promoted = [job for job in (second, third) if job.get_status(refresh=True) == "queued"]
    assert elsewhere.job_ids == [job.id for job in promoted]
    assert len(promoted) == 1
    assert bulk("cancel", "--queue", "elsewhere")[1] == "2 canceled."
    assert redis.zcard("rq:rl:one:allowed") == redis.zcard("rq:rl:one:rate_limited") == 0


def test_a_criterion_is_needed(servers):
    for arguments in (["requeue"], ["cancel", "--dry-run"], ["cancel", "--run", ""]):
        done = subprocess.run([LAUNCHER, *arguments], capture_output=True, timeout=60, text=True)
        assert done.returncode == 2
        assert "criterion" in done.stderr


def test_redis_is_not_there():
    done = subprocess.run(
        [LAUNCHER, "cancel", "--run", "r", "--set", "redis.url=redis://127.0.0.1:1"],
        capture_output=True,
        timeout=60,
        text=True,
        env={n: v for n, v in os.environ.items() if not n.startswith("RQ_WORKER_") or n == "RQ_WORKER_NO_BUILD"},
    )
    assert done.returncode == 75
    assert done.stderr.splitlines() == ["rq-worker: Redis at 127.0.0.1:1/0: Connection refused"]
