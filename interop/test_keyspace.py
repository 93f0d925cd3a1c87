"""After the same scenario, rq's own worker and ours leave the same in Redis, but for what docs/protocol.md says.

Each scenario is run with both, each in a database of its own; then every key, type, field, score and time to live is compared.
"""

import contextlib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
import rq
import rq.command
from rq import Queue, Retry, Worker
from rq.command import send_kill_horse_command, send_shutdown_command, send_stop_job_command
from rq.job import Callback, Dependency, Job
from rq.registry import StartedJobRegistry
from rq.results import Result
from rq.suspension import resume, suspend

import harness
import jobs
from harness import MODE, WEPP, JavaWorker, PythonWorker
from keyspace import ABSENT, YEAR, Difference, differences, snapshot

with contextlib.suppress(ImportError):
    from rq.rate_limit import RateLimitRegistry

OUR_DATABASE, THEIR_DATABASE, PREFIX_DATABASE = 10, 11, 12
NOOP = "cloud.wepp.noop"
HILLSLOPE = WEPP + "run_hillslope_rq"  # without arguments it fails at once
THEIRS = "theirs"

# No part of any job's state: held while somebody cleans, and for a while after that; our own stream, which Postgres empties.
IGNORED = ("rq:clean_registries:*", "rq:clean_groups", "rq:wepp:events", "rq:wepp:source")

FIRST = rq.VERSION.startswith("1.")
OLD = not hasattr(rq, "Repeat")  # up to 2.0
NEW = hasattr(rq, "RateLimit")  # from 3.0
NATIVE = MODE == "native"


def documented(*, when=True, scenario="*", why, differences):
    """One reason, in the words of docs/protocol.md, and what of the keys it explains: key, field, theirs, ours."""
    return [Difference(*difference, why, scenario) for difference in differences] if when else []


RESULT_TYPE_ERROR = "TypeError: run_hillslope_rq() missing*"

DOCUMENTED = [
    *documented(
        why="our own keys and fields",
        when=NATIVE,
        differences=[("rq:job:*", "claim", ABSENT, ""), ("rq:job:*", "settled", ABSENT, "<settled>")],
    ),
    *documented(
        why="our own field: the claim under which a work horse started",
        when=not NATIVE,
        differences=[("rq:job:*", "begun", ABSENT, "*")],
    ),
    *documented(
        why="our own key: how rq ended a Python job, for a minute after that was recorded",
        when=not NATIVE,
        differences=[("rq:wepp:ended:<claim>", "*", ABSENT, "*")],
    ),
    *documented(
        why="the worker says what it is",
        differences=[("rq:worker:<worker>", "version", "*", "*"), ("rq:worker:<worker>", "python_version", "*", "Java 25")],
    ),
    *documented(
        why="a slot's state says whether it runs a job; that all are suspended, rq:suspended says",
        differences=[("rq:worker:<worker>", "state", "suspended", "idle")],
    ),
    *documented(
        why="monitors up to 2.12 read it",
        when=NEW,
        differences=[("rq:worker:<worker>", "current_job_working_time", ABSENT, "0")],
    ),
    *documented(
        why="clients since 2.10 read it",
        when=OLD,
        differences=[("rq:scheduler:<scheduler>", "*", ABSENT, "*")],
    ),
    *documented(
        why="later versions write and read them",
        when=OLD and NATIVE,
        differences=[("rq:results:*", "* worker_name", ABSENT, "<worker>"), ("rq:results:*", "* execution_*", ABSENT, "*")],
    ),
    *documented(
        why="WEPPcloud's functions keep it in meta, as its worker class does",
        when=NATIVE,
        differences=[
            ("rq:job:*", "meta", "*", "{*'pid': '<pid>', 'runid': '<run>'*}"),
            ("rq:job:*", "meta", "*", "{'exc_string': *}"),
        ],
    ),
    *documented(
        why="the stand-in says it otherwise",
        when=NATIVE,
        differences=[("rq:results:*", "* exc_string", "TypeError: missing a required argument: 'runid'", RESULT_TYPE_ERROR)],
    ),
    *documented(
        why="results live as long as their job",
        when=NATIVE,
        differences=[("rq:results:*", "(ttl)", "none", str(YEAR))],
    ),
    *documented(
        why="a failure that is not kept is in no registry",
        scenario="fail_and_keep_the_failure",
        differences=[("rq:failed:default", "c", "0", ABSENT)],
    ),
    *documented(
        why="a job whose horse died keeps its worker_name",
        scenario="[sklhc]*",
        differences=[("rq:job:*", "worker_name", "", "<worker>"), ("rq:job:*", "last_heartbeat", "", "<time>")],
    ),
    *documented(
        why="kill-horse: the same text, and then who did it",
        differences=[("rq:results:*", "* exc_string", "Work-horse terminated unexpectedly; *;", "Work-horse terminated unexpectedly; *; *")],
    ),
    *documented(
        why="a stopped job keeps its ended_at, and its time is counted",
        when=NATIVE,
        scenario="*stop*",
        differences=[
            ("rq:job:a", "ended_at", "", "<time>"),
            ("rq:results:a", "1 execution_ended_at", ABSENT, "<epoch>"),
            ("rq:worker:<worker>", "total_working_time", ABSENT, "<seconds>"),
        ],
    ),
    *documented(
        why="a job that is canceled while it runs has been started, and ends at once",
        scenario="cancel_while_it_runs",
        differences=[("rq:job:a", "started_at", "", "<time>")],
    ),
    *documented(
        why="in Python rq ends it like a stopped one; it stays canceled",
        when=not NATIVE,
        scenario="cancel_while_it_runs",
        differences=[
            ("rq:job:a*", "(ttl)", "none", str(YEAR)),
            ("rq:results:a", "*", ABSENT, "*"),
            ("rq:worker:<worker>", "failed_job_count", ABSENT, "1"),
        ],
    ),
    *documented(
        why="rq before 2.8 releases the children of stopped jobs",
        when=OLD and NATIVE,
        scenario="stop_a_parent",
        differences=[
            ("rq:job:[bc]", "enqueued_at", "<time>", ABSENT),
            ("rq:job:[bc]", "status", "queued", "deferred"),
            ("rq:queue:*", "*", "*", ABSENT),
            ("rq:deferred:*", "*", ABSENT, "*"),
            ("rq:job:a:dependents", "*", ABSENT, "*"),
        ],
    ),
    *documented(
        why="rq 1.x releases the children of stopped jobs",
        when=FIRST and NATIVE,
        scenario="stop_a_parent",
        differences=[("rq:queues", "rq:queue:other", "member", ABSENT)],
    ),
    *documented(
        why="rq 1.x forgets the entry of a job that was in another queue than its own",
        when=FIRST,
        scenario="in_the_wrong_queue",
        differences=[("rq:wip:default", "*", "*", ABSENT)],
    ),
    *documented(
        why="rq 1.x writes no result of an abandoned job",
        when=OLD,
        scenario="abandoned",
        differences=[("rq:job:a", "exc_info", "*", ABSENT), ("rq:results:a", "*", ABSENT, "*")],
    ),
    *documented(
        why="rq 2.x takes the intervals of repeats from the end",
        when=NATIVE and not OLD and not NEW,
        scenario="repeat_later",
        differences=[("rq:job:a", "repeat_intervals", "100 200", "200"), ("rq:scheduled:default", "a", "200", "100")],
    ),
    *documented(
        why="writes fields, where rq writes the whole hash from memory",
        when=NATIVE,
        scenario="fields_are_missing",
        differences=[("rq:job:a", "*_callback_name", "", ABSENT)],
    ),
    *documented(
        why="writes fields, where rq writes the whole hash from memory",
        when=NATIVE and not FIRST,
        scenario="fields_are_missing",
        differences=[("rq:job:a", "group_id", "", ABSENT)],
    ),
]


