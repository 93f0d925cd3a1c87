"""A stand-in of ours, for tests: job functions with WEPPcloud's names, signatures, files and status lines.

They run a model as WEPPcloud does. INTEROP_RUNS, INTEROP_BIN and INTEROP_REDIS tell where everything is.
"""

import functools
import inspect
import json
import os
import subprocess
import time
import traceback
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timezone
from pathlib import Path

from redis import Redis
from rq import Queue, get_current_job

PREP, STATUS = 0, 2
SUCCESS = "WEPP COMPLETED %s SIMULATION SUCCESSFULLY"
INPUT_WAIT = 1
TIMEOUT = 43_200


def get_wd(runid):
    return Path(os.environ["INTEROP_RUNS"], runid[:2], runid)


def redis(database):
    return Redis.from_url(f"{os.environ['INTEROP_REDIS']}/{database}")


def tell(runid, text):
    """A status line of the run's WEPP panel."""
    with redis(STATUS) as connection:
        connection.publish(f"{runid}:wepp", text)


def job_function(function):
    """What WEPPcloud does around a function: status lines, and the run's exceptions.log."""
    parameters = inspect.signature(function)

    @functools.wraps(function)
    def job(*args, **kwargs):
        bound = parameters.bind(*args, **kwargs)
        bound.apply_defaults()
        (_, runid), *others = bound.arguments.items()
        call = f"{function.__name__}({', '.join([str(runid), *(f'{name}={value}' for name, value in others)])})"
        prefix = f"rq:{get_current_job().id}"
        tell(runid, f"{prefix} STARTED {call}")
        try:
            result = function(*args, **kwargs)
        except Exception:
            if get_wd(runid).is_dir():
                with open(get_wd(runid) / "exceptions.log", "a") as log:
                    now = datetime.now(timezone.utc).replace(tzinfo=None).isoformat()
                    log.write(f"[{now}Z] {function.__name__} failed\n{traceback.format_exc()}\n")
            tell(runid, f"{prefix} EXCEPTION {call}")
            raise
        tell(runid, f"{prefix} COMPLETED {call}" + ("" if result is None else f" -> {result}"))
        return result

    return job


def executable(wepp_bin, hillslope):
    folder = Path(os.environ["INTEROP_BIN"])
    hill = folder / f"{wepp_bin}_hill"
    return hill if hillslope and wepp_bin and hill.exists() else folder / (wepp_bin or "wepp")


def run_model(model, run_file, kind, line=lambda text: None):
    """The answers are its standard input, and it has succeeded when it says so. On an exception it is left running."""
    found = False
    with open(run_file) as answers, open(run_file.with_suffix(".err"), "w") as log:
        process = subprocess.Popen(
            [model], stdin=answers, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=run_file.parent, text=True
        )
        for text in map(str.strip, process.stdout):
            if text:
                found |= SUCCESS % kind in text
                log.write(text + "\n")
                line(text)
        return found, process.wait()


def run_hillslope(runid, wepp_id, wepp_bin):
    runs, model = get_wd(runid) / "wepp" / "runs", executable(wepp_bin, True)
    late = time.monotonic() + INPUT_WAIT
    for name in ("man", "sol", "slp", "cli", "run"):
        while not (runs / f"p{wepp_id}.{name}").exists():
            if time.monotonic() > late:
                raise FileNotFoundError(runs / f"p{wepp_id}.{name}")
            time.sleep(0.25)
    run_file = runs / f"p{wepp_id}.run"
    found, code = run_model(model, run_file, "HILLSLOPE")
    if not found:
        raise Exception(
            f"Error running WEPP hillslope for wepp_id={wepp_id}; runs_dir={runs}; run_file={run_file};"
            f' err_file={run_file.with_suffix(".err")}; cmd="{model}"; returncode={code}'
        )


def wepp_bin_of(runid):
    """What the user has chosen for the run."""
    nodb = get_wd(runid) / "wepp.nodb"
    return json.loads(nodb.read_text())["_wepp_bin"] if nodb.exists() else None


def timestamp(runid, task):
    """RedisPrep: the hash in Redis, and its dump in the run folder."""
    with redis(PREP) as prep:
        prep.hset(runid, f"timestamps:{task}", int(time.time()))
        kept = {name.decode(): value.decode() for name, value in prep.hgetall(runid).items()}
    dump = {name: value for name, value in kept.items() if not name.startswith("locked:")}
    (get_wd(runid) / "redisprep.dump").write_text(json.dumps(dump))


