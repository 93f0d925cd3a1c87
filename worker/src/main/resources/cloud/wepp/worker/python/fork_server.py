"""Runs rq jobs in forked children, on the worker's orders: fork_server.py SOCKET

Three levels, each a plain fork. The fork server imports the configured modules once. A supervisor, one per slot, is the
configured rq worker class and executes the jobs it is handed, one after another. The work horse performs one job, as rq's own
does. Orders and reports are lines of JSON on a Unix socket, one connection for each process; when it closes, the process ends.

The worker has claimed the job, sends the heartbeats and enforces the end; rq, in here, writes how the job ended.
"""

import contextlib
import copy
import ctypes
import gc
import importlib
import inspect
import json
import os
import queue
import resource
import select
import signal
import socket
import sys
import threading
import traceback

PR_SET_CHILD_SUBREAPER = 36
ENDED_TTL = 7 * 24 * 3600  # of the record of an end, should nobody come to read it
CLAIM = "RQ_WORKER_CLAIM"  # in the environment of whatever a job starts
# From now on the function may have had effects: should its worker die, it may not be safe to run it again.
BEGUN = "return redis.call('HGET', KEYS[1], 'claim') == ARGV[1] and redis.call('HSET', KEYS[1], 'begun', ARGV[1])"


class Line:
    """One connection to the worker."""

    def __init__(self, path, **hello):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._received = b""
        self.send(**hello)

    def send(self, **report):
        self._socket.sendall(json.dumps(report).encode() + b"\n")

    def receive(self):
        """The next order; None when the worker is gone."""
        while not self.holds_order():
            try:
                more = self._socket.recv(65536)
            except OSError:
                more = b""
            if not more:
                return None
            self._received += more
        order, _, self._received = self._received.partition(b"\n")
        return json.loads(order)

    def holds_order(self):
        """Whether an order has been received already, which select cannot see."""
        return b"\n" in self._received

    def fileno(self):
        return self._socket.fileno()

    def close(self):
        self._socket.close()