class Side:
    """A database with one worker, and nothing else than what a scenario puts there."""

    def __init__(self, servers, database):
        self.redis = servers.connect(database)
        self.url = servers.url(database)
        self.default = Queue("default", connection=self.redis)
        self.other = Queue("other", connection=self.redis)
        self.worker = None  # ours
        self.folders = {str(servers.runs): "<runs>", str(servers.bin): "<bin>"}
        self.runs = None
        self.words = {}

    def begin(self, runs):
        self.runs = runs
        self.words = {worker.name: "<worker>" for worker in self.workers()}
        self.words.update(self.folders)

    def end(self):
        """Leaves nothing to be done to the next scenario."""
        for queue in (self.default, self.other):
            queue.empty()
        resume(self.redis)
        for worker in self.workers():
            if worker.get_state() == "busy":
                send_kill_horse_command(self.redis, worker.name)
        self.idle()
        self.clear()

    def workers(self):
        return Worker.all(connection=self.redis)

    def clear(self):
        """Only the worker and its scheduler stay, and they have done nothing yet."""
        keep = (b"rq:worker", b"rq:scheduler", b"rq:clean_", b"rq:suspended", b"rq:wepp:events", b"rq:wepp:source")
        with self.redis.pipeline() as pipe:
            for key in self.redis.keys("*"):
                if not key.startswith(keep):
                    pipe.delete(key)
                elif key.startswith(b"rq:worker:") and self.redis.type(key) == b"hash":
                    pipe.hdel(key, "successful_job_count", "failed_job_count", "total_working_time")
            pipe.execute()

    def enqueue(self, id, function, *args, queue=None, **options):
        return (queue or self.default).enqueue(function, *args, job_id=id, **options)

    def held(self, id, spoiled=False, **options):
        """A job that runs until its run is told to go on."""
        run = self.runs()
        if spoiled:
            run.spoil()
        run.hold()
        job = self.enqueue(id, HILLSLOPE, run.id, 1, "held", **options)
        run.started()
        return job, run

    def held_in_python(self, id, function, **options):
        """The same, with a function of jobs.py."""
        run = self.runs()
        run.hold()
        job = self.enqueue(id, function, run.id, **options)
        run.told()
        return job, run

    def status(self, id):
        """None when there is no such job."""
        status = self.redis.hget(f"rq:job:{id}", "status")
        return status and status.decode()

    def until(self, what, condition):
        return harness.until(self.redis, what, condition)

    def ended(self, **statuses):
        """Waits until the jobs are in these states, and nothing of a job is left to be done."""
        for id, status in statuses.items():
            self.until(f"{id} is {status}, not {self.status(id)}", lambda: self.status(id) == status)
        self.idle()

    def idle(self):
        """Nothing runs, and nothing waits that could."""

        def rests():
            waiting = not self.redis.exists("rq:suspended") and (self.default.count or self.other.count)
            return not waiting and all(w.get_state() in ("idle", "suspended") for w in self.workers())

        self.until("the worker is idle", rests)

    def busy(self):
        """Nothing else is taken until free(). Of the job that runs nothing will be left."""
        _, self.running = self.held("first", result_ttl=0)

    def free(self):
        self.running.go()

    def suspended(self):
        """From now on nothing is taken. rq looks for that after a job, not while it waits for one."""
        first, run = self.held("first")
        self.suspended_after_the_job()
        run.go()
        self.ended(first="finished")
        self.until("the worker sees it", lambda: self.worker or self.workers()[0].get_state() == "suspended")
        self.clear()

    def suspended_after_the_job(self):
        suspend(self.redis)

    def due(self, id):
        """What is scheduled is due now."""
        self.redis.zadd("rq:scheduled:default", {id: int(time.time()) - 1}, xx=True)

    def limits_are_cleaned(self):
        """Ours looks for limits that nobody uses often, rq every ten minutes."""
        for key in self.redis.smembers("rq:rl-keys"):
            limit = key.decode()
            if not self.redis.exists(f"rq:rl:{limit}:allowed", f"rq:rl:{limit}:rate_limited"):
                if self.worker:
                    self.until("the limit is gone", lambda: not self.redis.exists("rq:rl-keys", f"rq:rl:{limit}"))
                else:
                    RateLimitRegistry(limit, connection=self.redis).cleanup()

    def snapshot(self):
        self.limits_are_cleaned()
        return snapshot(self.redis, self.words, IGNORED)


