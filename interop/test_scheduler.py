"""Jobs for later: our worker queues them when they are due, beside rq's own schedulers."""

from datetime import datetime, timedelta, timezone

import pytest
import rq
from rq import Queue, Retry
from rq.job import Job
from rq.registry import FinishedJobRegistry, ScheduledJobRegistry
from rq.results import Result

from harness import MODE, RQ_DATABASE, WEPP, JavaWorker, PythonWorker, until

OWN_DATABASE = 7
LOCK = "rq:scheduler-lock:default"
NOOP = "cloud.wepp.noop"


@pytest.fixture
def own(servers):
    """A database where only the test's own workers are."""
    database = servers.connect(OWN_DATABASE)
    database.flushdb()
    yield database
    database.flushdb()


@pytest.fixture
def started(own, servers, tmp_path):
    """Starts our workers there; each must end well."""
    workers = []

    def start(name, **settings):
        workers.append(JavaWorker(servers, tmp_path, name, OWN_DATABASE, worker__queues="default,other", **settings))
        return workers[-1]

    yield start
    for worker in workers:
        assert worker.stop() == 0


def utc_now():
    return datetime.now(timezone.utc)


def test_enqueue_in(queue, redis):
    before = utc_now()

    job = queue.enqueue_in(timedelta(seconds=1), NOOP)

    assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    read = Job.fetch(job.id, connection=redis)
    assert read.enqueued_at.replace(tzinfo=timezone.utc) >= before.replace(microsecond=0)
    assert read.started_at >= read.enqueued_at
    assert len(job.results()) == 1
    assert job.id not in ScheduledJobRegistry(queue=queue)


def test_enqueue_at(queue, redis):
    job = queue.enqueue_at(utc_now() - timedelta(seconds=5), NOOP)
    later = queue.enqueue_at(utc_now() + timedelta(hours=1), NOOP)

    assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert later.get_status() == "scheduled"
    assert later.id in ScheduledJobRegistry(queue=queue)
    later.cancel()
    assert later.id not in ScheduledJobRegistry(queue=queue)


@pytest.mark.only("native")  # a foreign function must stay in the queue
def test_enqueue_at_the_front(queue, redis, until):
    """What only Python can run stays where it was put."""
    first = queue.enqueue("os.getpid")
    front = queue.enqueue_in(timedelta(seconds=0), "os.getpid", at_front=True)
    until("the job is queued", lambda: front.id in queue.job_ids)
    last = queue.enqueue_in(timedelta(seconds=0), "os.getpid")
    until("the job is queued", lambda: last.id in queue.job_ids)

    assert queue.job_ids == [front.id, first.id, last.id]
    assert [job.get_status() for job in (front, first, last)] == ["queued"] * 3


def test_retry_after_intervals(queue, redis, worker, until):
    def failures():
        return sum(slot.failed_job_count for slot in worker.slots())

    before = failures()

    job = queue.enqueue(WEPP + "run_hillslope_rq", "unknown", 1, retry=Retry(max=2, interval=[1, 2]))

    assert job.latest_result(timeout=30).type == Result.Type.FAILED
    assert job.get_status() == "failed"
    # rq 1.16 counts a failure after it has written it.
    until("every attempt is counted", lambda: failures() == before + 3)
    read = Job.fetch(job.id, connection=redis)
    assert read.retries_left == 0
    assert read.ended_at - read.created_at >= timedelta(seconds=2)
    assert job.id not in ScheduledJobRegistry(queue=queue)


@pytest.mark.needs(rq, "Repeat")
@pytest.mark.parametrize("interval", [0, [1, 0]])
def test_repeat(queue, redis, until, interval):
    job = queue.enqueue(NOOP, repeat=rq.Repeat(times=2, interval=interval))

    until("the job has run three times", lambda: len(job.results()) == 3 and job.get_status() == "finished")

    read = Job.fetch(job.id, connection=redis)
    assert read.repeats_left == 0
    assert {result.type for result in job.results()} == {Result.Type.SUCCESSFUL}
    assert job.id in FinishedJobRegistry(queue=queue)
    assert job.id not in queue.job_ids
    assert redis.ttl(job.key) > 0