class Supervised:
    """Goes before the configured worker class. Keeps the worker's claim in step with what rq writes."""

    line = None
    prefix = None
    order = None  # of the running job
    cause = ""  # why the worker ends the horse, in words
    horse_usage = None
    _ending = None
    _error = ""

    # What the worker does itself

    def set_state(self, state, pipeline=None):
        """The worker says that a slot is idle: when nothing of its job is left, which is later than rq would."""

    def prepare_execution(self, job):
        """The claim has written the execution."""
        from rq.executions import Execution

        self.execution = execution = self.execution_of(Execution, job)
        return execution

    def execution_of(self, execution_class, job):
        try:
            execution = execution_class(self.order["execution"], job.id, self.connection, worker_name=self.name)
        except TypeError:  # rq before 2.11
            execution = execution_class(self.order["execution"], job.id, self.connection)
        return execution

    def cleanup_execution(self, *args, **more):
        """rq 2.x forgets the execution here, and its result is without one when its transaction has to be repeated."""
        execution = self.execution
        super().cleanup_execution(*args, **more)
        if self.is_horse:
            self.execution = execution

    # The horse

    def fork_work_horse(self, job, queue):
        super().fork_work_horse(job, queue)
        self.line.send(horse=self.horse_pid)

    def main_work_horse(self, job, queue):
        self.line.close()  # the worker must see the supervisor's end, also while the horse lives
        self.connection.eval(BEGUN, 1, f"{self.prefix}:job:{self.order['job']}", self.order["claim"])
        super().main_work_horse(job, queue)

    def kill_horse(self, *args, **more):
        if self.horse_pid:  # rq would take 0 for its own group
            super().kill_horse(*args, **more)

    def wait_for_horse(self):
        found = super().wait_for_horse()
        self.horse_status, self.horse_usage = found[1:]
        return found

    def monitor_work_horse(self, job, *args, **more):
        """rq before 3.0 goes no further when a stopped callback fails, and the job would not be ended."""
        execute = getattr(job, "execute_stopped_callback", None)
        if execute:
            job.execute_stopped_callback = lambda *given: attempt(execute, *given)
        super().monitor_work_horse(job, *args, **more)

    # The end, in rq's own transaction

    def handle_job_failure(self, job, queue, started_job_registry=None, exc_string="", **more):
        if exc_string.startswith("Work-horse terminated"):
            exc_string += self.cause or self.cause_of_death()
        if self._stopped_job_id == job.id:
            self._ending = "stopped"
            if self.connection.hget(f"{self.prefix}:job:{job.id}", "status") == b"canceled":
                queue = childless(queue)
        else:
            self._ending = "retried" if (job.retries_left or 0) > 0 else "failed"
        self._error = exc_string.strip().rpartition("\n")[2]
        super().handle_job_failure(
            job, queue, started_job_registry=started_job_registry, exc_string=exc_string, **more
        )

    def cause_of_death(self):
        if oom_kills() > self.oom_kills:
            return "the kernel killed it: the memory of this container was used up."
        status, usage = self.horse_status, self.horse_usage
        peak = f" It had held {usage.ru_maxrss // 1024} MB of memory." if usage else ""
        if status and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
            return f"it used more processor time than its limit.{peak}"
        if status and os.WIFSIGNALED(status):
            return f"it was killed by {signal.Signals(os.WTERMSIG(status)).name}, not by this worker.{peak}"
        return f"it ended by itself.{peak}"

    def handle_job_retry(self, job, *args, **more):
        retry = more.get("retry") or args[1]
        self._ending = "failed" if (job.number_of_retries or 0) >= retry.max else "retried"
        super().handle_job_retry(job, *args, **more)

    def increment_successful_job_count(self, pipeline=None):
        super().increment_successful_job_count(pipeline=pipeline)
        self.release(pipeline, "finished")

    def increment_failed_job_count(self, pipeline=None):
        super().increment_failed_job_count(pipeline=pipeline)
        self.release(pipeline, self._ending or "failed")

    def release(self, pipeline, ending):
        """Ends the claim together with the job, and says how; the lease stays until the worker has recorded it."""
        job, execution, claim = (self.order[name] for name in ("job", "execution", "claim"))
        pipeline = self.connection if pipeline is None else pipeline
        pipeline.hdel(f"{self.prefix}:job:{job}", "claim")
        pipeline.zrem(f"{self.prefix}:wip:{self.order['queue']}", job)
        pipeline.delete(f"{self.prefix}:execution:{job}:{execution}")
        pipeline.zrem(f"{self.prefix}:executions:{job}", execution)
        pipeline.srem(f"{self.prefix}:worker:{self.name}:executions", f"{job}:{execution}")
        ended = f"{self.prefix}:wepp:ended:{claim}"
        told = {name: self.order[name] for name in ("queue", "execution")}
        pipeline.hset(ended, mapping={"ending": ending, "error": self._error[:500], "worker": self.name, **told})
        pipeline.expire(ended, ENDED_TTL)

    def ended(self):
        """How the job ended, if rq has written it."""
        ending, error = self.connection.hmget(f"{self.prefix}:wepp:ended:{self.order['claim']}", "ending", "error")
        return {"ending": (ending or b"").decode(), "error": (error or b"").decode()}

    # Orders

    def begin(self, order):
        self.order, self.cause, self._ending, self._error = order, "", None, ""
        self.horse_status = self.horse_usage = None
        self.oom_kills = oom_kills()
        self._stopped_job_id = None
        os.environ[CLAIM] = order["claim"]
        os.environ["WEPPPY_NCPU"] = order["processors"]

    def job_and_queue(self):
        job = self.job_class.fetch(self.order["job"], connection=self.connection, serializer=self.serializer)
        job.redis_server_version = self.get_redis_server_version()
        for served in self.queues:
            if served.name == self.order["queue"]:
                return job, served
        return job, self.queue_class(
            self.order["queue"],
            connection=self.connection,
            job_class=self.job_class,
            serializer=self.serializer,
            death_penalty_class=self.death_penalty_class,
        )

    def run(self):
        self.execute_job(*self.job_and_queue())

    def mourn(self):
        """An earlier supervisor died with its job: this one buries the horse, so that the class's own handling runs."""
        from rq import Worker

        job, queue = self.job_and_queue()
        if self.order["stopped"]:
            self._stopped_job_id = job.id
        self.cause = self.order["cause"]
        over = bool(self.ended()["ending"])  # the horse came to its end, so the job may be another's already
        self._horse_pid = os.fork()
        if self._horse_pid == 0:
            if over:
                os._exit(0)
            os.kill(os.getpid(), signal.SIGKILL)
        monitor = [job, queue]
        if "execution" in inspect.signature(Worker.monitor_work_horse).parameters:  # the class's own may say *args
            monitor.append(self.prepare_execution(job))
        elif hasattr(self, "execution"):
            self.prepare_execution(job)
        self.monitor_work_horse(*monitor)

    def command(self, order):
        """rq's own command, in the way that rq hears it. On the thread that reads."""
        self.cause = order.get("cause", "")
        self.handle_payload({"type": "message", "data": json.dumps(order["payload"]).encode()})


