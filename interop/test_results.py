"""A job that succeeds: what rq's client reads of it."""

import time

import pytest
import rq
from rq import Queue
from rq.job import Job
from rq.registry import FinishedJobRegistry, StartedJobRegistry
from rq.results import Result
from rq.serializers import JSONSerializer

from harness import WEPP, rest

WEEK = 604_800


def succeed(job):
    result = job.latest_result(timeout=30)
    rest(job.connection)
    assert result is not None, job.get_status()
    assert result.type == Result.Type.SUCCESSFUL, result.exc_string
    return result


def test_hillslope(queue, redis, worker):
    job = queue.enqueue(WEPP + "run_hillslope_rq", "sample", 1, "wepp")

    result = succeed(job)

    good, seconds = job.return_value(refresh=True)
    assert good is True
    assert isinstance(seconds, float)
    assert isinstance(job.return_value(), tuple)
    assert result.return_value == job.return_value()
    assert job.get_status() == "finished"
    assert job.is_finished
    assert job.id in FinishedJobRegistry(queue=queue)
    assert StartedJobRegistry(queue=queue).get_job_ids() == []
    assert job.id not in queue.job_ids

    read = Job.fetch(job.id, connection=redis)
    assert read.enqueued_at <= read.started_at <= read.ended_at
    assert read.last_heartbeat >= read.started_at
    assert read.worker_name in {w.name for w in worker.slots()}
    assert read.func_name == WEPP + "run_hillslope_rq"
    assert read.args == ("sample", 1, "wepp")
    assert not redis.exists(f"rq:executions:{job.id}")
    assert redis.keys(f"rq:execution:{job.id}:*") == []


def test_noop_returns_none(queue):
    job = queue.enqueue("cloud.wepp.noop")

    assert succeed(job).return_value is None
    assert job.return_value(refresh=True) is None


@pytest.mark.parametrize("given, kept", [(None, WEEK), (50, 50)])
def test_result_is_kept_for(queue, redis, given, kept):
    job = queue.enqueue("cloud.wepp.noop", result_ttl=given)

    succeed(job)

    assert kept - 10 <= redis.ttl(job.key) <= kept
    assert kept - 10 <= redis.ttl(f"rq:results:{job.id}") <= kept
    score = redis.zscore("rq:finished:default", job.id)
    assert time.time() + kept - 10 <= score <= time.time() + kept + 1


def test_result_is_kept_for_ever(queue, redis):
    job = queue.enqueue("cloud.wepp.noop", result_ttl=-1)

    succeed(job)

    assert redis.ttl(job.key) == -1
    assert redis.ttl(f"rq:results:{job.id}") == -1
    assert redis.zscore("rq:finished:default", job.id) == float("inf")


def test_result_is_not_kept(queue, redis, until):
    job = queue.enqueue("cloud.wepp.noop", result_ttl=0)

    until("the job is gone", lambda: not redis.exists(job.key))
    rest(redis)

    assert job.id not in FinishedJobRegistry(queue=queue)
    assert StartedJobRegistry(queue=queue).get_job_ids() == []
    assert redis.keys(f"*{job.id}*") == []


def test_ttl_of_the_wait_does_not_end_the_result(queue, redis):
    job = queue.enqueue("cloud.wepp.noop", ttl=100, result_ttl=-1)

    succeed(job)

    assert redis.ttl(job.key) == -1


def test_at_front(queue, redis):
    """Our take does not disturb the order that clients ask for."""
    other = Queue("elsewhere", connection=redis)
    last = other.enqueue("cloud.wepp.noop")
    first = other.enqueue("cloud.wepp.noop", at_front=True)

    assert other.job_ids == [first.id, last.id]


@pytest.mark.only("native")  # rq keeps up to a hundred
@pytest.mark.needs(rq, "Repeat")
def test_last_ten_results(queue, until):
    job = queue.enqueue("cloud.wepp.noop", repeat=rq.Repeat(times=12))

    until("the last repeat is over", lambda: job.get_status() == "finished" and job.connection.hget(job.key, "repeats_left") == b"0")

    assert [result.type for result in job.results()] == [Result.Type.SUCCESSFUL] * 10


@pytest.mark.only("native")
def test_json_serializer(redis, queue):
    json_queue = Queue("default", connection=redis, serializer=JSONSerializer)
    job = json_queue.enqueue(WEPP + "run_hillslope_rq", "sample", 2, wepp_bin="wepp_standin", meta={"x": 1})

    succeed(job)

    read = Job.fetch(job.id, connection=redis, serializer=JSONSerializer)
    good, seconds = read.return_value()
    assert good is True
    assert isinstance(seconds, float)
    assert isinstance(read.return_value(), list)
    assert read.meta["x"] == 1
    assert read.meta["runid"] == "sample"
    assert isinstance(read.meta["pid"], int)


def test_meta_of_the_client_survives(queue, held_run):
    job = queue.enqueue(WEPP + "run_hillslope_rq", held_run.id, 1, "held", meta={"x": 1})
    held_run.started()
    job.get_meta(refresh=True)
    assert job.meta["runid"] == held_run.id
    assert isinstance(job.meta["pid"], int)
    job.meta["y"] = [2]
    job.save_meta()
    held_run.go()

    succeed(job)

    assert {"x", "y", "runid", "pid"} <= job.get_meta(refresh=True).keys()
    assert (job.meta["x"], job.meta["y"]) == (1, [2])
