"""A stand-in of ours, for tests: the worker class and the job functions, by the names that WEPPcloud uses."""

from wepppy.rq.rq_worker import WepppyRqWorker

__all__ = ["WepppyRqWorker"]
