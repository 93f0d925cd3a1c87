"""From enqueue to start with everybody idle: this worker beside `rq worker`, turn about, in one run."""

import json
import os
import subprocess
import sys
import time

import redis
from rq import Queue, Worker

from servers import NOOP, RQ, servers, until, worker


def one(queue):
    enqueued = time.time()
    job = queue.enqueue(NOOP)
    while job.get_status() != "finished":
        pass
    job.refresh()
    return job.started_at.replace(tzinfo=None).timestamp() - enqueued


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    os.environ["TZ"] = "UTC"
    time.tzset()
    with servers() as where, worker(where, 4, "ours"):
        connection = redis.Redis.from_url(where["redis_url"])
        peer = subprocess.Popen(
            [RQ, "worker", "--quiet",
             "-u", where["redis_url"], "--name", "peer", "peer"],
        )
        try:
            until(lambda: any(w.name == "peer" for w in Worker.all(connection)))
            queues = {"ours": Queue("ours", connection=connection), "peer": Queue("peer", connection=connection)}
            for _ in range(count):  # warm-up
                for queue in queues.values():
                    one(queue)
            taken = {name: [] for name in queues}
            for _ in range(count):
                for name, queue in queues.items():
                    taken[name].append(one(queue))
        finally:
            peer.terminate()
            peer.wait(60)
    figures = {f"{name}_p{int(q * 100)}_ms": round(1000 * quantile(values, q), 2)
               for name, values in taken.items() for q in (0.5, 0.99)}
    print(json.dumps({"bench": "pickup", "jobs": count, **figures,
                      "ratio_p50": round(figures["ours_p50_ms"] / figures["peer_p50_ms"], 2),
                      "ratio_p99": round(figures["ours_p99_ms"] / figures["peer_p99_ms"], 2)}))


main()
