"""Real servers, and this worker beside them, for one benchmark."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time

import redis
from rq import Worker

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LAUNCHER = os.path.join(ROOT, "rq-worker")
RQ = os.path.join(os.path.dirname(sys.executable), "rq")
NOOP = "cloud.wepp.noop"


@contextlib.contextmanager
def servers():
    """Yields where Redis and Postgres are."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [LAUNCHER, "servers", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(60)


@contextlib.contextmanager
def worker(where, slots, queue, more=None, output=None):
    """This worker, as a user starts it, with more settings; yields when rq sees all its slots."""
    settings = {
        "redis.url": where["redis_url"],
        "postgres.url": where["postgres_url"],
        "worker.slots": slots,
        "worker.queues": queue,
        "python.enabled": "false",
        "routing.native-queues": queue,
        "worker.name": "bench",
        **(more or {}),
    }
    command = [LAUNCHER, "run"]
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        connection = redis.Redis.from_url(where["redis_url"])
        name = settings["worker.name"]
        until(lambda: sum(w.name.startswith(name) for w in Worker.all(connection)) == slots)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def until(true, seconds=120):
    """Asks again until it is true."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError("the benchmark waited too long")
        time.sleep(0.05)
