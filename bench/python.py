"""No-op Python jobs through `rq worker-pool` and this worker: one run, one Redis, an application of 100 MB behind both."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile

import redis
from rq import Queue, Worker

from jobs import fill, rate
from servers import RQ, ROOT, servers, until, worker

SLOTS = 6
WARM_UP = 1_000
ROUNDS = 3
WORKER_CLASS = "application.ApplicationWorker"


@contextlib.contextmanager
def pool(where, queue):
    """rq's own pool, as a user starts it; yields when rq sees all its workers."""
    process = subprocess.Popen(
        [RQ, "worker-pool", "-n", str(SLOTS), "-u", where["redis_url"], "--worker-class", WORKER_CLASS, queue],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        connection = redis.Redis.from_url(where["redis_url"])
        until(lambda: len(Worker.all(queue=Queue(queue, connection=connection))) == SLOTS)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def ours(where, queue):
    settings = {
        "python.enabled": "true",
        "python.command": sys.executable,
        "python.directory": os.path.join(ROOT, "bench"),
        "python.worker-class": WORKER_CLASS,
        "routing.native-queues": "",
    }
    return worker(where, SLOTS, queue, settings, output=subprocess.DEVNULL)


def run(connection, queue, count):
    """Fills the queue while the workers are suspended, then lets them go. Jobs a second."""
    connection.set("rq:suspended", 1)
    connection.delete(f"rq:finished:{queue}")
    ids = fill(connection, queue, "application.noop", count)
    connection.delete("rq:suspended")
    until(lambda: connection.zcard(f"rq:finished:{queue}") >= count)
    return rate(connection, ids)


def memory(connection, queue, root):
    """PSS in MB of each process of a side, by what it is, while every slot runs a job after others."""
    workers = Worker.all(queue=Queue(queue, connection=connection))
    assert all(worker.successful_job_count > 0 for worker in workers), "a slot has not run a job"
    with tempfile.TemporaryDirectory() as folder:
        jobs = [Queue(queue, connection=connection).enqueue("application.hold", folder) for _ in range(SLOTS)]
        until(lambda: len(os.listdir(folder)) == SLOTS)
        found = [(command(pid), pss(pid)) for pid in descendants(root)]
        with open(os.path.join(folder, "go"), "w"):
            pass
        until(lambda: all(job.get_status() == "finished" for job in jobs))
    return found


def descendants(root):
    parents = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as stat:
            parents[int(pid)] = int(stat.read().rpartition(")")[2].split()[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def pss(pid):
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Pss:")) / 1024


def command(pid):
    with open(f"/proc/{pid}/cmdline") as cmdline:
        words = cmdline.read().split("\0")
    return "guard" if any(word.endswith(".Guard") for word in words) else os.path.basename(words[0])


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    rates, sizes = {"pool": [], "ours": []}, {"pool": [], "ours": []}
    with servers() as where, pool(where, "pool") as theirs, ours(where, "ours") as own:
        connection = redis.Redis.from_url(where["redis_url"])
        sides = {"pool": theirs, "ours": own}
        for side in sides:
            print(f"{side}: warm-up, {run(connection, side, WARM_UP):.1f} a second")
        for _ in range(ROUNDS):
            for side, process in sides.items():
                rates[side].append(run(connection, side, count))
                found = memory(connection, side, process.pid)
                sizes[side].append(sum(size for _, size in found))
                processes = ", ".join(f"{name} {size:.0f}" for name, size in found)
                print(f"{side}: {count} jobs, {rates[side][-1]:.1f} a second, {sizes[side][-1]:.0f} MB: {processes}")
    speed = {side: statistics.median(rates[side]) for side in rates}
    size = {side: statistics.median(sizes[side]) for side in sizes}
    print(json.dumps({
        "bench": "python", "jobs": count, "slots": SLOTS,
        "pool": round(speed["pool"], 1), "worker": round(speed["ours"], 1),
        "pool_rounds": [round(one, 1) for one in rates["pool"]],
        "worker_rounds": [round(one, 1) for one in rates["ours"]],
        "pool_mb": round(size["pool"]), "worker_mb": round(size["ours"]),
        "ratio_throughput": round(speed["ours"] / speed["pool"], 2),
        "ratio_memory": round(size["ours"] / size["pool"], 2),
    }))


main()
