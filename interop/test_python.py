"""Jobs in Python, in a worker class that hooks into rq as WEPPcloud's does, beside native ones."""

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
import rq.connections
from rq import Callback, Queue, Retry
from rq.command import send_kill_horse_command, send_stop_job_command
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.results import Result
from rq.serializers import JSONSerializer

from harness import (
    BOTH_DATABASE,
    STATUS_DATABASE,
    WEPP,
    JavaWorker,
    alive,
    parent,
    python_worker,
    rest,
)

pytestmark = pytest.mark.only("python")
WEEK = 604_800
OWN_DATABASE = 6


@pytest.fixture
def worker(worker_of_both):
    return worker_of_both


@pytest.fixture
def redis(servers):
    return servers.connect(BOTH_DATABASE)


@pytest.fixture
def own(servers):
    """A database where only the test's own worker is."""
    database = servers.connect(OWN_DATABASE)
    database.flushdb()
    yield database
    database.flushdb()


def end(job):
    """The result of a job, when nothing more is due."""
    result = job.latest_result(timeout=30)
    rest(job.connection)
    assert result is not None, job.get_status()
    return result


def kept(job, what):
    """What the worker class has noted of the job's last execution."""
    execution = job.get_meta(refresh=True)["directory_lock_execution_id"]
    return [entry.decode() for entry in job.connection.lrange(f"{what}:{execution}", 0, -1)]


def assert_freed_once(job, where):
    execution = job.get_meta(refresh=True)["directory_lock_execution_id"]
    assert not job.connection.exists(f"lock:{execution}")
    assert kept(job, "freed") == [where]


def calls(job):
    return [entry.decode() for entry in job.connection.lrange(f"called:{job.id}", 0, -1)]


def freeze(horse):
    """Stops the supervisor of a work horse: it does nothing more, as if it were about to die."""
    supervisor = parent(horse)
    os.kill(supervisor, signal.SIGSTOP)
    while any(Path(f"/proc/{supervisor}/task/{thread}/stat").read_text().rpartition(")")[2].split()[0] != "T"
              for thread in os.listdir(f"/proc/{supervisor}/task")):
        pass  # each of its threads stops when it runs next
    return supervisor


def test_hooks_run(queue, redis, servers, worker, held_run):
    channel = servers.connect(STATUS_DATABASE).pubsub(ignore_subscribe_messages=True)
    channel.subscribe("f{runid}:rq")
    assert channel.get_message(timeout=30) is None  # subscribed
    job = queue.enqueue("jobs.hold", held_run.id, meta={"x": 1})
    horse, other = held_run.told()
    assert redis.get(f"lock:{job.get_meta(refresh=True)['directory_lock_execution_id']}").decode() == job.id

    held_run.go()

    assert end(job).return_value == "let go"
    assert Counter(kept(job, "hooks")) == Counter(["fork_work_horse", "monitor_work_horse", "perform_job"])
    assert_freed_once(job, "horse")
    assert not alive(horse) and not alive(other)
    assert json.loads(channel.get_message(timeout=30)["data"]) == {"job": job.id, "status": "success"}
    channel.close()
    meta = job.get_meta(refresh=True)
    assert meta["x"] == 1
    assert (meta["pid"], meta["runid"], meta["held"]) == (horse, held_run.id, held_run.id)
    assert meta["directory_lock_cleanup"]["state"] == "not_requested"
    assert WEEK - 10 <= redis.ttl(job.key) <= WEEK  # the class's own; the worker's is a day
    assert f"Starting job {job.id}" in (held_run.folder / "rq.log").read_text()
    assert f"Job OK ({job.id})" in (held_run.folder / "rq.log").read_text() or job.id in FinishedJobRegistry(queue=queue)


def stop(job, horse):
    send_stop_job_command(job.connection, job.id)


def stop_without_supervisor(job, horse):
    freeze(horse)
    send_stop_job_command(job.connection, job.id)


def kill_horse(job, horse):
    send_kill_horse_command(job.connection, Job.fetch(job.id, connection=job.connection).worker_name)


def kill(job, horse):
    os.kill(horse, signal.SIGKILL)


def kill_with_supervisor(job, horse):
    supervisor = freeze(horse)
    os.kill(horse, signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)


def kill_supervisor(job, horse):
    os.kill(parent(horse), signal.SIGKILL)


STOPPED = "Job stopped by user, work-horse terminated."
DIED = "Work-horse terminated unexpectedly; waitpid returned 9 (signal 9); "


