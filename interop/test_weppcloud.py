"""What WEPPcloud's pages read beside the queue: status lines, the RedisPrep hash and its dump."""

import json
import re
import time

from harness import PREP_DATABASE, STATUS_DATABASE, WEPP


def lines(servers, run):
    """The status lines of a run, from now until the one that ends its job."""
    channel = servers.connect(STATUS_DATABASE).pubsub(ignore_subscribe_messages=True)
    channel.subscribe(f"{run.id}:wepp")
    assert channel.get_message(timeout=30) is None  # subscribed

    def read(job):
        found = []
        while not found or not found[-1].startswith((f"rq:{job.id} COMPLETED", f"rq:{job.id} EXCEPTION")):
            message = channel.get_message(timeout=30)
            assert message, f"no end within 30 s after {found}"
            found.append(message["data"].decode())
        channel.close()
        return found

    return read


def test_hillslope(queue, servers, new_run):
    run = new_run()
    read = lines(servers, run)

    job = queue.enqueue(WEPP + "run_hillslope_rq", run.id, 2, wepp_bin="wepp")
    found = read(job)

    assert job.latest_result(timeout=30)
    call = f"run_hillslope_rq({run.id}, wepp_id=2, wepp_bin=wepp)"
    assert found == [
        f"rq:{job.id} STARTED {call}",
        f"rq:{job.id} COMPLETED {call} -> {job.return_value()}",
    ]


def test_all_hillslopes(queue, servers, new_run):
    run = new_run()
    prep = servers.connect(PREP_DATABASE)
    prep.hset(run.id, mapping={"attrs:loaded": "true", "locked:wepp.nodb": "true"})
    read = lines(servers, run)

    job = queue.enqueue(WEPP + "_run_hillslopes_rq", run.id)
    found = read(job)

    assert job.latest_result(timeout=30)
    assert found[0] == f"rq:{job.id} STARTED _run_hillslopes_rq({run.id})"
    assert found[-1] == f"rq:{job.id} COMPLETED _run_hillslopes_rq({run.id})"
    progress = [
        re.fullmatch(r"  \((\d)/3\)  wepp hillslope (\d) completed in \d+\.\d+s with status=True", line).groups()
        for line in found[1:-1]
    ]
    assert sorted(n for n, _ in progress) == ["1", "2", "3"]
    assert sorted(hillslope for _, hillslope in progress) == ["1", "2", "3"]

    kept = {name.decode(): value.decode() for name, value in prep.hgetall(run.id).items()}
    assert abs(time.time() - int(kept["timestamps:run_wepp_hillslopes"])) < 30
    del kept["locked:wepp.nodb"]
    assert json.loads((run.folder / "redisprep.dump").read_text()) == kept


def test_watershed(queue, servers, new_run):
    run = new_run()
    read = lines(servers, run)
    read(queue.enqueue(WEPP + "_run_hillslopes_rq", run.id))
    read = lines(servers, run)

    job = queue.enqueue(WEPP + "run_watershed_rq", run.id)
    found = read(job)

    assert job.latest_result(timeout=30)
    call = f"run_watershed_rq({run.id}, wepp_bin=None)"
    assert found[0] == f"rq:{job.id} STARTED {call}"
    assert found[-1] == f"rq:{job.id} COMPLETED {call} -> {job.return_value()}"
    assert "WEPP COMPLETED WATERSHED SIMULATION SUCCESSFULLY" in found
    assert job.id in (run.folder / "rq.log").read_text()


def test_failure(queue, servers, new_run):
    run = new_run()
    run.spoil()
    read = lines(servers, run)

    job = queue.enqueue(WEPP + "run_hillslope_rq", run.id, 1)
    found = read(job)

    call = f"run_hillslope_rq({run.id}, wepp_id=1, wepp_bin=None)"
    assert found == [f"rq:{job.id} STARTED {call}", f"rq:{job.id} EXCEPTION {call}"]