@pytest.fixture(scope="module")
def theirs(servers):
    side = Side(servers, THEIR_DATABASE)
    side.redis.flushdb()
    with PythonWorker(
        side.redis, side.url, THEIRS, "--with-scheduler", "default", "other"
    ):
        yield side
    side.redis.flushdb()


@pytest.fixture(scope="module")
def ours(servers, tmp_path_factory):
    side = Side(servers, OUR_DATABASE)
    side.redis.flushdb()
    worker = JavaWorker(
        servers,
        tmp_path_factory.mktemp("keyspace"),
        "ours",
        OUR_DATABASE,
        slots=1,
        worker__queues="default,other",
        python__worker_class="rq.worker.Worker",
        timing__result_ttl="500s",
        timing__maintenance="300ms",
        timing__patience="100ms",
    )
    side.worker = worker
    yield side
    assert worker.process.poll() is not None or worker.stop() == 0
    side.redis.flushdb()


SCENARIOS = {}
PYTHON = "python"


def scenario(*, needs=None, only=None):
    """Registers one. needs: (owner, name) that this rq must have; only: the mode that it is about."""

    def register(function):
        if (needs is None or hasattr(*needs)) and only in (None, MODE):
            SCENARIOS[function.__name__] = function
        return function

    return register


# How a job ends


@scenario()
def finish(side):
    side.enqueue("a", NOOP)
    side.ended(a="finished")


@scenario()
def finish_with_a_result(side):
    side.enqueue("a", HILLSLOPE, side.runs().id, 1, description="mine", meta={"x": 1}, job_timeout=77)
    side.ended(a="finished")


@scenario()
def finish_and_keep_the_result(side):
    side.enqueue("a", NOOP, result_ttl=50)
    side.enqueue("b", NOOP, result_ttl=-1)
    side.enqueue("c", NOOP, result_ttl=0)
    side.enqueue("d", NOOP, ttl=100)
    side.enqueue("e", NOOP, ttl=100, result_ttl=-1, failure_ttl=50)
    side.ended(a="finished", b="finished", c=None, d="finished", e="finished")


@scenario()
def text_of_all_kinds(side):
    side.enqueue("a", NOOP, "阿达姆", name="ä 😀", description="你好 世界!", meta={"né": ["ü"]})
    side.ended(a="finished")


@scenario()
def time_to_live_while_it_runs(side):
    """It is for the wait only."""
    _, run = side.held("a", ttl=1000)
    assert side.redis.ttl("rq:job:a") == -1
    run.go()
    side.ended(a="finished")


@scenario()
def fail(side):
    side.enqueue("a", HILLSLOPE)
    side.ended(a="failed")


@scenario()
def fail_and_keep_the_failure(side):
    side.enqueue("a", HILLSLOPE, failure_ttl=50)
    side.enqueue("b", HILLSLOPE, failure_ttl=-1)
    side.enqueue("c", HILLSLOPE, failure_ttl=0)
    side.enqueue("d", HILLSLOPE, ttl=100)
    side.ended(a="failed", b="failed", c=None, d="failed")
    if side.worker:  # in Python rq writes it, but it has expired
        side.until("it is in no registry", lambda: side.redis.zscore("rq:failed:default", "c") is None)


@scenario()
def requeue(side):
    job, run = side.held("a", spoiled=True)
    side.suspended_after_the_job()
    side.enqueue("b", NOOP)
    run.go()
    side.ended(a="failed")
    job.requeue()
    side.ended(a="queued")


@scenario()
def requeue_and_fail_again(side):
    job = side.enqueue("a", HILLSLOPE, failure_ttl=100)
    side.ended(a="failed")
    job.requeue()
    side.until("the second failure", lambda: side.redis.xlen("rq:results:a") == 2)
    side.ended(a="failed")


@scenario()
def stop(side):
    side.held("a", retry=Retry(max=2))
    send_stop_job_command(side.redis, "a")
    side.ended(a="stopped")


@scenario()
def stop_a_parent(side):
    side.held("a")
    side.enqueue("b", NOOP, depends_on="a")
    side.enqueue("c", NOOP, depends_on=Dependency(jobs=["a"], allow_failure=True), queue=side.other)
    side.suspended_after_the_job()
    send_stop_job_command(side.redis, "a")
    side.ended(a="stopped")


@scenario(needs=(rq.command, "send_stop_execution_command"))
def stop_an_execution(side):
    job, _ = side.held("a", failure_ttl=200)
    rq.command.send_stop_execution_command(side.redis, "a", job.get_executions()[0].id)
    side.ended(a="stopped")


@scenario()
def kill(side):
    side.held("a", failure_ttl=100)
    send_kill_horse_command(side.redis, side.workers()[0].name)
    side.ended(a="failed")


@scenario()
def kill_and_retry(side):
    _, run = side.held("a", retry=Retry(max=1))
    send_kill_horse_command(side.redis, side.workers()[0].name)
    run.started()
    run.go()
    side.ended(a="finished")


@scenario()
def time_out(side):
    side.held("a", job_timeout=1)
    side.ended(a="failed")


@scenario()
def no_time_out(side):
    side.enqueue("a", NOOP, job_timeout=-1)
    side.ended(a="finished")


# Once more


@scenario()
def retry(side):
    side.enqueue("a", HILLSLOPE, retry=Retry(max=2))
    side.ended(a="failed")