@pytest.mark.parametrize(
    "act, status, text, monitored, told",
    [
        (stop, "stopped", STOPPED, 1, ["kill_horse"]),
        (stop_without_supervisor, "stopped", STOPPED, 2, []),
        (kill_horse, "failed", DIED + "ended by rq's kill-horse command.", 1, ["kill_horse"]),
        (kill, "failed", DIED + "it was killed by SIGKILL, not by this worker.", 1, []),
        (kill_with_supervisor, "failed", DIED, 2, []),
        (kill_supervisor, "failed", DIED, 2, []),
    ],
)
def test_lock_is_freed_once(queue, worker, until, held_run, act, status, text, monitored, told):
    job = queue.enqueue("jobs.hold", held_run.id)
    horse, other = held_run.told()
    until("the supervisor watches the horse", lambda: "monitor_work_horse" in kept(job, "hooks"))

    act(job, horse)

    assert end(job).exc_string.startswith(text)
    assert job.get_status() == status
    assert [r.type for r in job.results()] == [Result.Type.FAILED]
    assert job.id in FailedJobRegistry(queue=queue)
    assert StartedJobRegistry(queue=queue).get_job_ids() == []
    assert not alive(horse) and not alive(other)
    assert_freed_once(job, "supervisor")
    assert Counter(kept(job, "hooks")) == Counter(
        ["fork_work_horse", "perform_job", "handle_job_failure", *["monitor_work_horse"] * monitored, *told]
    )
    meta = job.get_meta(refresh=True)
    assert (meta["pid"], meta["runid"], meta["held"]) == (horse, held_run.id, held_run.id)
    assert meta["directory_lock_cleanup"]["state"] == "complete"
    assert end(queue.enqueue("jobs.say", "well")).return_value == "well"


@pytest.mark.parametrize("supervised", [True, False])
def test_timeout(queue, until, held_run, supervised):
    job = queue.enqueue("jobs.hold", held_run.id, job_timeout=2)
    horse, other = held_run.told()
    supervisor = parent(horse) if supervised else freeze(horse)

    text = job.latest_result(timeout=30).exc_string
    if not supervised:
        until("the horse is done", lambda: kept(job, "freed"))
        os.kill(supervisor, signal.SIGKILL)
    end(job)

    last = text.strip().splitlines()[-1]
    assert last == "rq.timeouts.JobTimeoutException: Task exceeded maximum timeout value (2 seconds)"
    assert job.get_status() == "failed"
    assert [r.type for r in job.results()] == [Result.Type.FAILED]
    assert not alive(horse) and not alive(other)
    assert_freed_once(job, "horse")
    meta = job.get_meta(refresh=True)
    assert meta["held"] == held_run.id
    assert meta["exc_string"].strip() == text.strip()
    assert Counter(kept(job, "hooks"))["handle_job_failure"] == 1


def test_supervisor_dies_after_success(queue, until, held_run):
    job = queue.enqueue("jobs.hold", held_run.id)
    horse, other = held_run.told()
    supervisor = freeze(horse)
    held_run.go()
    assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    until("the horse is done", lambda: kept(job, "freed"))

    os.kill(supervisor, signal.SIGKILL)

    assert end(job).return_value == "let go"
    assert job.get_status() == "finished"
    assert not alive(horse) and not alive(other)
    assert_freed_once(job, "horse")
    assert "handle_job_failure" not in kept(job, "hooks")


def test_supervisor_dies_after_a_retry(queue, redis, worker, until, held_run):
    """The job runs again already, elsewhere: what is due after the death of the first supervisor leaves it alone."""
    job = queue.enqueue("jobs.hold_then_fail_once", held_run.id, retry=Retry(max=2))
    (horse,) = held_run.told()
    supervisor = freeze(horse)
    held_run.go()
    (second,) = held_run.told()
    busy = Job.fetch(job.id, connection=redis).worker_name

    os.kill(supervisor, signal.SIGKILL)

    until("the other slot is idle", lambda: sum(slot.get_state() == "idle" for slot in worker.slots()) == 1)
    read = Job.fetch(job.id, connection=redis)
    assert (read.get_status(), read.retries_left, read.worker_name) == ("started", 1, busy)
    assert alive(second)
    held_run.go()
    assert end(job).type == Result.Type.SUCCESSFUL
    assert [r.type for r in job.results()] == [Result.Type.SUCCESSFUL]
    assert job.id not in FailedJobRegistry(queue=queue)


def test_current_job(queue, worker):
    job = queue.enqueue("jobs.what_is_current", "some key", job_timeout=77)

    id, status, name, timeout, variable = end(job).return_value

    assert (id, status, timeout, variable) == (job.id, "started", 77, job.id)
    assert name in {slot.name for slot in worker.slots()}
    assert job.get_meta(refresh=True)["seen"] == "some key"


