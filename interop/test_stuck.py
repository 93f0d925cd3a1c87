"""Deferred jobs that nothing will release: listed with the reason, and left alone."""

from rq import Queue

import harness


def test_stuck_jobs_are_listed_with_the_reason(queue, redis, servers, worker, until, new_run):
    bad = new_run()
    bad.spoil()
    parent = queue.enqueue(harness.WEPP + "run_hillslope_rq", bad.id, 1, "wepp")
    until("the parent fails", lambda: parent.get_status() == "failed")
    child = Queue("elsewhere", connection=redis).enqueue("cloud.wepp.noop", depends_on=parent)
    waiting = queue.enqueue("cloud.wepp.noop", depends_on=Queue("elsewhere", connection=redis).enqueue("os.getpid"))
    lines = harness.launcher(
        "deferred", "--set", f"redis.url={servers.url(harness.RQ_DATABASE)}", "--set", "worker.queues=default,elsewhere"
    ).splitlines()
    why = f"its parent {parent.id} failed, and it does not allow that"
    assert f"{child.id}  queue elsewhere  {child.description}: {why}" in lines
    assert not any(line.startswith(waiting.id) for line in lines)
    assert lines[-1] == f"{len(lines) - 1} deferred jobs are stuck."
    assert (child.get_status(), waiting.get_status()) == ("deferred", "deferred")
    waiting.delete()
    child.delete()
