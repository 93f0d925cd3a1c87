"""One rq version's own client, in a process of its own: what it reads and does. See harness.client().

Takes the URL of the database, a function's name and its arguments as JSON; prints what the function returns as JSON.
"""

import json
import sys

from redis import Redis
from rq import Queue, Worker
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.scheduler import RQScheduler


def enqueue(connection, queue, times, function, *args):
    """The ids of so many equal jobs."""
    queue = Queue(queue, connection=connection)
    return [queue.enqueue(function, *args).id for _ in range(times)]


def text(time):
    return time and f"{time:%Y-%m-%dT%H:%M:%S.%f}"


def read(connection, *ids):
    """All that a client can tell of jobs; `place` names the registries and the queue that hold them."""
    found = {}
    for job in Job.fetch_many(ids, connection=connection):
        result = job.latest_result()
        registries = [kind(job.origin, connection=connection) for kind in (StartedJobRegistry, FinishedJobRegistry, FailedJobRegistry)]
        found[job.id] = {
            "status": str(getattr(job.get_status(), "value", job.get_status())),
            "function": job.func_name,
            "args": list(job.args),
            "value": repr(job.return_value()),
            "results": [(r.type.value, repr(r.return_value), r.exc_string) for r in job.results()],
            "latest": result and (result.type.value, repr(result.return_value), result.exc_string),
            "worker": job.worker_name,
            "times": [text(t) for t in (job.created_at, job.enqueued_at, job.started_at, job.ended_at)],
            "place": [type(r).__name__ for r in registries if job.id in r] + ["Queue"] * (job.id in Queue(job.origin, connection=connection).job_ids),
        }
    return found


def workers(connection):
    return {
        worker.name: {
            "state": str(getattr(worker.get_state(), "value", worker.get_state())),
            "queues": worker.queue_names(),
            "job": worker.get_current_job_id(),
        }
        for worker in Worker.all(connection=connection)
    }


def clean(connection, *queues):
    """The maintenance of a worker that serves these queues, whoever else is at it."""
    found = [Queue(name, connection=connection) for name in queues]
    for queue in found:
        queue.acquire_maintenance_lock = lambda: True
        queue.release_maintenance_lock = lambda: None
    worker = Worker(found, connection=connection)
    worker.clean_registries()
    if hasattr(worker, "clean_group_registries"):
        worker.clean_group_registries()


def schedule(connection, *queues):
    """A scheduler without a worker, until it is terminated. It must be able to have all of the locks."""
    scheduler = RQScheduler(queues, connection=connection, interval=1)
    assert scheduler.acquire_locks() == set(queues)
    scheduler.work()


if __name__ == "__main__":
    url, name, arguments = sys.argv[1:]
    print(json.dumps(globals()[name](Redis.from_url(url), *json.loads(arguments))))