@pytest.mark.needs(rq.connections, "get_current_connection")
def test_current_connection(queue):
    assert end(queue.enqueue("jobs.ping")).return_value is True


def test_stops_itself(queue, held_run):
    job = queue.enqueue("jobs.stop_itself", held_run.id)

    assert end(job).exc_string == STOPPED
    assert job.get_status() == "stopped"
    assert_freed_once(job, "supervisor")


def test_kills_itself(queue, held_run):
    job = queue.enqueue("jobs.kill_itself", held_run.id)

    assert end(job).exc_string.startswith(DIED)
    assert job.get_status() == "failed"
    assert_freed_once(job, "supervisor")


def test_python_stops_a_native_job(queue, held_run):
    native = queue.enqueue(WEPP + "run_hillslope_rq", held_run.id, 1, "held")
    pid = held_run.started()

    python = queue.enqueue("jobs.stop", native.id)

    assert end(native).exc_string == STOPPED
    assert native.get_status() == "stopped"
    assert end(python).type == Result.Type.SUCCESSFUL
    assert not alive(pid)


CALLBACKS = {
    "on_success": Callback("jobs.on_success"),
    "on_failure": Callback("jobs.on_failure"),
    "on_stopped": Callback("jobs.on_stopped"),
}


@pytest.mark.parametrize(
    "function, args, wanted",
    [("jobs.say", ("hi",), "success hi"), ("cloud.wepp.noop", (), "success None"), ("jobs.fail", (), "failure ValueError: always")],
)
def test_callbacks(queue, function, args, wanted):
    job = queue.enqueue(function, *args, **CALLBACKS)

    end(job)

    assert calls(job) == [wanted]


def test_stopped_callback(queue, redis, held_run):
    job = queue.enqueue("jobs.hold", held_run.id, **CALLBACKS)
    held_run.told()

    send_stop_job_command(redis, job.id)

    assert end(job).exc_string == STOPPED
    assert calls(job) == ["stopped"]


def test_stopped_callback_that_fails(queue, redis, held_run):
    """rq's own worker quits over it before 3.0."""
    job = queue.enqueue("jobs.hold", held_run.id, on_stopped=Callback("jobs.fail"))
    held_run.told()

    send_stop_job_command(redis, job.id)

    assert end(job).exc_string == STOPPED
    assert job.get_status() == "stopped"
    assert len(job.results()) == 1
    assert end(queue.enqueue("cloud.wepp.noop")).type == Result.Type.SUCCESSFUL


def test_retry(queue, redis):
    job = queue.enqueue("jobs.succeed_at", 3, retry=Retry(max=2))

    assert end(job).return_value == 3

    assert Job.fetch(job.id, connection=redis).retries_left == 0
    assert [r.type for r in job.results()] == [Result.Type.SUCCESSFUL]


def test_retry_with_intervals(queue, redis, until):
    job = queue.enqueue("jobs.succeed_at", 3, retry=Retry(max=2, interval=[300, 600]))
    registry = ScheduledJobRegistry(queue=queue)

    for wait in (300, 600):
        until("the job is scheduled", lambda: (redis.zscore(registry.key, job.id) or 0) > time.time())
        rest(redis)
        assert job.get_status() == "scheduled"
        assert time.time() + wait - 10 <= registry.get_scheduled_time(job).timestamp() <= time.time() + wait + 1
        assert StartedJobRegistry(queue=queue).get_job_ids() == []
        assert_freed_once(job, "horse")
        redis.zadd(registry.key, {job.id: 0})

    assert end(job).return_value == 3


@pytest.mark.needs(Result.Type, "RETRIED")
def test_returned_retry(queue):
    job = queue.enqueue("jobs.ask_for_retries", 2, 3)

    # The first result is of the first attempt.
    assert job.latest_result(timeout=30)
    while job.latest_result().type == Result.Type.RETRIED:
        rest(job.connection)
    assert end(job).return_value == 3
    assert [r.type for r in job.results()] == [Result.Type.SUCCESSFUL, Result.Type.RETRIED, Result.Type.RETRIED]


@pytest.mark.needs(Result.Type, "RETRIED")
def test_too_many_returned_retries(queue, until):
    job = queue.enqueue("jobs.ask_for_retries", 1, 5)

    until("the job has failed", lambda: job.get_status() == "failed")
    rest(job.connection)

    assert [r.type for r in job.results()] == [Result.Type.MAX_RETRIES_EXCEEDED, Result.Type.RETRIED]
    assert job.id in FailedJobRegistry(queue=queue)


