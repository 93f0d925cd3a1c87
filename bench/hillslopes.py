"""All hillslopes of a run, a stand-in of 50 ms of processor time each: this worker through Redis as one job, beside
`xargs -P2` and beside a thread pool in Python; then with local staging, on a file system with 10 ms for each new file
and on one without."""

import concurrent.futures
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import redis
from rq import Queue

from servers import servers, worker

HERE = pathlib.Path(__file__).resolve().parent
SAMPLE = HERE.parent / "worker/src/test/resources/wepp-sample/watershed-7/runs"
ROUNDS = 3


def lay_out(runs, name, count):
    folder = runs / name[:2] / name / "wepp"
    (folder / "output").mkdir(parents=True)
    (folder / "runs").mkdir()
    answers = (SAMPLE / "p1.run").read_text()
    for number in range(1, count + 1):
        for suffix in ("man", "slp", "cli", "sol"):
            shutil.copy(SAMPLE / f"p1.{suffix}", folder / f"runs/p{number}.{suffix}")
        text = answers.replace("H1.", f"H{number}.").replace("p1.", f"p{number}.")
        (folder / f"runs/p{number}.run").write_text(text)
    return folder / "runs"


def clear(runs):
    shutil.rmtree(runs.parent / "output")
    (runs.parent / "output").mkdir()
    shutil.rmtree(runs / ".provenance", ignore_errors=True)


def timed(work):
    start = time.monotonic()
    work()
    return time.monotonic() - start


def xargs(runs, model, count):
    numbers = "\n".join(map(str, range(1, count + 1)))
    subprocess.run(
        ["xargs", "-P2", "-n1", "sh", "-c", f'exec {model} <"p$0.run" >"p$0.err" 2>&1'],
        cwd=runs, input=numbers, text=True, check=True,
    )


def pool(runs, model, count):
    def one(number):
        with open(runs / f"p{number}.run") as answers:
            said, _ = subprocess.Popen(
                [model], stdin=answers, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=runs
            ).communicate(timeout=120)
        assert b"SUCCESSFULLY" in said
        (runs / f"p{number}.err").write_bytes(said)

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        list(threads.map(one, range(1, count + 1)))


def ours(queue, name):
    job = queue.enqueue("wepppy.rq.wepp_rq._run_hillslopes_rq", name, job_timeout=600)
    while not job.is_finished:
        assert not job.is_failed, job.latest_result().exc_string
        time.sleep(0.005)


def compiled(folder, name, *flags):
    subprocess.run(["cc", "-O2", *flags, "-o", folder / name, HERE / f"{name}.c", "-ldl"], check=True)
    return str(folder / name)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    figures = {"bench": "hillslopes", "hillslopes": count}
    with tempfile.TemporaryDirectory() as folder, servers() as where:
        folder = pathlib.Path(folder)
        model = compiled(folder, "standin")
        slow = compiled(folder, "slow_create", "-shared", "-fPIC")
        (folder / "bin").mkdir()
        shutil.copy(model, folder / "bin/wepp")
        runs = {name: lay_out(folder / "runs", name, count) for name in ("plain", "staged", "xargs", "pool")}
        redis_of = redis.Redis.from_url(where["redis_url"])
        common = {
            "wepp.bin-dir": folder / "bin", "wepp.runs": folder / "runs", "wepp.scratch": folder / "scratch",
            "worker.cpu": 2,
        }

        def workers(slowly):
            if slowly:
                os.environ.update(LD_PRELOAD=slow, SLOW_BELOW=str(folder / "runs"))
            ways = {}
            with worker(where, 1, "plain", {**common, "worker.name": "bench-plain", "wepp.staging": "off"}), \
                 worker(where, 1, "staged", {**common, "worker.name": "bench-staged", "wepp.staging": "local"}):
                os.environ.pop("LD_PRELOAD", None)
                for name in ("plain", "staged"):
                    queue = Queue(name, connection=redis_of)
                    ways[name] = lambda queue=queue, name=name: ours(queue, name)
                if not slowly:
                    ways["xargs"] = lambda: xargs(runs["xargs"], model, count)
                    ways["pool"] = lambda: pool(runs["pool"], model, count)
                taken = {name: [] for name in ways}
                for turn in range(ROUNDS + 1):
                    for name, way in ways.items():
                        clear(runs[name])
                        seconds = timed(way)
                        assert len(list((runs[name].parent / "output").iterdir())) == 7 * count
                        if turn > 0:
                            taken[name].append(seconds)
                        print(f"{'slow ' if slowly else ''}{name} {seconds:.2f} s{'' if turn else ' (warm-up)'}")
            return taken

        fast = workers(False)
        slowly = workers(True)

    def ratio(one, other):
        return round(statistics.median(a / b for a, b in zip(one, other)), 2)

    figures.update({name: round(statistics.median(values), 2) for name, values in fast.items()})
    figures.update({f"slow_{name}": round(statistics.median(values), 2) for name, values in slowly.items()})
    figures["ratio_xargs"] = ratio(fast["plain"], fast["xargs"])
    figures["ratio_pool"] = ratio(fast["plain"], fast["pool"])
    figures["ratio_staged"] = ratio(fast["staged"], fast["plain"])
    figures["ratio_staged_slow"] = ratio(slowly["staged"], slowly["plain"])
    print(json.dumps(figures))


main()
