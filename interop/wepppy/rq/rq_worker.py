"""A stand-in of ours, for tests: a worker class that hooks into rq where WEPPcloud's does.

Each execution of a job takes a lock, named in the job's meta, which is freed by the work horse, or by its supervisor when the
horse cannot. Redis keeps, for the tests, which hooks ran (`hooks:<execution>`) and who freed the lock (`freed:<execution>`).
"""

import ctypes
import json
import logging
import os
import traceback
import uuid

from rq import Worker

from wepppy.rq.wepp_rq import STATUS, get_wd, redis

PR_SET_CHILD_SUBREAPER = 36
KEPT = 3600


def runid_of(job):
    """As WEPPcloud finds it; None for a job that nobody can read."""
    try:
        first = job.args[0] if job.args else None
        return first if isinstance(first, str) else job.kwargs.get("runid") or job.meta.get("runid")
    except Exception:
        return None


class WepppyRqWorker(Worker):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.default_result_ttl = 604_800

    # In the supervisor

    def fork_work_horse(self, job, queue):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        execution = str(uuid.uuid4())
        job.meta["directory_lock_execution_id"] = execution
        job.meta["directory_lock_cleanup"] = {"execution_id": execution, "state": "not_requested"}
        job.save_meta()
        self.connection.set(f"lock:{execution}", job.id, ex=KEPT)
        self.locked_job = job
        self.note(job, "fork_work_horse")
        super().fork_work_horse(job, queue)

    def monitor_work_horse(self, job, *args):
        self.locked_job = job
        self.note(job, "monitor_work_horse")
        super().monitor_work_horse(job, *args)

    def kill_horse(self, *args, **kwargs):
        self.note(self.locked_job, "kill_horse")
        super().kill_horse(*args, **kwargs)

    # In either

    def handle_job_failure(self, job, queue, *args, **kwargs):
        self.note(job, "handle_job_failure")
        super().handle_job_failure(job, queue, *args, **kwargs)
        if not self.is_horse:
            self.publish("failed", job)
            self.free(job)
            job.get_meta(refresh=True)
            job.meta["directory_lock_cleanup"]["state"] = "complete"
            job.save_meta()

    def note(self, job, hook):
        self.keep(f"hooks:{job.meta['directory_lock_execution_id']}", hook)

    def free(self, job):
        execution = job.meta["directory_lock_execution_id"]
        self.connection.delete(f"lock:{execution}")
        self.keep(f"freed:{execution}", "horse" if self.is_horse else "supervisor")

    def keep(self, key, what):
        self.connection.rpush(key, what)
        self.connection.expire(key, KEPT)

    def publish(self, status, job):
        with redis(STATUS) as connection:
            connection.publish("f{runid}:rq", json.dumps({"job": job.id, "status": status}))

    # In the work horse

    def perform_job(self, job, queue, *args):
        runid = runid_of(job)
        job.meta["pid"] = os.getpid()
        if runid is not None:
            job.meta["runid"] = runid
        job.save()
        handler = None
        if runid and get_wd(runid).is_dir():
            handler = logging.FileHandler(get_wd(runid) / "rq.log")
            self.log.addHandler(handler)
        self.note(job, "perform_job")
        print(f"Starting job {job.id}")
        self.log.info("Starting job %s", job.id)
        try:
            good = super().perform_job(job, queue, *args)
            self.publish("success" if good else "failed", job)
            print(f"Finished job {job.id}" if good else f"Job {job.id} Failed")
            return good
        finally:
            self.free(job)
            if handler:
                self.log.removeHandler(handler)

    def handle_exception(self, job, *exc_info):
        self.note(job, "handle_exception")
        super().handle_exception(job, *exc_info)
        job.meta["exc_string"] = "".join(traceback.format_exception(*exc_info))
        job.save()
        self.publish("exception", job)