@pytest.mark.needs(rq, "Repeat" if MODE == "native" else "RateLimit")  # rq itself begins at the end before 3.0
def test_repeat_intervals_are_used_up_from_the_front(queue, redis, until):
    job = queue.enqueue(NOOP, repeat=rq.Repeat(times=3, interval=[100, 200, 300]))
    registry = ScheduledJobRegistry(queue=queue)
    steps = [(100, [200, 300]), (200, [300]), (300, [300])]
    if MODE == "python" and not hasattr(rq.job.JobStatus, "RATE_LIMITED"):  # rq 2.x ends the job: it begins at the end
        steps = [(interval, [100, 200, 300]) for interval in (300, 200, 100)]
    for interval, left in steps:
        until("the job is to be repeated", lambda: job.id in registry and job.get_status() == "scheduled")
        due = registry.get_scheduled_time(job).astimezone(timezone.utc) - utc_now()
        assert timedelta(seconds=interval - 15) < due <= timedelta(seconds=interval)
        assert Job.fetch(job.id, connection=redis).repeat_intervals == left
        redis.zadd("rq:scheduled:default", {job.id: 0})
        until("the job runs again", lambda: redis.zscore("rq:scheduled:default", job.id) != 0)
    until("the job is done", lambda: job.get_status() == "finished")
    assert len(job.results()) == 4


def test_queue_names_its_scheduler(queue, redis, worker):
    until(redis, "the lock is taken", lambda: redis.get(LOCK))

    found = queue.scheduler_pid

    assert found == (worker.process.pid if hasattr(rq.scheduler.RQScheduler, "fetch") else int(redis.get(LOCK)))
    assert 30 < redis.ttl(LOCK) <= 61  # rq refreshes it every second, we when a third of it is over


def test_foreign_lock(own, started):
    queue = Queue("default", connection=own)
    own.set(LOCK, 12345)
    started("ours")
    until(own, "our scheduler runs", lambda: own.get("rq:scheduler-lock:other"))
    job = queue.enqueue_in(timedelta(seconds=0), NOOP)
    other = Queue("other", connection=own).enqueue_in(timedelta(seconds=1), NOOP)

    assert other.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert job.get_status() == "scheduled"
    assert own.get(LOCK) == b"12345"
    assert own.ttl(LOCK) == -1

    own.pexpire(LOCK, 100)
    assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert own.get(LOCK) == own.get("rq:scheduler-lock:other")


def test_beside_rqs_scheduler(own, servers, started):
    """First rq's scheduler has the lock, then, when it leaves, ours."""
    queue = Queue("default", connection=own)
    with PythonWorker(own, servers.url(OWN_DATABASE), "python", "--with-scheduler", "default"):
        until(own, "rq's scheduler has the lock", lambda: own.get(LOCK))
        theirs = own.get(LOCK)
        ours = started("ours")
        jobs = [queue.enqueue_in(timedelta(seconds=i % 3), NOOP) for i in range(60)]
        for job in jobs:
            assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
        assert own.get(LOCK) == theirs
        assert {len(job.results()) for job in jobs} == {1}
    until(own, "our scheduler has the lock", lambda: own.get(LOCK) not in (None, theirs))
    job = queue.enqueue_in(timedelta(seconds=1), NOOP)
    assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL

    assert ours.stop() == 0
    assert own.keys("rq:scheduler*") == []


def test_rqs_scheduler_beside_ours(queue, redis, servers):
    until(redis, "our scheduler has the lock", lambda: redis.get(LOCK))
    mine = redis.get(LOCK)
    with PythonWorker(redis, servers.url(RQ_DATABASE), "python", "--with-scheduler", "default"):
        jobs = [queue.enqueue_in(timedelta(seconds=i % 3), NOOP) for i in range(60)]
        for job in jobs:
            assert job.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
        assert {len(job.results()) for job in jobs} == {1}
        assert redis.get(LOCK) == mine
    assert redis.get(LOCK) == mine