def attempt(function, *args):
    try:
        function(*args)
    except Exception:
        traceback.print_exc()


def childless(queue):
    """For the end of a canceled job, of which none may run after it: rq before 2.8 releases those of a stopped one."""
    queue = copy.copy(queue)
    queue.enqueue_dependents = lambda *_, **__: None
    return queue


def oom_kills():
    """How often the kernel has killed in this container for want of memory; 0 where it does not tell."""
    try:
        with open("/sys/fs/cgroup/memory.events") as events:
            return next((int(line.split()[1]) for line in events if line.startswith("oom_kill ")), 0)
    except OSError:
        return 0


def attribute(name):
    module, _, name = name.rpartition(".")
    return getattr(importlib.import_module(module), name)


def tls(to):
    """What redis-py needs for TLS. It names no files of its own."""
    files = {"ssl_ca_certs": to["authorities"], "ssl_certfile": to["certificate"], "ssl_keyfile": to["key"]}
    return {
        "ssl_cert_reqs": "none" if to["verify"] == "NONE" else "required",
        "ssl_check_hostname": to["verify"] == "FULL",
        **{name: file for name, file in files.items() if file},
    }


def connect(config):
    from redis import Connection, ConnectionPool, Redis, Sentinel, SSLConnection

    to = config["redis"]
    safely = tls(to) if to["tls"] else {}
    given = {name: to[name] for name in ("username", "password") if to[name]}
    given.update(db=to["db"], **safely)
    if to["sentinels"]:
        asked = {"password": to["sentinel_password"], **safely} if to["sentinel_password"] else safely
        if safely:
            asked, given = {"ssl": True, **asked}, {"ssl": True, **given}
        found = Sentinel([tuple(one) for one in to["sentinels"]], sentinel_kwargs=dict(asked), **given)
        connection = found.master_for(to["master"])
    else:
        kind = SSLConnection if safely else Connection
        pool = ConnectionPool(connection_class=kind, host=to["host"], port=to["port"], **given)
        connection = Redis(connection_pool=pool)
    given = connection.connection_pool.connection_kwargs
    if not given.keys() & {"driver_info", "lib_name", "lib_version"}:
        with contextlib.suppress(ImportError):  # an older redis-py looks it up once, when imported
            from redis.driver_info import DriverInfo

            given["driver_info"] = DriverInfo()  # otherwise looked up in files for each connection, one a job
    return connection


def new_supervisor(config, line, name):
    base = attribute(config["worker_class"])
    supervisor_class = type(base.__name__, (Supervised, base), {"__module__": base.__module__})
    given = {key: attribute(config[key]) for key in ("job_class", "queue_class", "serializer") if config[key]}
    supervisor = supervisor_class(
        config["queues"],
        name=name,
        connection=connect(config),
        default_result_ttl=config["result_ttl"],
        **given,
    )
    supervisor.line, supervisor.prefix = line, config["key_prefix"]
    supervisor.refresh()  # its birth and its counts are the worker's
    return supervisor


def set_up_logging():
    from rq.logutils import setup_loghandlers

    setup_loghandlers("INFO", name="rq.worker")
    setup_loghandlers("INFO", name="rq.job")


