"""No-op jobs through `rq worker`, SimpleWorker and this worker: one run, one Redis, a queue filled beforehand."""

import json
import statistics
import subprocess
import sys

import psycopg
import redis
from rq.registry import FinishedJobRegistry

from jobs import fill, rate
from servers import NOOP, RQ, servers, until, worker

SLOTS = 16
WARM_UP = 100_000
ROUNDS = 3


def finished(connection, queue):
    return FinishedJobRegistry(queue, connection=connection).get_job_ids()


def peer(where, connection, queue, count, worker_class):
    ids = fill(connection, queue, NOOP, count)
    subprocess.run(
        [RQ, "worker", "--burst", "--quiet",
         "-u", where["redis_url"], "--worker-class", worker_class, queue],
        check=True,
    )
    assert len(finished(connection, queue)) == count, "the peer left jobs"
    return rate(connection, ids)


def ours(connection, queue, count, label):
    """Fills the queue while the workers are suspended, then lets them go."""
    connection.set("rq:suspended", 1)
    connection.delete(f"rq:finished:{queue}")
    ids = fill(connection, queue, NOOP, count)
    connection.delete("rq:suspended")
    until(lambda: connection.zcard(f"rq:finished:{queue}") >= count)
    speed = rate(connection, ids)
    print(f"{label}: {count} jobs, {speed:.0f} a second")
    return speed, ids


def check(connection, where, ids):
    """Every job finished, with a result, and a row in Postgres."""
    results = sum(connection.xlen(f"rq:results:{id}") == 1 for id in ids)
    until(lambda: connection.xlen("rq:wepp:events") == 0)
    rows = rows_in_postgres(where)
    assert results == len(ids), f"{results} results of {len(ids)}"
    return results, rows


def rows_in_postgres(where):
    with psycopg.connect(where["postgres_url"].removeprefix("jdbc:")) as postgres:
        sql = "select count(*) from rq_worker.job where status = 'finished'"
        return postgres.execute(sql).fetchone()[0]


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with servers() as where:
        connection = redis.Redis.from_url(where["redis_url"])
        fork = peer(where, connection, "fork", max(200, count // 25), "rq.worker.Worker")
        print(f"rq worker: {fork:.1f} a second")
        simple = peer(where, connection, "simple", max(500, count // 4), "rq.worker.SimpleWorker")
        print(f"SimpleWorker: {simple:.1f} a second")
        with worker(where, SLOTS, "ours", {"log.level": "warn"}):  # the peers are quiet, too
            warm = [round(ours(connection, "ours", WARM_UP // 10, "JVM warm-up")[0]) for _ in range(10)]
            rounds = [ours(connection, "ours", count, "this worker") for _ in range(ROUNDS)]
            results, rows = check(connection, where, [id for _, ids in rounds for id in ids])
            rows -= WARM_UP
            assert rows == ROUNDS * count, f"{rows} rows for {ROUNDS * count} jobs"
    speeds = [speed for speed, _ in rounds]
    speed = statistics.median(speeds)
    print(json.dumps({
        "bench": "drain", "jobs": count, "slots": SLOTS,
        "rq_worker": round(fork, 1), "simple_worker": round(simple, 1),
        "warm_up": warm, "rounds": [round(one) for one in speeds], "worker": round(speed),
        "finished": ROUNDS * count, "results": results, "rows": rows,
        "ratio_rq_worker": round(speed / fork, 1), "ratio_simple_worker": round(speed / simple, 1),
    }))


main()
