"""A job that fails: how often it is tried, and what rq's client reads of it."""

import time
import zlib

import pytest
from rq import Retry
from rq.job import Job
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.results import Result

from harness import MODE, WEPP, rest

YEAR = 31_536_000


def fail(job):
    """The traceback of a job that fails."""
    result = job.latest_result(timeout=30)
    rest(job.connection)
    assert result is not None, job.get_status()
    assert result.type == Result.Type.FAILED
    return result.exc_string


def attempts(worker):
    return sum(slot.failed_job_count for slot in worker.slots())


def test_broken_model(queue, redis, new_run):
    run = new_run()
    run.spoil()
    job = queue.enqueue(WEPP + "run_hillslope_rq", run.id, 1, "wepp", meta={"x": 1})

    text = fail(job)

    if MODE == "native":
        assert "command: " in text and "/bin/wepp" in text
        assert f"folder: {run.inputs}" in text
        assert "process: exited with code 2" in text
        assert "last lines of output:\n" in text and "Fortran runtime error: End of file" in text
    assert "Fortran runtime error: End of file" in (run.inputs / "p1.err").read_text()
    assert f"Error running WEPP hillslope for wepp_id=1; runs_dir={run.inputs}" in text.splitlines()[-1]
    assert job.is_failed
    assert job.id in FailedJobRegistry(queue=queue)
    assert StartedJobRegistry(queue=queue).get_job_ids() == []
    assert YEAR - 10 <= redis.ttl(job.key) <= YEAR
    read = Job.fetch(job.id, connection=redis)
    assert read.started_at <= read.ended_at
    assert read.exc_info == text
    assert read.return_value() is None
    assert read.meta["x"] == 1
    assert read.meta["exc_string"] == text
    assert read.meta["runid"] == run.id
    assert (run.folder / "exceptions.log").read_text().count("run_hillslope_rq failed") == 1


def test_missing_input(queue, new_run):
    run = new_run()
    (run.inputs / "p1.sol").unlink()

    text = fail(queue.enqueue(WEPP + "run_hillslope_rq", run.id, 1))

    assert text.splitlines()[-1].startswith("FileNotFoundError: ")
    assert "p1.sol" in text


def test_one_bad_hillslope_fails_the_run(queue, new_run):
    run = new_run()
    run.spoil(2)

    assert "wepp_id=2;" in fail(queue.enqueue(WEPP + "_run_hillslopes_rq", run.id))


@pytest.mark.only("native")
@pytest.mark.parametrize("run", ["", ".", "..", "a/b", "../x", "x\0y", "/etc", "unknown"])
def test_bad_run(queue, servers, run):
    before = sorted(servers.runs.glob("**/*"))

    text = fail(queue.enqueue(WEPP + "run_hillslope_rq", run, 1, "wepp"))

    assert "nothing was run" in text or "does not exist" in text
    assert run.replace("\0", "?") in text
    assert sorted(servers.runs.glob("**/*")) == before


@pytest.mark.only("native")
@pytest.mark.parametrize("executable", ["not_there", "../bin/wepp", "/bin/sh", "wepp; true"])
def test_bad_executable(queue, new_run, executable):
    run = new_run()

    text = fail(queue.enqueue(WEPP + "run_watershed_rq", run.id, wepp_bin=executable))

    assert executable in text
    assert not (run.inputs / "pw0.err").exists()


@pytest.mark.parametrize(
    "args", [(), pytest.param(("sample", "one"), marks=pytest.mark.only("native")), ("sample", 1, None, 4)]
)
def test_bad_arguments(queue, args):
    assert "TypeError" in fail(queue.enqueue(WEPP + "run_hillslope_rq", *args))


@pytest.mark.parametrize("data", [b"\x80\x05no pickle", zlib.compress(b"\x80\x05\x95"), b""])
def test_malformed_call(queue, redis, data):
    job = Job.create("cloud.wepp.noop", connection=redis, origin="default", status="queued")
    job.save()
    redis.hset(job.key, "data", data)
    redis.rpush(queue.key, job.id)
    later = queue.enqueue("cloud.wepp.noop")

    assert later.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert "DeserializationError" in fail(job)
    assert redis.hget(job.key, "status") == b"failed"
    assert job.id in FailedJobRegistry(queue=queue)


def test_failure_is_kept_for(queue, redis):
    job = queue.enqueue(WEPP + "run_hillslope_rq", "unknown", 1, failure_ttl=50)

    fail(job)

    assert 40 <= redis.ttl(job.key) <= 50
    assert time.time() + 40 <= redis.zscore("rq:failed:default", job.id) <= time.time() + 51


def test_retry(queue, redis, worker):
    before = attempts(worker)
    job = queue.enqueue(WEPP + "run_hillslope_rq", "unknown", 1, retry=Retry(max=2))

    fail(job)

    assert job.get_status() == "failed"
    assert attempts(worker) == before + 3
    assert Job.fetch(job.id, connection=redis).retries_left == 0
    assert [r.type for r in job.results()] == [Result.Type.FAILED]
    assert job.id in FailedJobRegistry(queue=queue)
    assert job.id not in queue.job_ids


def test_retry_later(queue, redis, until):
    job = queue.enqueue(WEPP + "run_hillslope_rq", "unknown", 1, retry=Retry(max=2, interval=[30, 60]))

    until("the job is scheduled", lambda: job.get_status() == "scheduled")
    rest(redis)

    registry = ScheduledJobRegistry(queue=queue)
    assert job.id in registry
    assert time.time() + 25 <= registry.get_scheduled_time(job).timestamp() <= time.time() + 31
    read = Job.fetch(job.id, connection=redis)
    assert read.retries_left == 1
    assert read.retry_intervals == [30, 60]
    assert job.id not in FailedJobRegistry(queue=queue)
    assert StartedJobRegistry(queue=queue).get_job_ids() == []
    job.delete()


@pytest.mark.parametrize("requeue", [lambda q, j: j.requeue(), lambda q, j: FailedJobRegistry(queue=q).requeue(j.id)])
def test_requeue(queue, redis, until, new_run, requeue):
    run = new_run()
    lines = run.spoil()
    job = queue.enqueue(WEPP + "run_hillslope_rq", run.id, 1)
    fail(job)
    run.repair(lines)

    requeue(queue, job)
    until("the job runs again", lambda: job.get_status() == "finished")

    assert job.latest_result().type == Result.Type.SUCCESSFUL
    assert job.return_value(refresh=True)[0] is True
    assert job.id not in FailedJobRegistry(queue=queue)
    assert [r.type for r in job.results()] == [Result.Type.SUCCESSFUL, Result.Type.FAILED]
