"""rq's tools see the worker, and stop what it runs."""

import socket
import subprocess

import pytest
import rq.command
from rq import Queue, Retry, Worker
from rq.command import send_kill_horse_command, send_stop_job_command
from rq.job import Job
from rq.registry import CanceledJobRegistry, FailedJobRegistry, StartedJobRegistry
from rq.results import Result
from rq.suspension import is_suspended, resume, suspend

from harness import RQ, WEPP, alive, rest


def info(servers, *options):
    """The lines of `rq info`."""
    shown = subprocess.run(
        [RQ, "info", "-u", servers.url(9), "--raw", *options], capture_output=True, text=True, timeout=60
    )
    assert shown.returncode == 0, shown.stderr
    return shown.stdout.splitlines()


def hold(queue, run, **options):
    """A job whose model runs, and the model's process id."""
    job = queue.enqueue(WEPP + "run_hillslope_rq", run.id, 1, "held", **options)
    return job, run.started()


def test_workers_are_seen(queue, redis, worker):
    slots = worker.slots()

    assert len(slots) == 2
    assert len({slot.name for slot in slots}) == 2
    for slot in slots:
        assert slot.queue_names() == ["default", "other"]
        assert slot.get_state() == "idle"
        assert slot.hostname == socket.gethostname()
        assert slot.pid == worker.process.pid
        assert slot.version
        assert slot.python_version.startswith("Java ")
        assert slot.ip_address
        assert slot.birth_date <= slot.last_heartbeat
        assert slot.get_current_job() is None
        assert 0 < redis.ttl(slot.key) <= 480
    assert {s.name for s in Worker.all(queue=queue)} == {s.name for s in slots}
    assert Worker.count(connection=redis) == 2


def test_busy_worker(queue, redis, worker, until, held_run):
    job, pid = hold(queue, held_run)

    assert alive(pid)
    assert StartedJobRegistry(queue=queue).get_job_ids() == [job.id]
    assert job.id in StartedJobRegistry(queue=queue)
    busy = [slot for slot in worker.slots() if slot.get_state() == "busy"]
    assert len(busy) == 1
    assert busy[0].get_current_job().id == job.id
    assert busy[0].get_current_job_id() == job.id
    read = Job.fetch(job.id, connection=redis)
    assert read.get_status() == "started"
    assert read.worker_name == busy[0].name
    assert read.ended_at is None
    beat = read.last_heartbeat
    until(
        "a heartbeat of the job",
        lambda: Job.fetch(job.id, connection=redis).last_heartbeat > beat,
    )
    assert 60 < redis.ttl(busy[0].key) <= 90
    done = busy[0].successful_job_count

    held_run.go()

    assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    rest(redis)
    slot = Worker.find_by_key(busy[0].key, connection=redis)
    assert slot.get_state() == "idle"
    assert slot.get_current_job() is None
    assert slot.successful_job_count == done + 1
    assert slot.total_working_time > 0


@pytest.mark.needs(Job, "get_executions")
def test_executions(queue, held_run):
    job, _ = hold(queue, held_run)

    (execution,) = job.get_executions()
    assert execution.job_id == job.id
    held_run.go()
    assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert job.get_executions() == []


def test_rq_info(queue, redis, servers, worker, held_run):
    Queue("elsewhere", connection=redis).enqueue("os.getpid")
    hold(queue, held_run)

    shown = info(servers)
    workers = info(servers, "--only-workers")
    held_run.go()

    assert any(line.startswith("queue elsewhere 1, 0 executing") for line in shown)
    assert any(line.startswith("queue default 0, 1 executing") for line in shown)
    for slot in worker.slots():
        (line,) = [line for line in workers if line.startswith(f"worker {slot.name} ")]
        assert f"({slot.hostname} {slot.ip_address} {worker.process.pid})" in line
        assert " default, other. jobs: " in line
    assert sorted(line.split(") ")[1].split()[0] for line in workers if line.startswith("worker ")) == ["busy", "idle"]


