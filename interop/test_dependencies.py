"""Jobs that wait for jobs: the worker releases them as rq does."""

from rq import Queue
from rq.job import Dependency
from rq.registry import DeferredJobRegistry
from rq.results import Result

from harness import WEPP, python_worker


def test_watershed_after_hillslopes(queue, new_run):
    run = new_run()
    hillslopes = queue.enqueue_call(func=WEPP + "_run_hillslopes_rq", args=(run.id,), timeout=43_200)
    watershed = queue.enqueue_call(
        func=WEPP + "run_watershed_rq", args=[run.id], kwargs={"wepp_bin": "wepp_standin"}, depends_on=hillslopes
    )

    result = watershed.latest_result(timeout=60)

    assert result.type == Result.Type.SUCCESSFUL, result.exc_string
    assert hillslopes.get_status() == "finished"
    assert hillslopes.return_value() is None
    good, seconds = watershed.return_value(refresh=True)
    assert good is True
    assert isinstance(seconds, float)
    assert watershed.args == [run.id]
    assert watershed.id not in DeferredJobRegistry(queue=queue)
    assert (run.folder / "wepp" / "output" / "loss_pw0.txt").stat().st_size > 0


def test_waits_for_all(queue, held_run):
    held = queue.enqueue(WEPP + "run_hillslope_rq", held_run.id, 1, "held")
    quick = queue.enqueue("cloud.wepp.noop")
    child = queue.enqueue("cloud.wepp.noop", depends_on=[held, quick])
    assert quick.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    held_run.started()
    assert child.get_status() == "deferred"
    assert child.id in DeferredJobRegistry(queue=queue)

    held_run.go()

    assert child.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert child.id not in DeferredJobRegistry(queue=queue)


def test_after_a_failure(queue, held_run):
    held_run.spoil()
    parent = queue.enqueue(WEPP + "run_hillslope_rq", held_run.id, 1, "held")
    strict = queue.enqueue("cloud.wepp.noop", depends_on=parent)
    lenient = queue.enqueue("cloud.wepp.noop", depends_on=Dependency(jobs=[parent], allow_failure=True))
    held_run.started()
    assert (strict.get_status(), lenient.get_status()) == ("deferred", "deferred")

    held_run.go()

    assert parent.latest_result(timeout=30).type == Result.Type.FAILED
    assert lenient.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert strict.get_status() == "deferred"
    assert strict.id in DeferredJobRegistry(queue=queue)
    assert lenient.id not in DeferredJobRegistry(queue=queue)


def test_in_other_queues(queue, redis, servers, held_run):
    parent = queue.enqueue(WEPP + "run_hillslope_rq", held_run.id, 1, "held")
    ours = Queue("other", connection=redis).enqueue("cloud.wepp.noop", depends_on=parent)
    elsewhere = Queue("elsewhere", connection=redis)
    python = elsewhere.enqueue("os.getpid", depends_on=parent)
    in_front = elsewhere.enqueue("os.getpid", depends_on=Dependency(jobs=[parent], enqueue_at_front=True))
    held_run.started()
    held_run.go()

    assert ours.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
    assert (python.get_status(), in_front.get_status()) == ("queued", "queued")
    assert elsewhere.job_ids == [in_front.id, python.id]

    python_worker(servers.url(9), "elsewhere")
    assert isinstance(python.return_value(refresh=True), int)


def test_children_that_come_while_the_parent_ends(queue):
    """None is forgotten, and none runs twice."""
    parents = [queue.enqueue("cloud.wepp.noop") for _ in range(30)]
    children = [queue.enqueue("cloud.wepp.noop", depends_on=parent) for parent in reversed(parents) for _ in range(2)]

    for child in children:
        assert child.latest_result(timeout=60).type == Result.Type.SUCCESSFUL

    assert {len(job.results()) for job in parents + children} == {1}
    deferred = DeferredJobRegistry(queue=queue).get_job_ids()
    assert [child.id for child in children if child.id in deferred] == []


def test_a_python_parent_releases_our_child(queue, redis, servers):
    parent = Queue("elsewhere", connection=redis).enqueue("os.getpid")
    child = queue.enqueue("cloud.wepp.noop", depends_on=parent)
    assert child.get_status() == "deferred"

    python_worker(servers.url(9), "elsewhere")

    assert child.latest_result(timeout=30).type == Result.Type.SUCCESSFUL
