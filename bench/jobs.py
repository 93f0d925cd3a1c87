"""Many jobs at once, and how fast they were."""

from rq import Queue
from rq.job import Job


def fill(connection, queue, function, count):
    jobs = [Queue.prepare_data(function) for _ in range(count)]
    return [job.id for job in Queue(queue, connection=connection).enqueue_many(jobs)]


def rate(connection, ids):
    """Jobs a second, from the first start to the last end, as the jobs themselves say."""
    jobs = Job.fetch_many(ids, connection=connection)
    start = min(job.started_at for job in jobs)
    end = max(job.ended_at for job in jobs)
    return len(ids) / (end - start).total_seconds()