def test_stop_job(queue, redis, worker, held_run):
    job, pid = hold(queue, held_run, retry=Retry(max=2))
    failures = sum(slot.failed_job_count for slot in worker.slots())

    send_stop_job_command(redis, job.id)

    result = job.latest_result(timeout=30)
    rest(redis)
    assert result.type == Result.Type.FAILED
    assert result.exc_string == "Job stopped by user, work-horse terminated."
    assert job.get_status() == "stopped"
    assert job.is_stopped
    assert job.id in FailedJobRegistry(queue=queue)
    assert StartedJobRegistry(queue=queue).get_job_ids() == []
    assert not alive(pid)
    assert worker.idle()
    assert sum(slot.failed_job_count for slot in worker.slots()) == failures + 1


@pytest.mark.needs(rq.command, "send_stop_execution_command")
def test_stop_execution(queue, redis, held_run):
    job, pid = hold(queue, held_run)

    (execution,) = job.get_executions()
    rq.command.send_stop_execution_command(redis, job.id, execution.id)

    assert job.latest_result(timeout=30).exc_string == "Job stopped by user, work-horse terminated."
    rest(redis)
    assert job.get_status() == "stopped"
    assert not alive(pid)


def test_kill_horse(queue, redis, held_run):
    job, pid = hold(queue, held_run)

    send_kill_horse_command(redis, Job.fetch(job.id, connection=redis).worker_name)

    text = job.latest_result(timeout=30).exc_string
    rest(redis)
    assert text.startswith("Work-horse terminated unexpectedly; waitpid returned 9 (signal 9); ")
    assert job.get_status() == "failed"
    assert not alive(pid)


def test_job_timeout(queue, redis, held_run):
    job, pid = hold(queue, held_run, job_timeout=2)

    text = job.latest_result(timeout=30).exc_string

    rest(redis)
    last = text.strip().splitlines()[-1]
    assert last == "rq.timeouts.JobTimeoutException: Task exceeded maximum timeout value (2 seconds)"
    assert job.get_status() == "failed"
    assert job.get_meta(refresh=True)["exc_string"].strip() == text.strip()
    assert not alive(pid)


def test_cancel_while_running(queue, worker, until, held_run):
    job, pid = hold(queue, held_run)

    job.cancel()

    until("the worker ends the model", worker.idle)
    assert not alive(pid)
    assert job.get_status() == "canceled"
    assert job.id in CanceledJobRegistry(queue=queue)
    assert StartedJobRegistry(queue=queue).get_job_ids() == []
    assert job.id not in FailedJobRegistry(queue=queue)
    assert all(slot.get_current_job() is None for slot in worker.slots())


def test_delete_while_running(queue, redis, worker, until, held_run):
    job, pid = hold(queue, held_run)

    job.delete()

    until("the worker ends the model", worker.idle)
    assert not alive(pid)
    assert redis.keys(f"*{job.id}*") == []
    assert StartedJobRegistry(queue=queue).get_job_ids() == []
    assert all(slot.get_current_job() is None for slot in worker.slots())


def test_suspend_cancel_and_resume(queue, redis, worker, until):
    suspend(redis)
    assert is_suspended(redis)
    canceled = queue.enqueue("cloud.wepp.noop")
    kept = queue.enqueue("cloud.wepp.noop")
    canceled.cancel()

    for _ in range(2):
        beats = {slot.name: slot.last_heartbeat for slot in worker.slots()}
        until(
            "heartbeats of the suspended worker",
            lambda beats=beats: all(slot.last_heartbeat > beats[slot.name] for slot in worker.slots()),
        )
    assert queue.job_ids == [kept.id]
    assert kept.get_status() == "queued"

    resume(redis)

    assert kept.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert canceled.get_status() == "canceled"
    assert canceled.latest_result() is None
    assert canceled.id in CanceledJobRegistry(queue=queue)


def test_suspend_for_a_while(queue, redis):
    suspend(redis, ttl=1)
    jobs = [queue.enqueue("cloud.wepp.noop") for _ in range(3)]
    assert {job.get_status() for job in jobs} == {"queued"}

    for job in jobs:
        assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert not is_suspended(redis)


def test_suspend_lets_running_jobs_end(queue, redis, held_run):
    job, _ = hold(queue, held_run)
    suspend(redis)

    held_run.go()

    assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