@scenario()
def retry_with_time_to_live(side):
    side.enqueue("a", HILLSLOPE, retry=Retry(max=1), ttl=1000, failure_ttl=200)
    side.ended(a="failed")


@scenario()
def retry_while_others_wait(side):
    _, run = side.held("a", retry=Retry(max=1), spoiled=True)
    side.suspended_after_the_job()
    side.enqueue("b", NOOP)
    run.go()
    side.ended(a="queued")


@scenario(needs=(Job, "should_enqueue_at_front"))
def retry_at_the_front(side):
    _, run = side.held("a", retry=Retry(max=1, enqueue_at_front=True), spoiled=True)
    side.suspended_after_the_job()
    side.enqueue("b", NOOP)
    run.go()
    side.ended(a="queued")


@scenario()
def retry_later(side):
    side.enqueue("a", HILLSLOPE, retry=Retry(max=3, interval=[100, 200]))
    side.ended(a="scheduled")


@scenario(needs=(Job, "should_enqueue_at_front"))
def retry_later_at_the_front(side):
    _, run = side.held("a", spoiled=True, retry=Retry(max=1, interval=100, enqueue_at_front=True))
    side.suspended_after_the_job()
    side.enqueue("b", NOOP)
    run.go()
    side.ended(a="scheduled")
    side.due("a")
    side.ended(a="queued")


@scenario()
def retry_later_and_fail(side):
    side.enqueue("a", HILLSLOPE, retry=Retry(max=2, interval=[100, 200]), meta={"x": 1})
    for left in (b"1", b"0"):
        side.until("it waits", lambda: side.redis.hget("rq:job:a", "retries_left") == left)
        side.ended(a="scheduled")
        side.until("it is scheduled", lambda: side.redis.zscore("rq:scheduled:default", "a"))
        side.due("a")
    side.ended(a="failed")


@scenario(needs=(rq, "Repeat"))
def repeat(side):
    side.enqueue("a", NOOP, repeat=rq.Repeat(times=2))
    side.until("the last result", lambda: side.redis.xlen("rq:results:a") == 3)
    side.ended(a="finished")


@scenario(needs=(rq, "Repeat"))
def repeat_later(side):
    side.enqueue("a", NOOP, repeat=rq.Repeat(times=3, interval=[100, 200]), result_ttl=300)
    side.ended(a="scheduled")


@scenario(needs=(rq, "Repeat"))
def repeat_later_until_the_end(side):
    side.enqueue("a", NOOP, repeat=rq.Repeat(times=2, interval=100), result_ttl=50, ttl=1000)
    for n in (1, 2):
        side.until("the result", lambda: side.redis.xlen("rq:results:a") == n)
        side.ended(a="scheduled")
        side.due("a")
    side.ended(a="finished")


@scenario(needs=(rq, "Repeat"))
def repeat_without_results(side):
    side.enqueue("a", NOOP, repeat=rq.Repeat(times=2), result_ttl=0)
    side.ended(a=None)


@scenario(needs=(rq, "Repeat"))
def fail_instead_of_a_repeat(side):
    side.enqueue("a", HILLSLOPE, repeat=rq.Repeat(times=2))
    side.ended(a="failed")


# Canceled and deleted


def running(side, id):
    """A job that runs here, and waits there until side.free()."""
    side.busy()
    run = side.runs()
    run.hold()
    job = side.enqueue(id, HILLSLOPE, run.id, 1, "held")
    if side.worker:
        side.free()
        run.started()
    return job


@scenario()
def cancel_while_it_waits(side):
    side.busy()
    job = side.enqueue("a", NOOP)
    side.enqueue("b", NOOP, depends_on="a")
    side.enqueue("c", NOOP)
    job.cancel()
    side.free()
    side.ended(a="canceled", c="finished")


@scenario()
def cancel_and_release_dependents(side):
    side.busy()
    job = side.enqueue("a", NOOP)
    side.enqueue("b", NOOP, depends_on="a")
    job.cancel(enqueue_dependents=True)
    side.free()
    side.ended(a="canceled", b="finished")


@scenario()
def canceled_id_in_the_queue(side):
    """rq runs it in spite of that: without the id is the measure."""
    side.busy()
    side.enqueue("a", NOOP).cancel()
    if side.worker:
        side.default.push_job_id("a")
    side.enqueue("b", NOOP)
    side.free()
    side.ended(b="finished")


@scenario()
def cancel_while_it_runs(side):
    """rq finishes it all the same: one that waits is the measure."""
    job = running(side, "a")
    side.enqueue("b", NOOP, depends_on="a")
    job.cancel()
    if side.worker is None:
        side.free()
    side.idle()
    side.enqueue("c", NOOP)
    side.ended(c="finished")


@scenario()
def delete_while_it_waits(side):
    side.busy()
    job = side.enqueue("a", NOOP)
    side.enqueue("b", NOOP, depends_on="a")
    side.enqueue("c", NOOP)
    job.delete()
    side.free()
    side.ended(c="finished")


@scenario()
def delete_while_it_runs(side):
    """rq makes it anew at its end: one that waits is the measure."""
    job = running(side, "a")
    side.enqueue("b", NOOP, depends_on="a")
    job.delete()
    if side.worker is None:
        side.free()
    side.idle()
    side.enqueue("c", NOOP)
    side.ended(c="finished")


@scenario()
def delete_with_dependents(side):
    side.busy()
    job = side.enqueue("a", NOOP)
    side.enqueue("b", NOOP, depends_on="a")
    job.delete(delete_dependents=True)
    side.free()
    side.enqueue("c", NOOP)
    side.ended(c="finished")


# Jobs that wait for jobs


@scenario()
def chain(side):
    side.busy()
    side.enqueue("a", NOOP)
    side.enqueue("b", NOOP, depends_on="a", queue=side.other)
    side.enqueue("c", NOOP, depends_on="b", result_ttl=-1)
    side.free()
    side.ended(c="finished")


