"""What is wrong in one job spoils that job at most: it comes to its end, the next one runs, and nothing of it is held."""

import base64
import json
import time
import zlib

import pytest
import rq
from rq.job import Job

import harness
from harness import HERE, MODE, WEPP

NOOP = "cloud.wepp.noop"
HILLSLOPE = WEPP + "run_hillslope_rq"  # without arguments it fails
VECTORS = HERE.parent / "queue-protocol/src/test/resources/cloud/wepp/rq/rq-vectors.json"
WRONG_TIMES = ["2026-11-24T08:05:00.123456789Z", "2026-11-24T08:05:00+00:00", "2026-11-24 08:05:00.000001Z", "soon"]
NO_NUMBERS = ["1h", "abc", "900.5", "900.0", "", " 900", "+900", "1e3", "inf", "nan", str(2**63 - 1), str(2**70), "-5"]
NO_LISTS = ["no JSON", "{}", "[", '"5"', "[[]]", "[null]", '["x"]', "[1e300]", "5"]


@pytest.fixture
def raw(redis, queue):
    """Jobs as their hashes say, without rq's client in between. Nothing of them is left after the test."""
    made = []

    def write(id, function=NOOP, **fields):
        template = Job.create(function, id="template", origin="default", status="queued", connection=redis)
        template.save()
        fields = {name.replace("__", "-"): value for name, value in fields.items()}
        absent = [name for name, value in fields.items() if value is None]
        given = {name: value for name, value in fields.items() if value is not None}
        redis.delete(f"rq:job:{id}")
        redis.hset(f"rq:job:{id}", mapping={**redis.hgetall(template.key), **given})
        if absent:
            redis.hdel(f"rq:job:{id}", *absent)
        redis.delete(template.key)
        made.append(id)
        return id

    yield write
    with redis.pipeline() as pipe:
        for id in made:
            pipe.delete(f"rq:job:{id}", f"rq:job:{id}:dependents", f"rq:job::{id}:dependencies", f"rq:results:{id}")
            pipe.lrem(queue.key, 0, id)
            for registry in ("wip", "finished", "failed", "deferred", "scheduled", "canceled"):
                pipe.zrem(f"rq:{registry}:default", id)
        pipe.execute()


@pytest.fixture
def all_end(redis, queue, until, worker, raw):
    """Queues one job for each of these, and others between them. Waits until all have ended; returns their statuses."""

    def run(cases, function=NOOP):
        jobs, between = [], []
        for n, fields in enumerate(cases):
            jobs.append(raw(f"odd-{n}", function, **fields))
            redis.rpush(queue.key, jobs[-1])
            between.append(queue.enqueue(NOOP).key)
        between.append(queue.enqueue(NOOP).key)
        return ends(redis, until, worker, jobs, between)

    return run


def ends(redis, until, worker, jobs, between):
    """The statuses of jobs at their end; the others have run. Nobody holds any of them, and each has run once."""

    def statuses():
        with redis.pipeline() as pipe:
            for id in jobs:
                pipe.hget(f"rq:job:{id}", "status")
            for key in between:
                pipe.hget(key, "status")
            found = [(status or b"gone").decode() for status in pipe.execute()]
        return found if all(status in ("finished", "failed") for status in found) else None

    try:
        found = until("all have ended", statuses)
    except AssertionError as e:
        left = {id: status for id in jobs if (status := redis.hget(f"rq:job:{id}", "status")) not in (b"finished", b"failed")}
        raise AssertionError(f"{e}: {left}") from e
    until("the worker is idle", worker.idle)
    assert set(found[len(jobs) :]) <= {"finished"}
    nothing_is_held(redis, *jobs)
    return found[: len(jobs)]


def nothing_is_held(redis, *ids):
    assert redis.zrange("rq:wip:default", 0, -1) == []
    assert redis.zrange("rq:wepp:leases", 0, -1) == []
    assert redis.lrange("rq:queue:default", 0, -1) == []
    assert redis.lrange("rq:queue:default:intermediate", 0, -1) == []
    assert redis.keys("rq:execution*") == []
    assert [id for id in ids if redis.hget(f"rq:job:{id}", "claim") not in (None, b"")] == []


def of(*names, values):
    return [{name: value} for name in names for value in values]


