"""Many open connections to one process: each answers, and nothing is left of them."""

from __future__ import annotations

import gevent
from gevent.pool import Pool
from support.counted import COUNT, Counted, answer_of, payload
from support.nodes import PATIENCE, eventually
from support.tally import Tally
from support.vitals import many_descriptors

import razorg
from goals.goal import Goal, Unable

#: Beside the connections, a process needs some descriptors for itself.
SPARE = 200
#: A hundredth of the connections more are busy while the others are used once in a while.
BUSY_SHARE = 100
#: How many callers share a busy connection.
CALLERS = 4
#: How many connect, call or close at the same time.
AT_ONCE = 200


class Connections(Goal):
    number = 3
    name = "connections"
    promise = "so many connections, and a hundredth more that are busy, are open at once; each answers"
    unit = "connections"
    every_change = 1_000
    release = 10_000
    portion = 10_000  # all at once

    def __enter__(self) -> Connections:
        self._may_have = self.opened.enter_context(many_descriptors())
        self._server = self.opened.enter_context(Counted("tcp://127.0.0.1:0"))
        self._tally = Tally(answer_of)
        return self

    def advance(self, count: int, seed: int) -> None:
        busy_count = max(count // BUSY_SHARE, 1)
        if count + busy_count + SPARE > self._may_have:
            raise Unable(f"RLIMIT_NOFILE is {self._may_have:,}, too low for {count:,} connections")
        before, pool = self._server.before, Pool(AT_ONCE)
        streams: list[razorg.ClientStream] = []

        def connect(_: int) -> None:
            streams.append(razorg.ClientStream(self._server.addresses[0], task_timeout=60))
            self._call(streams[-1])

        try:
            pool.map(connect, range(count))
            idle = list(streams)
            pool.map(connect, range(busy_count))
            assert self._server.connections == len(streams) == count + busy_count
            rss = self._server.vitals().rss_bytes - before[1].rss_bytes
            self._is_busy = True
            callers = streams[count:] * CALLERS
            busy = [gevent.spawn(self._call_on, stream) for stream in callers]
            calls = len(self._tally)
            pool.map(self._call, idle)  # after a while of quiet, and amid those who are busy
            self._is_busy = False
            gevent.joinall(busy, timeout=PATIENCE)
            busy_calls = len(self._tally) - calls - count
            assert busy_calls > 2 * len(callers), f"{busy_calls} calls of {busy_count} busy ones: they were not"
            assert self._server.connections == count + busy_count, "some were cut"
        finally:
            pool.map(razorg.ClientStream.close, streams)
        eventually(lambda: not self._server.connections, PATIENCE, "all are closed")
        self._tally = self._server.check(self._tally)
        for kept in (streams, idle, callers):
            kept.clear()
        self._server.expect_held(before)
        self.count("connections", count)
        self.keep_largest("open at once", count + busy_count)
        self.count("calls", 2 * count + busy_count + busy_calls)
        self.keep_largest("KiB each in the server", round(rss / 1024 / (count + busy_count), 1))
        self.figures["left behind"] = 0  # or it would not have come here

    def _call(self, stream: razorg.ClientStream) -> None:
        call_id = self._tally.begin()
        try:
            reply = stream.send(COUNT, None, payload(call_id)).get()
        except Exception as error:
            self._tally.failed(call_id, error)
        else:
            self._tally.ok(call_id, bytes(reply.blob or b""))

    def _call_on(self, stream: razorg.ClientStream) -> None:
        while self._is_busy:
            self._call(stream)