@scenario()
def several_parents(side):
    side.busy()
    side.enqueue("a", NOOP)
    side.enqueue("b", NOOP, result_ttl=0)
    side.enqueue("c", NOOP, depends_on=["a", "b"], queue=side.other)
    side.free()
    side.ended(a="finished", b=None, c="finished")


@scenario()
def one_parent_has_ended(side):
    _, run = side.held("a")
    side.enqueue("b", NOOP)
    side.enqueue("c", NOOP, depends_on=["a", "b"])
    side.suspended_after_the_job()
    run.go()
    side.ended(a="finished", c="deferred")


@scenario()
def parent_of_an_unknown_job(side):
    side.busy()
    side.enqueue("a", NOOP)
    side.enqueue("b", NOOP, depends_on=Dependency(jobs=["a"]))
    side.redis.delete("rq:job:b")
    side.free()
    side.ended(a="finished")


@scenario()
def failed_parent(side):
    side.busy()
    side.enqueue("a", HILLSLOPE)
    side.enqueue("strict", NOOP, depends_on="a")
    side.enqueue("lenient", NOOP, depends_on=Dependency(jobs=["a"], allow_failure=True), queue=side.other)
    side.enqueue("both", NOOP, depends_on=Dependency(jobs=["a", "lenient"], allow_failure=True))
    side.free()
    side.ended(a="failed", lenient="finished", both="finished")


@scenario()
def parent_is_tried_again(side):
    side.busy()
    side.enqueue("a", HILLSLOPE, retry=Retry(max=1))
    side.enqueue("b", NOOP, depends_on=Dependency(jobs=["a"], allow_failure=True))
    side.free()
    side.ended(a="failed", b="finished")


@scenario()
def parent_waits_for_its_retry(side):
    side.busy()
    side.enqueue("a", HILLSLOPE, retry=Retry(max=1, interval=100))
    side.enqueue("b", NOOP, depends_on=Dependency(jobs=["a"], allow_failure=True))
    side.free()
    side.ended(a="scheduled")


@scenario()
def children_in_their_order(side):
    _, run = side.held("a")
    side.suspended_after_the_job()
    side.enqueue("waits", NOOP)
    side.enqueue("waits-elsewhere", NOOP, queue=side.other)
    side.enqueue("back", NOOP, depends_on="a")
    side.enqueue("front", NOOP, depends_on=Dependency(jobs=["a"], enqueue_at_front=True))
    side.enqueue("back-elsewhere", NOOP, depends_on="a", queue=side.other)
    run.go()
    side.ended(a="finished", back="queued")


@scenario()
def child_with_times_to_live(side):
    _, run = side.held("a", result_ttl=100)
    side.suspended_after_the_job()
    side.enqueue("b", NOOP, depends_on="a", ttl=1000, failure_ttl=50)
    run.go()
    side.ended(a="finished", b="queued")


@scenario()
def killed_parent(side):
    side.held("a")
    side.enqueue("strict", NOOP, depends_on="a")
    side.enqueue("lenient", NOOP, depends_on=Dependency(jobs=["a"], allow_failure=True))
    send_kill_horse_command(side.redis, side.workers()[0].name)
    side.ended(a="failed", lenient="finished")


@scenario()
def canceled_in_a_chain(side):
    side.busy()
    side.enqueue("a", NOOP)
    between = side.enqueue("b", NOOP, depends_on="a")
    side.enqueue("c", NOOP, depends_on="b")
    side.enqueue("d", NOOP, depends_on="c")
    between.cancel(enqueue_dependents=True)
    side.free()
    side.ended(a="finished", d="finished")


@scenario()
def canceled_child(side):
    side.busy()
    side.enqueue("a", NOOP)
    child = side.enqueue("b", NOOP, depends_on="a")
    side.enqueue("c", NOOP, depends_on="a")
    side.enqueue("d", NOOP, depends_on="b")
    child.cancel()
    side.free()
    side.ended(a="finished", c="finished")


@scenario()
def unknown_parent(side):
    side.enqueue("a", NOOP, depends_on=["gone"])
    side.ended(a="finished")


# Jobs for later


@scenario()
def scheduled(side):
    side.default.enqueue_in(timedelta(0), NOOP, job_id="a")
    side.default.enqueue_at(datetime.now(timezone.utc) + timedelta(seconds=1000), NOOP, job_id="b", ttl=2000)
    side.ended(a="finished")


@scenario()
def scheduled_at_the_front(side):
    side.suspended()
    side.enqueue("waits", NOOP)
    side.default.enqueue_in(timedelta(0), NOOP, job_id="front", at_front=True, ttl=200)
    side.ended(front="queued")
    side.default.enqueue_in(timedelta(0), NOOP, job_id="back")
    side.ended(back="queued")


@scenario()
def scheduled_and_failed(side):
    side.default.enqueue_in(timedelta(0), HILLSLOPE, job_id="a", retry=Retry(max=1))
    side.ended(a="failed")


@scenario()
def scheduled_and_canceled(side):
    side.default.enqueue_in(timedelta(seconds=1000), NOOP, job_id="a").cancel()
    side.enqueue("b", NOOP)
    side.ended(b="finished")


# What need not be there


@scenario()
def expired(side):
    """Its id stays in the queue, in which rq looks for it in vain."""
    side.busy()
    side.enqueue("a", NOOP, ttl=100)
    side.enqueue("b", NOOP)
    side.redis.delete("rq:job:a")
    side.free()
    side.ended(b="finished")


@scenario()
def without_data(side):
    side.busy()
    side.enqueue("a", NOOP)
    side.redis.hdel("rq:job:a", "data")
    side.enqueue("b", NOOP)
    side.free()
    side.ended(b="finished")