# What rq cannot read, or reads otherwise; of each, one field.
ODD_FIELDS = [
    *of("status", values=["QUEUED", "unheard of", "", None, "ready_to_enqueue", "rate_limited", "created", "deferred"]),
    *of("created_at", "enqueued_at", values=[*WRONG_TIMES, "", None]),
    *of("started_at", "ended_at", "last_heartbeat", values=WRONG_TIMES[:2]),
    *of("timeout", values=[value for value in NO_NUMBERS if value != "abc"]),
    *of("result_ttl", values=NO_NUMBERS),
    *of("ttl", "failure_ttl", values=["abc", "1.5", str(2**63 - 1)]),
    *of("repeats_left", values=["abc", "", "-1"]),
    *of("retries_left", "number_of_retries", values=["abc", ""]),
    *of("retry_intervals", "repeat_intervals", "dependency_ids", values=NO_LISTS[:3]),
    *of("success_callback_timeout", "failure_callback_timeout", "enqueue_at_front", values=["", "abc"]),
    *of("allow_dependency_failures", "enqueue_at_front_on_retry", values=["", "abc"]),
    *of("description", values=[b"\xff\xfe", None]),
    *of("meta", "result", "exc_info", values=[b"\xff\xfe", b"\x80\x05no pickle", b"cnot_there\nOwner\n."]),
    *of("webhooks", values=["no JSON", "[]", "[5]", "{}"]),
    *of("worker_name", "group_id", values=[b"\xff\xfe"]),
    *of("unheard_of", "claim", "settled", values=["x"]),
    *of("origin", values=["", None]),
    {"rate_limit_key": "poison", "rate_limit_concurrency": "many"},
    {"rate_limit_key": "poison", "rate_limit_concurrency": ""},
    {"rate_limit_key": "poison"},
    {"rate_limit_concurrency": "1"},
]


def test_odd_fields(redis, all_end):
    """This worker reads only what it needs. Python may not be able to read the job at all."""
    ended = all_end(ODD_FIELDS)

    if MODE == "native":
        assert [fields for fields, status in zip(ODD_FIELDS, ended) if status != "finished"] == []
        for n, fields in enumerate(ODD_FIELDS):
            assert redis.xlen(f"rq:results:odd-{n}") == 1, fields


# What matters when a job fails.
ODD_FIELDS_OF_FAILURES = [
    *of("failure_ttl", values=NO_NUMBERS),
    *[{"retries_left": "1", "retry_intervals": value} for value in NO_LISTS],
    *of("retries_left", values=["abc", "1.5", " 1", "+1", "inf", "nan", "-1"]),
    {"retries_left": "1", "ttl": "1.5"},
    {"retries_left": "1", "ttl": str(2**63 - 1)},
]


def test_odd_fields_of_failures(redis, all_end):
    ended = all_end(ODD_FIELDS_OF_FAILURES, HILLSLOPE)

    assert [fields for fields, status in zip(ODD_FIELDS_OF_FAILURES, ended) if status != "failed"] == []
    for n, fields in enumerate(ODD_FIELDS_OF_FAILURES):
        assert MODE == "python" or redis.xlen(f"rq:results:odd-{n}") == 1, fields


REPEATS = [
    *[{"repeats_left": "1", "repeat_intervals": value} for value in NO_LISTS if value not in ("[1e300]",)],
    *of("repeats_left", values=["1.5", "inf", "nan", " 1", "1e0"]),
]


@pytest.mark.only("native")
def test_odd_repeats(redis, all_end):
    all_end(REPEATS)
    for n, fields in enumerate(REPEATS):
        assert redis.xlen(f"rq:results:odd-{n}") <= 2, fields


# A parent ends well, whatever its children are.
ODD_CHILDREN = [
    *of("origin", values=[None, ""]),
    *of("status", values=[None, "unheard of"]),
    *of("ttl", values=["abc", "1.5", str(2**63 - 1), "-5", "1e300"]),
    *of("allow_dependency_failures", "enqueue_at_front", values=["", "abc"]),
    {"rate_limit_key": "poison", "rate_limit_concurrency": "many"},
    {"data": None},
]


@pytest.mark.only("native")
def test_odd_children(redis, queue, until, worker, raw):
    raw("parent")
    children = [raw(f"child-{n}", **{"status": "deferred", **fields}) for n, fields in enumerate(ODD_CHILDREN)]
    raw("sibling", status="deferred")
    for child in (*children, "sibling"):
        redis.sadd("rq:job:parent:dependents", child)
        redis.sadd(f"rq:job::{child}:dependencies", "parent")
        redis.zadd("rq:deferred:default", {child: time.time()})
    redis.sadd("rq:job:parent:dependents", "gone")

    redis.rpush(queue.key, "parent")

    ends(redis, until, worker, ["parent", "sibling"], [])
    nothing_is_held(redis, *children)
    for id, fields in zip(children, ODD_CHILDREN):
        waits = "status" in fields or not fields.get("origin", "default")
        assert (redis.zscore("rq:deferred:default", id) is not None) == waits, fields


ODD_IDS = ["odd id|*'\"{x}?ü", "-- ']]:%s\\", "a:b", "a|b", "{tag}", " ", "x" * 5000, "\n"]


def test_odd_ids(redis, queue, until, worker, raw):
    """rq since 2.8 refuses to read such a job, and its worker quits; before, 2.x takes the colon for an execution's."""
    between = []
    for id in ODD_IDS:
        redis.rpush(queue.key, raw(id))
        between.append(queue.enqueue(NOOP).key)

    ended = ends(redis, until, worker, ODD_IDS, between)

    if MODE == "native":
        assert ended == ["finished"] * len(ODD_IDS)
    elif not hasattr(rq.job, "JOB_ID_PATTERN"):
        cut = hasattr(rq.job, "parse_job_id")
        assert ended == ["failed" if cut and ":" in id else "finished" for id in ODD_IDS]


