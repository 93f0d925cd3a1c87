"""Functions for tests of Python jobs."""

import os
import subprocess
import time

from rq import get_current_job


def where():
    """This process, its supervisor and its fork server."""
    supervisor = os.getppid()
    with open(f"/proc/{supervisor}/stat") as stat:
        server = int(stat.read().rpartition(")")[2].split()[1])
    return f"{os.getpid()} {supervisor} {server}"


def held():
    """Says that it runs, and goes on when it is let."""
    connection = get_current_job().connection
    connection.rpush("began", where())
    connection.blpop("gate")
    return where()


def hungry():
    """Holds 200 MB for ever."""
    kept = b"x" * 200_000_000
    time.sleep(1000)
    return len(kept)


def cpus():
    return os.environ["WEPPPY_NCPU"]


def with_strays():
    """As held, with a child that has left the session, and one that has no parent any more."""
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "1001"])
        os._exit(0)
    os.wait()
    return held()
