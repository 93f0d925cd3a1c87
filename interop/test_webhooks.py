"""rq 3.0's webhooks are sent when a job has finished or failed for good, whoever runs it."""

import pytest
import rq
from rq import Retry
from rq.command import send_stop_job_command
from rq.results import Result

from harness import WEPP

pytestmark = pytest.mark.needs(rq, "Webhook")
NOOP = "cloud.wepp.noop"
HILLSLOPE = WEPP + "run_hillslope_rq"


def test_finished(queue, hooks):
    job = queue.enqueue(NOOP, webhooks=hooks())
    told = hooks.next()

    assert (told["job_id"], told["func_name"], told["status"]) == (job.id, NOOP, "finished")
    assert "exc_info" not in told
    assert job.enqueued_at.isoformat() == told["enqueued_at"] < told["ended_at"]
    hooks.silent(queue)


def test_failed(queue, hooks):
    job = queue.enqueue(HILLSLOPE, webhooks=hooks())
    told = hooks.next()

    assert (told["job_id"], told["status"]) == (job.id, "failed")
    assert told["exc_info"] == job.latest_result(timeout=30).exc_string
    hooks.silent(queue)


def test_only_the_last_failure_counts(queue, hooks):
    job = queue.enqueue(HILLSLOPE, retry=Retry(max=2), webhooks=hooks())

    assert (hooks.next()["job_id"], job.get_status()) == (job.id, "failed")
    hooks.silent(queue)


def test_retry_that_succeeds(queue, hooks, held_run):
    lines = held_run.spoil()
    job = queue.enqueue(HILLSLOPE, held_run.id, 1, "held", retry=Retry(max=1), webhooks=hooks())
    held_run.started()
    held_run.go()
    held_run.started()
    held_run.repair(lines)
    held_run.go()

    told = hooks.next()

    assert (told["job_id"], told["status"]) == (job.id, "finished")
    hooks.silent(queue)


def test_stop_is_neither(queue, redis, hooks, held_run):
    job = queue.enqueue(HILLSLOPE, held_run.id, 1, "held", webhooks=hooks())
    held_run.started()
    send_stop_job_command(redis, job.id)

    assert job.latest_result(timeout=30).type == Result.Type.FAILED
    assert job.get_status() == "stopped"
    hooks.silent(queue)


def test_nobody_listens(queue):
    job = queue.enqueue(NOOP, webhooks=[rq.Webhook("http://127.0.0.1:1/", "finished")])
    assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