def test_result_is_not_kept(queue, redis, until):
    job = queue.enqueue("jobs.say", "unheard", result_ttl=0)

    until("the job is gone", lambda: not redis.exists(job.key))
    rest(redis)

    assert redis.keys(f"*{job.id}*") == []
    assert job.id not in FinishedJobRegistry(queue=queue)
    assert StartedJobRegistry(queue=queue).get_job_ids() == []


def test_dependents_across_queues(queue, redis, worker):
    other = Queue("other", connection=redis)
    first = queue.enqueue("cloud.wepp.noop")
    python = other.enqueue("jobs.say", "in between", depends_on=first)
    native = queue.enqueue(WEPP + "run_hillslope_rq", "sample", 1, depends_on=python)
    last = other.enqueue("jobs.say", "at last", depends_on=[native, first])

    assert end(last).return_value == "at last"

    assert [job.get_status() for job in (first, python, native, last)] == ["finished"] * 4
    read = [Job.fetch(job.id, connection=redis) for job in (first, python, native, last)]
    assert all(before.ended_at <= after.started_at for before, after in zip(read, read[1:]))
    assert read[2].meta["pid"] == worker.process.pid
    assert read[1].meta["pid"] != worker.process.pid


@pytest.mark.parametrize("function", ["not.there", "jobs.not_there", "os.path.not_there", "jobs"])
def test_function_that_is_not_there(queue, redis, servers, function):
    ours = queue.enqueue(function)
    theirs = Queue("elsewhere", connection=redis).enqueue(function)

    python_worker(servers.url(BOTH_DATABASE), "elsewhere")

    def last_line(job):
        return end(job).exc_string.strip().splitlines()[-1]

    assert last_line(ours) == last_line(theirs)
    assert ours.get_status() == theirs.get_status() == "failed"
    assert ours.meta.keys() <= ours.get_meta(refresh=True).keys()


def test_output_is_in_the_log(queue, worker):
    job = queue.enqueue("jobs.say", "äußerst gut")

    end(job)

    lines = [line for line in worker.log.read_text().splitlines() if job.id in line]
    for said in ("äußerst gut", "a child says äußerst gut", f"Starting job {job.id}"):
        assert any(line.endswith(f"{job.id}: {said}") for line in lines), lines


def test_own_classes_and_json(own, servers, tmp_path):
    """Of a plain rq worker."""
    worker = JavaWorker(
        servers, tmp_path, "custom", OWN_DATABASE, slots=1, runs="both",
        python__worker_class="rq.worker.Worker", python__job_class="jobs.OwnJob", python__queue_class="jobs.OwnQueue",
        python__serializer="rq.serializers.JSONSerializer",
    )  # fmt: skip
    queue = Queue("default", connection=own, serializer=JSONSerializer)
    job = queue.enqueue("jobs.say", text="as JSON", meta={"x": [1]})
    native = queue.enqueue("cloud.wepp.noop", depends_on=job)
    failed = queue.enqueue("jobs.fail")

    assert end(job).return_value == "as JSON"
    assert end(native).type == Result.Type.SUCCESSFUL
    assert end(failed).exc_string.strip().endswith("ValueError: always")
    read = Job.fetch(job.id, connection=own, serializer=JSONSerializer)
    assert (read.meta["class"], read.meta["x"]) == ("OwnJob", [1])
    assert json.loads(own.hget(job.key, "meta"))
    assert own.get("enqueued by") == b"OwnQueue"
    assert worker.stop() == 0


def test_term_ends_python_jobs(own, servers, tmp_path, new_run):
    """A function that may have done something is not run again, unless its job says so."""
    queue = Queue("default", connection=own)
    worker = JavaWorker(servers, tmp_path, "leaver", OWN_DATABASE, runs="both", timing__drain="0s")
    runs = [new_run(), new_run()]
    for run in runs:
        run.hold()
    once = queue.enqueue("jobs.hold", runs[0].id)
    again = queue.enqueue("jobs.hold", runs[1].id, retry=Retry(max=1))
    processes = runs[0].told() + runs[1].told()

    assert worker.stop() == 0

    assert not any(map(alive, processes))
    assert once.latest_result().exc_string == DIED + "the worker shut down."
    assert (once.get_status(), again.get_status()) == ("failed", "queued")
    assert queue.job_ids == [again.id]
    assert StartedJobRegistry(queue=queue).get_job_ids() == []
    for job in (once, again):
        assert_freed_once(job, "supervisor")
