"""A database in words that do not depend on times, ids, names and processes, so that two of them can be compared."""

import base64
import fnmatch
import json
import pickle
import re
import time
import zlib
from typing import NamedTuple

ABSENT = "absent"
YEAR = 31_536_000

# What the scenarios ask for, and what rq and this worker do by themselves. A time to live, or a due time, is told as the
# one that it was a moment ago.
SECONDS = (0, 50, 100, 200, 300, 500, 600, 1000, 2000, YEAR)
MOMENT = 20

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
EPOCH = re.compile(r"\d{10}(\.\d{1,6})?")
EXECUTION = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SCHEDULER = re.compile(r"(rq:scheduler:).+")


class Difference(NamedTuple):
    """One that is on purpose. Patterns as of file names."""

    key: str
    field: str
    theirs: str
    ours: str
    why: str
    scenario: str = "*"

    def explains(self, scenario, place, theirs, ours):
        told = (scenario, *place, theirs, ours)
        patterns = (self.scenario, self.key, self.field, self.theirs, self.ours)
        return all(fnmatch.fnmatchcase(*pair) for pair in zip(told, patterns))


def snapshot(redis, words, ignored=()):
    """What every key holds: (key, field) to a word. (type) and (ttl) are fields of each key.

    words: which names are told by which words
    """
    return Snapshot(redis, words, ignored).read()


class Snapshot:
    def __init__(self, redis, words, ignored):
        self._redis, self._words, self._ignored = redis, words, ignored
        self._now = time.time()

    def read(self):
        found = {}
        for key in sorted(self._redis.keys("*")):
            name = self.word(key.decode())
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in self._ignored):
                continue
            kind = self._redis.type(key).decode()
            if kind == "none":  # gone meanwhile
                continue
            found[name, "(type)"] = kind
            found[name, "(ttl)"] = self.ttl(name, self._redis.ttl(key))
            for field, value in getattr(self, kind)(key, name):
                found[name, field] = value
        return found

    def ttl(self, name, seconds):
        if seconds < 0:
            return "none"
        # How long a living worker or scheduler is known depends on what it did last.
        return "some" if name.startswith(("rq:worker:<", "rq:scheduler")) else self.about(seconds)

    def about(self, seconds):
        for known in SECONDS:
            if seconds <= known + 1:
                return str(known if seconds >= known - MOMENT else round(seconds))
        return str(round(seconds))

    def word(self, text):
        """Names and random ids are told by what they are of."""
        for name, word in self._words.items():
            text = text.replace(name, word)
        text = re.sub(r"run-\d+", "<run>", text)
        text = SCHEDULER.sub(r"\1<scheduler>", text)
        text = re.sub(r"^(rq:wepp:ended:).*", r"\1<claim>", text)
        return EXECUTION.sub("<random>", text)

    def text(self, value):
        text = value.decode(errors="backslashreplace")
        if TIME.fullmatch(text):
            return "<time>"
        if EPOCH.fullmatch(text):
            return "<epoch>"
        return self.word(text)

    def string(self, key, name):
        value = self._redis.get(key)
        yield "value", "<scheduler>" if name.startswith("rq:scheduler-lock:") else self.text(value)

    def list(self, key, name):
        yield "in order", " ".join(map(self.text, self._redis.lrange(key, 0, -1)))

    def set(self, key, name):
        for member in self._redis.smembers(key):
            yield self.text(member), "member"

    def zset(self, key, name):
        for member, score in self._redis.zrange(key, 0, -1, withscores=True):
            known = score in (float("inf"), -1)
            yield self.text(member), str(score) if known else self.about(score - self._now)

    def hash(self, key, name):
        for field, value in self._redis.hgetall(key).items():
            field = field.decode()
            yield field, self.field(name, field, value)

    def field(self, name, field, value):
        if name.startswith("rq:job:") and field in ("data", "meta", "result"):
            return self.pickled(value)
        if field == "exc_info":
            return self.last_line(zlib.decompress(value).decode())
        if field in ("retry_intervals", "repeat_intervals", "dependency_ids"):
            return " ".join(map(str, json.loads(value)))
        if field in ("total_working_time", "current_job_working_time"):
            return "0" if float(value) == 0 else "<seconds>"
        if field in ("pid", "hostname", "ip_address", "settled"):
            return f"<{field}>"
        if (name, field) == ("rq:scheduler:<scheduler>", "name"):
            return "<scheduler>"
        if (name, field) == ("rq:scheduler:<scheduler>", "queues"):
            return ",".join(sorted(value.decode().split(",")))
        return self.text(value)

    def stream(self, key, name):
        for n, (_, entry) in enumerate(self._redis.xrange(key), 1):
            for field, value in entry.items():
                field = field.decode()
                yield f"{n} {field}", self.result(field, value)

    def result(self, field, value):
        if field == "return_value":
            return self.pickled(base64.b64decode(value))
        if field == "exc_string":
            return self.last_line(zlib.decompress(base64.b64decode(value)).decode())
        return self.text(value)

    def last_line(self, text):
        text = text.strip().rpartition("\n")[2]
        return re.sub(r"at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S+", "at <time>", self.word(text))

    def pickled(self, value):
        try:
            value = zlib.decompress(value)
        except zlib.error:
            pass
        try:
            value = pickle.loads(value)
        except Exception:
            return self.text(value)
        if isinstance(value, dict):
            value = {name: self.of_meta(name, value[name]) for name in sorted(value)}
        text = re.sub(r"\b\d+\.\d+\b", "<seconds>", re.sub(r" object at 0x\w+", "", repr(value)))
        return self.word(text)

    def of_meta(self, name, value):
        if name == "exc_string":
            return self.last_line(value)
        return "<pid>" if name == "pid" else value


def differences(theirs, ours, documented, scenario):
    """Where two snapshots differ and no documented difference explains it; and the documented ones that were found."""
    left, found = [], set()
    for place in sorted(theirs.keys() | ours.keys()):
        values = theirs.get(place, ABSENT), ours.get(place, ABSENT)
        if values[0] == values[1]:
            continue
        reasons = {difference for difference in documented if difference.explains(scenario, place, *values)}
        found |= reasons
        if not reasons:
            left.append(f"{place[0]}  {place[1]}: theirs {values[0]}, ours {values[1]}")
    return left, found