@scenario()
def twice_in_the_queue(side):
    """rq runs it twice: once is the measure."""
    side.busy()
    side.enqueue("a", NOOP)
    if side.worker:
        side.default.push_job_id("a")
    side.enqueue("b", NOOP)
    side.free()
    side.ended(b="finished")


@scenario()
def queued_again_after_its_end(side):
    """rq runs it again: once is the measure."""
    side.enqueue("a", NOOP)
    side.ended(a="finished")
    if side.worker:
        side.default.push_job_id("a")
    side.enqueue("b", NOOP)
    side.ended(b="finished")


@scenario()
def enqueued_again_under_the_same_id(side):
    side.enqueue("a", NOOP, result_ttl=50)
    side.ended(a="finished")
    side.enqueue("a", HILLSLOPE, failure_ttl=100)
    side.ended(a="failed")


@scenario()
def in_the_wrong_queue(side):
    """A job's registries are those of its origin."""
    side.busy()
    side.enqueue("a", NOOP)
    side.enqueue("b", HILLSLOPE)
    for id in ("a", "b"):
        side.default.remove(id)
        side.other.push_job_id(id)
    side.free()
    side.ended(a="finished", b="failed")


@scenario()
def fields_are_missing(side):
    """What old clients did not write."""
    job = side.enqueue("template", NOOP)
    side.ended(template="finished")
    data, now = side.redis.hget(job.key, "data"), "2026-11-24T08:05:00.000001Z"
    side.redis.hset("rq:job:a", mapping={"data": data, "origin": "default", "created_at": now})
    side.redis.rpush("rq:queue:default", "a")
    side.ended(a="finished")


# Python of later versions cannot read such a job; test_poison.py has it.
@scenario(only="native" if hasattr(rq.job, "JOB_ID_PATTERN") else None)
def odd_id(side):
    """Clients before 2.8 allow any. Later workers quit; what they do with a plain one is the measure then."""
    id = "odd id|*'\"{x}?ü"
    if hasattr(rq.job, "JOB_ID_PATTERN") and (side.worker is None or not NATIVE):
        id = "plain-id"
    job = side.enqueue("template", NOOP)
    side.ended(template="finished")
    side.redis.hset(f"rq:job:{id}", mapping={**side.redis.hgetall(job.key), "status": "queued"})
    side.redis.rpush("rq:queue:default", id)
    side.words[id] = "<odd>"
    side.ended(**{id: "finished"})


# Many at once, groups and limits


@scenario(needs=(Queue, "enqueue_many"))
def enqueued_at_once(side):
    side.busy()
    side.default.enqueue_many(
        [
            Queue.prepare_data(NOOP, timeout=50, job_id="a"),
            Queue.prepare_data(HILLSLOPE, timeout=50, job_id="b", retry=Retry(max=1)),
        ]
    )
    side.free()
    side.ended(a="finished", b="failed")


@scenario(needs=(Job, "group_id"))
def group(side):
    side.busy()
    rq.group.Group.create(side.redis, name="g").enqueue_many(
        side.default,
        [
            Queue.prepare_data(NOOP, job_id="a"),
            Queue.prepare_data(HILLSLOPE, job_id="b"),
            Queue.prepare_data(NOOP, job_id="c", result_ttl=0),
        ],
    )
    side.free()
    side.ended(a="finished", b="failed", c=None)


LIMIT = (rq, "RateLimit")


@scenario(needs=LIMIT)
def limit(side):
    side.busy()
    one = rq.RateLimit("one", 1)
    for id in ("a", "b", "c"):
        side.enqueue(id, HILLSLOPE if id == "b" else NOOP, rate_limit=one)
    side.free()
    side.ended(a="finished", b="failed", c="finished")


@scenario(needs=LIMIT)
def limit_without_results(side):
    side.busy()
    one = rq.RateLimit("one", 1)
    side.enqueue("a", NOOP, rate_limit=one, result_ttl=0)
    side.enqueue("b", HILLSLOPE, rate_limit=one, failure_ttl=0)
    side.enqueue("c", NOOP, rate_limit=one, result_ttl=0)
    side.free()
    side.ended(a=None, b=None, c=None)
    side.redis.zrem("rq:failed:default", "b")  # rq leaves it there until it cleans


@scenario(needs=LIMIT)
def limit_keeps_others_waiting(side):
    side.suspended()
    one = rq.RateLimit("one", 1)
    for id in ("a", "b", "c"):
        side.enqueue(id, NOOP, rate_limit=one)
    side.idle()


@scenario(needs=LIMIT)
def limit_and_retry_at_once(side):
    one = rq.RateLimit("one", 1)
    _, run = side.held("a", spoiled=True, rate_limit=one, retry=Retry(max=1))
    side.enqueue("b", NOOP, rate_limit=one)
    side.suspended_after_the_job()
    run.go()
    side.ended(a="queued", b="rate_limited")


@scenario(needs=LIMIT)
def limit_and_retry_later(side):
    one = rq.RateLimit("one", 1)
    _, run = side.held("a", spoiled=True, rate_limit=one, retry=Retry(max=1, interval=100))
    side.enqueue("b", NOOP, rate_limit=one)
    side.suspended_after_the_job()
    run.go()
    side.ended(a="scheduled", b="queued")


@scenario(needs=LIMIT)
def limit_and_repeat(side):
    one = rq.RateLimit("one", 1)
    side.busy()
    side.enqueue("a", NOOP, rate_limit=one, repeat=rq.Repeat(times=1, interval=100))
    side.enqueue("b", NOOP, rate_limit=one)
    side.free()
    side.ended(a="scheduled", b="finished")


@scenario(needs=LIMIT)
def limited_child(side):
    one = rq.RateLimit("one", 1)
    _, run = side.held("a", rate_limit=one)
    side.suspended_after_the_job()
    side.enqueue("b", NOOP, rate_limit=one)
    side.enqueue("c", NOOP, rate_limit=one, depends_on=Dependency(jobs=["a"], enqueue_at_front=True))
    run.go()
    side.until("the child's turn", lambda: side.status("c") != "deferred")
    side.idle()


