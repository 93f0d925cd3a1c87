"""The worker's built-in functions, for Python workers that share its queues."""


def noop(*_, **__):
    """Does nothing, as the worker's own does."""
