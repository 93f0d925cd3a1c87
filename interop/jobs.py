"""Job functions, callbacks and classes that the tests name to the worker."""

import os
import subprocess

from rq import Queue, Retry, get_current_job
from rq.command import send_kill_horse_command, send_stop_job_command
from rq.job import Job

from wepppy.rq.wepp_rq import get_wd


def hold(runid):
    """Runs until it is let go. Tells its process, and one of its own in another session that would outlive it."""
    job = get_current_job()
    job.meta["held"] = runid
    job.save_meta()
    other = subprocess.Popen(["sleep", "600"], start_new_session=True)
    wait(runid, other.pid)
    return "let go"


def wait(runid, *processes):
    runs = get_wd(runid) / "wepp" / "runs"
    (runs / "started").write_text(f"{' '.join(map(str, [os.getpid(), *processes]))}\n")
    with open(runs / "gate") as gate:
        gate.readline()


def hold_then_fail_once(runid):
    job = get_current_job()
    wait(runid)
    if job.connection.incr(f"attempts:{job.id}") == 1:
        raise ValueError("the first attempt")


def fail():
    raise ValueError("always")


def succeed_at(attempt):
    job = get_current_job()
    reached = job.connection.incr(f"attempts:{job.id}")
    if reached < attempt:
        raise ValueError(f"attempt {reached}")
    return reached


def ask_for_retries(most, successful):
    job = get_current_job()
    reached = job.connection.incr(f"attempts:{job.id}")
    return reached if reached == successful else Retry(max=most)


def what_is_current(key):
    """The job as its function sees it."""
    job = get_current_job()
    job.meta["seen"] = key
    job.save_meta()
    return job.id, job.get_status(), job.worker_name, job.timeout, os.environ["RQ_JOB_ID"]


def change_meta_and_fail():
    job = get_current_job()
    job.meta["y"] = 3
    job.meta["z"] = 4
    job.save_meta()
    raise ValueError("after the change")


class Counter:
    def __init__(self, start):
        self.start = start

    def add(self, more):
        return self.start + more

    __call__ = add

    @staticmethod
    def nothing():
        return 0

    @classmethod
    def of(cls, number):
        return cls.__name__, number


async def later(result):
    return result


def hold_and_retry(runid):
    wait(runid)
    return Retry(max=1, interval=100, enqueue_at_front=True)


def ping():
    from rq import get_current_connection

    return get_current_connection().ping()


def count(key):
    """How often this has run."""
    return get_current_job().connection.incr(key)


def say(text):
    print(text)
    subprocess.run(["echo", "a child says", text], check=True)
    return text


def stop(job_id):
    send_stop_job_command(get_current_job().connection, job_id)


def stop_itself(runid):
    job = get_current_job()
    send_stop_job_command(job.connection, job.id)
    wait(runid)


def kill_itself(runid):
    job = get_current_job()
    send_kill_horse_command(job.connection, job.worker_name)
    wait(runid)


def cancel_itself():
    get_current_job().cancel()


def note_status(job, connection, *_):
    called(job, connection, str(job.get_status(refresh=False)))


def called(job, connection, what):
    connection.rpush(f"called:{job.id}", what)
    connection.expire(f"called:{job.id}", 600)


def on_success(job, connection, result):
    called(job, connection, f"success {result}")


def on_failure(job, connection, kind, value, traceback):
    called(job, connection, f"failure {kind.__name__}: {value}")


def on_stopped(job, connection):
    called(job, connection, "stopped")


class OwnJob(Job):
    def perform(self):
        self.meta["class"] = type(self).__name__
        self.save_meta()
        return super().perform()


class OwnQueue(Queue):
    def enqueue_dependents(self, job, *args, **kwargs):
        job.connection.set("enqueued by", type(self).__name__)
        return super().enqueue_dependents(job, *args, **kwargs)