@scenario(needs=LIMIT)
def limited_and_scheduled(side):
    one = rq.RateLimit("one", 1)
    side.suspended()
    side.enqueue("a", NOOP, rate_limit=one)
    side.default.enqueue_in(timedelta(0), NOOP, job_id="b", rate_limit=one)
    side.ended(b="rate_limited")


@scenario(needs=LIMIT)
def limited_and_stopped(side):
    one = rq.RateLimit("one", 1)
    side.held("a", rate_limit=one)
    side.enqueue("b", NOOP, rate_limit=one)
    send_stop_job_command(side.redis, "a")
    side.ended(a="stopped", b="finished")


@scenario(needs=LIMIT)
def limited_and_canceled(side):
    one = rq.RateLimit("one", 1)
    side.busy()
    jobs = [side.enqueue(id, NOOP, rate_limit=one) for id in ("a", "b", "c")]
    jobs[1].cancel()
    jobs[0].cancel()
    side.free()
    side.ended(a="canceled", b="canceled", c="finished")


@scenario(needs=(Queue, "_enqueue_unique"))
def unique(side):
    side.busy()
    side.enqueue("a", NOOP, unique=True, result_ttl=50)
    with pytest.raises(rq.exceptions.DuplicateJobError):
        side.enqueue("a", NOOP, unique=True)
    side.free()
    side.ended(a="finished")
    with pytest.raises(rq.exceptions.DuplicateJobError):
        side.enqueue("a", NOOP, unique=True)


# Left by a worker that died


def left(side, id, **options):
    """A job whose worker was last heard of so long ago that nobody believes in it any more."""
    side.suspended()
    job = side.enqueue(id, NOOP, **options)
    side.default.remove(id)
    started = "2026-11-24T08:05:00.000001Z"
    side.redis.hset(job.key, mapping={"status": "started", "started_at": started, "worker_name": "gone"})
    entry = f"{id}:{'0' * 32}" if hasattr(rq, "Repeat") else id
    side.redis.zadd("rq:wip:default", {entry: time.time() - 100})


def maintained(side):
    """Ours does it by itself, and often."""
    if side.worker is None:
        StartedJobRegistry(queue=side.default).cleanup()
    side.until("the entry is gone", lambda: not side.redis.exists("rq:wip:default"))


@scenario()
def abandoned(side):
    left(side, "a", failure_ttl=100)
    maintained(side)


@scenario()
def abandoned_and_tried_again(side):
    left(side, "a", retry=Retry(max=2))
    maintained(side)


@scenario()
def abandoned_and_tried_again_later(side):
    left(side, "a", retry=Retry(max=2, interval=[100, 200]))
    maintained(side)


@scenario(needs=LIMIT)
def abandoned_and_not_kept(side):
    one = rq.RateLimit("one", 1)
    left(side, "a", rate_limit=one, failure_ttl=0)
    side.enqueue("b", NOOP, rate_limit=one)
    maintained(side)
    side.redis.zrem("rq:failed:default", "a")  # rq leaves it there until it cleans again


@scenario(needs=LIMIT)
def abandoned_with_a_limit(side):
    one = rq.RateLimit("one", 1)
    left(side, "a", rate_limit=one, failure_ttl=100)
    side.enqueue("b", NOOP, rate_limit=one)
    maintained(side)


# Only in Python


@scenario(only=PYTHON)
def results_of_all_kinds(side):
    side.enqueue("text", "jobs.say", "äöü")
    side.enqueue("path", "pathlib.Path", "/a/b")
    side.enqueue("not-to-be-kept", "threading.Lock")
    side.ended(**{id: "finished" for id in ("text", "path", "not-to-be-kept")})


@scenario(only=PYTHON)
def meta(side):
    side.enqueue("a", "jobs.what_is_current", "key", meta={"x": 1})
    side.ended(a="finished")


@scenario(only=PYTHON)
def meta_and_failure(side):
    side.enqueue("a", "jobs.change_meta_and_fail", meta={"x": 1, "y": 2})
    side.ended(a="failed")


@scenario(only=PYTHON)
def callables_of_all_kinds(side):
    counter = jobs.Counter(3)
    side.enqueue("method", counter.add, 4)
    side.enqueue("object", counter, 4)
    side.enqueue("static", jobs.Counter.nothing)
    side.enqueue("class", jobs.Counter.of, 5)
    side.enqueue("builtin", len, [1, 2])
    side.enqueue("coroutine", jobs.later, "done")
    side.enqueue("failing-coroutine", jobs.later)
    names = ("method", "object", "static", "class", "builtin", "coroutine")
    side.ended(**{name: "finished" for name in names}, **{"failing-coroutine": "failed"})


@scenario(only=PYTHON)
def functions_that_are_not_there(side):
    side.enqueue("a", "not.there")
    side.enqueue("b", "jobs.not_there")
    side.ended(a="failed", b="failed")


@scenario(only=PYTHON)
def horses_that_die(side):
    side.enqueue("a", "os._exit", 3)
    side.enqueue("b", "os.abort", failure_ttl=100)
    side.ended(a="failed", b="failed")


@scenario(only=PYTHON)
def exception_and_retry(side):
    side.enqueue("a", "jobs.succeed_at", 2, retry=Retry(max=1, interval=0))
    side.ended(a="finished")


CALLBACKS = {
    "on_success": Callback("jobs.on_success"),
    "on_failure": Callback("jobs.on_failure"),
    "on_stopped": Callback("jobs.on_stopped", timeout=50),
}


@scenario(only=PYTHON)
def callbacks(side):
    side.enqueue("a", "jobs.say", "well", **CALLBACKS)
    side.enqueue("b", "jobs.fail", retry=Retry(max=1), **CALLBACKS)
    side.enqueue("c", NOOP, **CALLBACKS)
    side.ended(a="finished", b="failed", c="finished")
    side.held("d", **CALLBACKS)
    send_stop_job_command(side.redis, "d")
    side.ended(d="stopped")