class Output:
    """Sends what is written to standard output and standard error to the job's own file for a while."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        sys.stdout.flush()
        sys.stderr.flush()
        self.kept = [os.dup(1), os.dup(2)]
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.close(file)

    def __exit__(self, *_):
        sys.stdout.flush()
        sys.stderr.flush()
        for number, kept in zip((1, 2), self.kept):
            os.dup2(kept, number)
            os.close(kept)


def reap():
    """Takes leave of orphans that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def supervise(config, path, name):
    """The life of a supervisor: one job after another, until the worker hangs up or the class has had enough."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Orphans of a job come to its supervisor, where they are found.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    line = Line(path, supervisor=name, pid=os.getpid())
    try:
        supervisor = new_supervisor(config, line, name)
    except Exception:
        line.send(unfit=traceback.format_exc())
        return
    orders = queue.Queue()
    threading.Thread(target=read, args=(line, orders, supervisor), daemon=True).start()
    line.send(fit=True)
    while (order := orders.get()) is not None:
        line.send(**execute(supervisor, order))
        if supervisor._stop_requested:
            return


def read(line, orders, supervisor):
    while (order := line.receive()) is not None:
        if order["do"] == "command":
            attempt(supervisor.command, order)
        else:
            orders.put(order)
    orders.put(None)


def execute(supervisor, order):
    """Runs one job to its end. Returns the report."""
    reap()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    supervisor.begin(order)
    report = {"ended": order["job"], "problem": ""}
    with Output(order["output"]):
        try:
            supervisor.run() if order["do"] == "run" else supervisor.mourn()
        except Exception:
            report["problem"] = traceback.format_exc()
        except SystemExit:
            supervisor._stop_requested = True
    os.environ.pop(CLAIM, None)
    try:
        report.update(supervisor.ended())
    except Exception:
        report["problem"] = report["problem"] or traceback.format_exc()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    status = supervisor.horse_status
    report["exit"] = 0 if status is None else os.waitstatus_to_exitcode(status)
    report["peak"] = (supervisor.horse_usage.ru_maxrss if supervisor.horse_usage else 0) * 1024
    report["user"] = after.ru_utime - before.ru_utime
    report["system"] = after.ru_stime - before.ru_stime
    report["read"] = (after.ru_inblock - before.ru_inblock) * 512
    report["written"] = (after.ru_oublock - before.ru_oublock) * 512
    report["waits"] = after.ru_nvcsw - before.ru_nvcsw
    report["preemptions"] = after.ru_nivcsw - before.ru_nivcsw
    report["container"] = report["exit"] < 0 and oom_kills() > supervisor.oom_kills
    report["retires"] = supervisor._stop_requested
    return report


def sources():
    """The files of imported modules, with their times."""
    found = {}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file:
            try:
                found[file] = os.stat(file).st_mtime_ns
            except OSError:
                pass
    return found


def prepare(config):
    """Imports what every job would import. Returns what the worker wants to know."""
    sys.path[0] = ""  # the working directory, as for rq's own command line
    import rq
    from rq.version import VERSION

    prefix = getattr(importlib.import_module("rq.defaults"), "RQ_KEY_PREFIX", "rq")
    if prefix != config["key_prefix"]:
        raise ValueError(f"redis.key-prefix is {config['key_prefix']}; rq {VERSION} of this interpreter uses {prefix}")
    for name in ("worker_class", "job_class", "queue_class", "serializer"):
        if config[name]:
            attribute(config[name])
    for module in config["preload"]:
        importlib.import_module(module)
    set_up_logging()
    return {"rq": VERSION, "python": sys.version.split()[0], "package": os.path.dirname(rq.__file__)}


def serve(path):
    """The life of the fork server: forks a supervisor for each order, and tells which have ended."""
    line = Line(path, pid=os.getpid())
    config = line.receive()
    try:
        ready = prepare(config)
    except Exception as e:
        line.send(unfit=f"{type(e).__name__}: {e}", trace=traceback.format_exc())
        return
    imported = sources()
    gc.collect()
    gc.freeze()  # a collection in a child would copy the pages that all share
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    line.send(ready=ready)
    children, retiring = set(), False
    while not (retiring and not children):
        readable, _, _ = select.select([line, woken], [], [], 0 if line.holds_order() else None)
        if woken in readable:
            os.read(woken, 4096)
            for pid in [pid for pid in children if os.waitpid(pid, os.WNOHANG)[0]]:
                children.remove(pid)
                line.send(exited=pid)
        if line in readable or line.holds_order():
            order = line.receive()
            if order is None:
                return
            if order["do"] == "fork":
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    line.close()
                    os.close(woken)
                    os.close(wake)
                    leave(supervise, config, path, order["name"])
                children.add(pid)
            elif order["do"] == "check":
                changed = [file for file, time in sources().items() if imported.get(file, time) != time]
                line.send(changed=changed)
            else:
                retiring = True


def leave(life, *args):
    """Ends this process after its life, without the cleaning up that belongs to the parent."""
    status = 1
    try:
        life(*args)
        status = 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1])