@pytest.mark.parametrize("key", ["gone", "", "a:b:c", "list", "text", "set"])
def test_no_job(redis, queue, until, worker, key):
    """An id in the queue, and under its key is something else than a job."""
    redis.delete(f"rq:job:{key}")
    if key == "list":
        redis.rpush("rq:job:list", "x")
    elif key == "text":
        redis.set("rq:job:text", "x")
    elif key == "set":
        redis.sadd("rq:job:set", "x")
    redis.rpush(queue.key, key)
    behind = queue.enqueue(NOOP)

    until("the next job runs", lambda: redis.hget(behind.key, "status") == b"finished")
    until("the queue is empty", lambda: not redis.exists(queue.key))
    until("the worker is idle", worker.idle)

    nothing_is_held(redis, "no such job")
    redis.delete(f"rq:job:{key}")


@pytest.mark.only("native")
@pytest.mark.parametrize("key", ["results:odd-0", "executions:odd-0", "job:odd-0:dependents", "job::odd-0:dependencies"])
def test_key_of_another_kind(redis, all_end, key):
    redis.set(f"rq:{key}", "x")
    assert all_end([{}]) == ["finished"]
    assert redis.zscore("rq:finished:default", "odd-0")
    assert redis.xlen("rq:results:odd-0") == 1


def hostile():
    """Calls that must not be believed. Python would run what some of them name: it is not asked."""
    with open(VECTORS) as file:
        cases = json.load(file)["cases"]
    return [case for case in cases if case["kind"] == "job_data" and case["expect"] != "accept"]


@pytest.mark.only("native")
def test_hostile_calls(redis, queue, until, worker, raw):
    """All at once, and jobs between them. What Python may be able to read waits for it."""
    cases, between = hostile(), []
    with redis.pipeline() as pipe:
        for n, case in enumerate(cases):
            id = raw(f"hostile-{n}", data=base64.b64decode(case["data_b64"]))
            pipe.rpush(queue.key, id)
            between.append(queue.enqueue(NOOP))
            pipe.execute()
    between.append(queue.enqueue(NOOP))

    until("the jobs between them run", lambda: all(redis.hget(job.key, "status") == b"finished" for job in between))
    until("the worker is idle", worker.idle)

    waits = {id.decode() for id in redis.lrange(queue.key, 0, -1)}
    for n, case in enumerate(cases):
        id = f"hostile-{n}"
        status = redis.hget(f"rq:job:{id}", "status").decode()
        assert status == ("queued" if id in waits else "failed"), (case["name"], status)
        assert redis.xlen(f"rq:results:{id}") == (status == "failed"), case["name"]
        assert not redis.hget(f"rq:job:{id}", "claim")
    assert 0 < len(waits) < len(cases)
    assert redis.zrange("rq:wip:default", 0, -1) == redis.zrange("rq:wepp:leases", 0, -1) == []


def test_calls_that_are_none(all_end):
    whole = zlib.compress(b'["cloud.wepp.noop", null, [], {}]')
    calls = [b"\x80\x05N.", b"not compressed", zlib.compress(b"[]"), whole[:-6], whole[:-1] + b"x"]
    assert set(all_end([{"data": call} for call in calls])) == {"failed"}


def test_call_that_is_not_compressed(redis, raw, all_end):
    """As rq wrote it once."""
    data = zlib.decompress(redis.hget(f"rq:job:{raw('template-of-data')}", "data"))
    assert all_end([{"data": data}]) == ["finished"]


@pytest.mark.only("native")  # WEPPcloud's class writes into meta what it made of it
def test_unreadable_meta_is_kept(redis, all_end):
    unreadable = b"cnot_there\nOwner\n."

    assert all_end([{"meta": unreadable, "retries_left": "1"}], HILLSLOPE) == ["failed"]

    assert redis.hget("rq:job:odd-0", "meta") == unreadable


@pytest.mark.parametrize("command", ["", "no JSON", "[]", "5", "{}", '{"command": 5}', '{"command": "unheard-of"}', b"\xff",
    '{"command": "stop-job"}', '{"command": "stop-job", "job_id": 5}', '{"command": "stop-job", "job_id": "gone"}',
    '{"command": "stop-execution", "job_id": "gone"}'])  # fmt: skip
def test_commands_without_sense(redis, queue, worker, held_run, command):
    job = queue.enqueue(HILLSLOPE, held_run.id, 1, "held")
    held_run.started()

    for slot in worker.slots():
        assert redis.publish(f"rq:pubsub:{slot.name}", command) == 1

    held_run.go()
    assert job.latest_result(timeout=30).type.name == "SUCCESSFUL"
    assert redis.publish(f"rq:pubsub:{worker.slots()[0].name}", "{}") == 1
