"""What becomes of a job when rq's own worker is killed, with another one idle beside it: bench/run losses [DRILLS] [SECONDS]

Two drills with unmodified rq: `popped` ends the worker by SIGKILL between the pop and whatever rq would do next;
`running` ends worker and work horse in the middle of the job. The last line is JSON: of so many drills, how many jobs ran
again, failed, or were lost in the time given, and after how many seconds at most.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import redis
from rq import Queue, Worker

from servers import RQ, servers, until


class KilledAtPop(Worker):
    """rq's worker, with an end to it after the pop."""

    def execute_job(self, job, queue):
        os.kill(os.getpid(), signal.SIGKILL)


def wait_for(path):
    """The job: the first time it is run it takes for ever."""
    with open(path, "a") as file:
        file.write("x")
    if os.path.getsize(path) == 1:
        time.sleep(3600)


def drill(kind, where, seconds):
    """What became of the job, and after how long."""
    connection = redis.Redis.from_url(where["redis_url"])
    connection.flushdb()
    worker_class = "losses.KilledAtPop" if kind == "popped" else "rq.worker.Worker"
    common = [RQ, "worker", "--quiet", "-u", where["redis_url"]]
    victim = subprocess.Popen([*common, "-w", worker_class, "high", "low"], start_new_session=True)
    until(lambda: len(Worker.all(connection)) == 1)
    with tempfile.NamedTemporaryFile() as ran:
        job = Queue("low", connection=connection).enqueue("losses.wait_for", ran.name, job_timeout=7200)
        if kind == "running":
            until(lambda: os.path.getsize(ran.name) == 1)
            horses = subprocess.run(["pgrep", "-P", str(victim.pid)], capture_output=True, text=True).stdout.split()
            for pid in [str(victim.pid), *horses]:
                os.kill(int(pid), signal.SIGKILL)
        victim.wait(60)
        died = time.time()
        idle = subprocess.Popen([*common, "high", "low"])
        try:
            while time.time() - died < seconds:
                status = job.get_status()
                if status in ("finished", "failed"):
                    return status, time.time() - died
                time.sleep(0.2)
            return "lost" if job.get_status() == "queued" and job.id not in Queue("low", connection=connection).job_ids else "waits", seconds
        finally:
            idle.terminate()
            idle.wait(60)


def main():
    drills = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 1000
    found = {}
    with servers() as where:
        for kind in ("popped", "running"):
            ends = [drill(kind, where, seconds) for _ in range(drills)]
            found[kind] = {
                "ends": [end for end, _ in ends],
                "seconds_at_most": round(max(after for _, after in ends), 1),
            }
            print(kind, found[kind], flush=True)
    print(json.dumps({"drills": drills, "waited": seconds, **found}))


if __name__ == "__main__":
    main()