@scenario(only=PYTHON)
def callbacks_that_fail(side):
    side.enqueue("a", "jobs.say", "well", on_success=Callback("jobs.fail"))
    side.enqueue("b", "jobs.fail", on_failure=Callback("not.there"))
    side.ended(a="failed", b="failed")


@scenario(only=PYTHON, needs=LIMIT)  # before, rq quits after that
def stopped_callback_that_fails(side):
    side.held("a", on_stopped=Callback("jobs.fail"))
    send_stop_job_command(side.redis, "a")
    side.ended(a="stopped")


@scenario(only=PYTHON)
def status_in_a_callback(side):
    side.enqueue("a", NOOP, on_success=Callback("jobs.note_status"))
    side.enqueue("b", "jobs.fail", on_failure=Callback("jobs.note_status"))
    side.ended(a="finished", b="failed")


RETRIED = (Result.Type, "RETRIED")


@scenario(only=PYTHON, needs=RETRIED)
def returned_retry(side):
    side.enqueue("a", "jobs.ask_for_retries", 2, 2)
    side.ended(a="finished")


@scenario(only=PYTHON, needs=LIMIT)
def returned_retry_later_at_the_front(side):
    one = rq.RateLimit("one", 1)
    _, run = side.held_in_python("a", "jobs.hold_and_retry", rate_limit=one)
    side.enqueue("b", NOOP, rate_limit=one)
    side.suspended_after_the_job()
    side.enqueue("c", NOOP)
    run.go()
    side.ended(a="scheduled", b="queued")
    side.due("a")
    side.ended(a="rate_limited")


@scenario(only=PYTHON, needs=RETRIED)
def too_many_returned_retries(side):
    side.enqueue("a", "jobs.ask_for_retries", 1, 5, failure_ttl=100)
    side.ended(a="failed")


@scenario(only=PYTHON)
def canceled_by_itself(side):
    side.enqueue("a", "jobs.cancel_itself")
    side.idle()
    side.enqueue("b", NOOP)
    side.ended(b="finished")


# The comparison


@pytest.mark.parametrize("name", SCENARIOS)
def test_same_keys(theirs, ours, new_run, name):
    def run(side):
        side.begin(new_run)
        try:
            SCENARIOS[name](side)
            return side.snapshot()
        finally:
            side.end()

    with ThreadPoolExecutor() as both:
        found = both.map(run, (theirs, ours))
    left, explained = differences(*found, DOCUMENTED, name)
    OCCURRED.update(explained)
    RAN.add(name)
    assert not left, "\n".join(["", *left])


OCCURRED, RAN = set(), set()


def test_documented_differences_are_there():
    """A list that says more than is so would hide what comes later."""
    if RAN == SCENARIOS.keys():
        assert [difference for difference in DOCUMENTED if difference not in OCCURRED] == []


def test_after_the_end_of_the_worker(theirs, ours, new_run):
    """A warm shutdown while a job runs."""
    found = []
    for side in (theirs, ours):
        side.begin(new_run)
        _, run = side.held("a")
        (name,) = [worker.name for worker in side.workers()]
        send_shutdown_command(side.redis, name)
        side.until("it was asked to", lambda: side.redis.hexists(f"rq:worker:{name}", "shutdown_requested_date"))
        run.go()
        side.until("the worker is gone", lambda: side.redis.hexists(f"rq:worker:{name}", "death"))
        side.until("nothing names it", lambda: not side.redis.keys("rq:workers*") + side.redis.keys("rq:scheduler*"))
        found.append(side.snapshot())
    left, _ = differences(*found, DOCUMENTED, "end")
    assert not left, "\n".join(["", *left])


PREFIX = "{app}:rq"
CLIENT = """
import sys
from redis import Redis
from rq import Queue
queue = Queue(connection=Redis.from_url(sys.argv[1]))
first = queue.enqueue("cloud.wepp.noop", job_id="a")
queue.enqueue("wepppy.rq.wepp_rq.run_hillslope_rq", job_id="b")
queue.enqueue("cloud.wepp.noop", job_id="c", depends_on=first)
"""


@pytest.mark.needs(rq.command, "RQ_KEY_PREFIX")
def test_key_prefix(servers):
    """rq 3.0's RQ_KEY_PREFIX, in the environment of clients and workers."""
    url, redis = servers.url(PREFIX_DATABASE), servers.connect(PREFIX_DATABASE)
    environment = {**harness.python_environment(), "RQ_KEY_PREFIX": PREFIX}
    settings = {
        **harness.functions(MODE),
        "redis.url": url,
        "redis.key-prefix": PREFIX,
        "worker.slots": 1,
        "timing.result-ttl": "500s",
        "wepp.runs": servers.runs,
        "wepp.bin-dir": servers.bin,
        **({"postgres.url": servers.postgres} if servers.postgres else {}),
        **({} if NATIVE else {"python.worker-class": "rq.worker.Worker"}),
    }
    found = []
    for worker in (
        [harness.RQ, "worker", "--burst", "--with-scheduler", "-u", url],
        [harness.LAUNCHER, "run", "--burst", *harness.set_all(settings)],
    ):
        redis.flushdb()
        subprocess.run([sys.executable, "-c", CLIENT, url], env=environment, check=True, timeout=60)
        subprocess.run(worker, env=environment, check=True, timeout=60, capture_output=True)
        (name,) = [key.decode().rpartition(":")[2] for key in redis.keys(f"{PREFIX}:worker:*")]
        found.append(snapshot(redis, {PREFIX: "rq", name: "<worker>"}, IGNORED))
    redis.flushdb()
    left, _ = differences(*found, DOCUMENTED, "prefix")
    assert not left, "\n".join(["", *left])