@job_function
def run_hillslope_rq(runid, wepp_id, wepp_bin=None):
    start = time.monotonic()
    run_hillslope(runid, wepp_id, wepp_bin)
    return True, time.monotonic() - start


@job_function
def _run_hillslopes_rq(runid):
    runs = get_wd(runid) / "wepp" / "runs"
    ids = sorted(int(file.stem[1:]) for file in runs.glob("p[0-9]*.run"))
    start = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        running = {pool.submit(run_hillslope, runid, wepp_id, wepp_bin_of(runid)): wepp_id for wepp_id in ids}
        for n, done in enumerate(as_completed(running), 1):
            done.result()
            seconds = time.monotonic() - start
            tell(runid, f"  ({n}/{len(ids)})  wepp hillslope {running[done]} completed in {seconds:.1f}s with status=True")
    timestamp(runid, "run_wepp_hillslopes")


@job_function
def run_watershed_rq(runid, wepp_bin=None):
    start = time.monotonic()
    run_file = get_wd(runid) / "wepp" / "runs" / "pw0.run"
    found, _ = run_model(executable(wepp_bin, False), run_file, "WATERSHED", lambda text: tell(runid, text))
    if not found:
        err = run_file.with_suffix(".err")
        raise Exception(f'Error running wepp for watershed \nSee <a href="browse/wepp/runs/pw0.err">{err}</a>')
    return True, time.monotonic() - start


# The tree of a whole run


def stage(name):
    """A Python stage of a run: it notes in the run folder that it has run, and waits where the run's file `held` says so."""

    def run(runid):
        with open(get_wd(runid) / "stages", "a") as stages:
            stages.write(f"{name} {os.getpid()}\n")
        held = get_wd(runid) / "held"
        if held.exists() and held.read_text() == name:
            runs = get_wd(runid) / "wepp" / "runs"
            (runs / "started").write_text(f"{os.getpid()}\n")
            with open(runs / "gate") as gate:
                gate.readline()

    run.__name__ = run.__qualname__ = name
    return job_function(run)


_prep_slopes_rq = stage("_prep_slopes_rq")
_prep_climates_rq = stage("_prep_climates_rq")
_prep_remaining_rq = stage("_prep_remaining_rq")
_prep_watershed_rq = stage("_prep_watershed_rq")


@job_function
def _log_complete_rq(runid, auto_commit_inputs=False, commit_stage="WEPP pipeline"):
    timestamp(runid, "run_wepp_watershed")
    tell(runid, f"rq:{get_current_job().id} TRIGGER   wepp WEPP_RUN_TASK_COMPLETED")


@job_function
def run_wepp_rq(runid):
    """Enqueues the run's children, each after what it needs, and names them in its own meta, by which they are found."""
    root = get_current_job()
    queue = Queue(connection=root.connection)
    children = []

    def enqueue(order, function, after=(), timeout=TIMEOUT, name=None, **kwargs):
        child = queue.enqueue_call(
            func=function, args=[runid], kwargs=kwargs or None, timeout=timeout, depends_on=list(after) or None
        )
        root.meta[f"jobs:{order},func:{name or function.__name__}"] = child.id
        root.save()
        children.append(child)
        return child

    prepared = [enqueue(0, function, timeout="4h") for function in (_prep_slopes_rq, _prep_climates_rq)]
    ready = enqueue(0, _prep_remaining_rq, prepared, timeout="4h")
    hillslopes = enqueue(1, _run_hillslopes_rq, [ready], name="run_hillslopes_rq")
    channels = enqueue(2, _prep_watershed_rq, [hillslopes])
    enqueue(3, run_watershed_rq, [channels], wepp_bin=wepp_bin_of(runid))
    final = enqueue(6, _log_complete_rq, children, 180, auto_commit_inputs=True, commit_stage="WEPP pipeline")
    tell(runid, f"rq:{root.id} ENQUEUED run_wepp_rq({runid}) -> awaiting final job {final.id}")
    return final


@job_function
def run_batch_rq(batch, runids):
    """Enqueues a whole run for each of them, and names them in its own meta."""
    root = get_current_job()
    queue = Queue(connection=root.connection)
    for number, runid in enumerate(runids):
        child = queue.enqueue_call(func=run_wepp_rq, args=[runid], timeout=TIMEOUT)
        root.meta[f"jobs:{number},func:run_wepp_rq"] = child.id
        root.save()
