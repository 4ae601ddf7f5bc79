"""Peers that ask and never read: what is queued for them is bounded, and they are cut."""

from __future__ import annotations

import select
from contextlib import suppress
from random import Random
from time import monotonic

import gevent
import msgpack
from support.nodes import PATIENCE, eventually
from support.peers import ScriptedClient, request

import razorg
from goals.goal import Goal

WRITE_TIMEOUT = 1.0
LATE_SECONDS = 2.0
UNWRITTEN_BYTES = 256 * 1024
RUNNING = 8
ANSWER_BYTES = 64 * 1024
#: More than the kernel holds.
REQUESTS = 400


@razorg.service
class Filler:
    def fill(self, count: int) -> bytes:
        return bytes(count)


class Unread(Goal):
    number = 9
    name = "unread"
    promise = "peers that never read have a bounded queue, are cut at the write timeout, and disturb nobody"
    unit = "peers"
    every_change = 5
    release = 200
    portion = 20

    def __enter__(self) -> Unread:
        limits = razorg.Limits(min_bytes_per_second=2**30)  # so that the timeout alone counts
        self._server = self.opened.enter_context(razorg.RpcServer(
            "tcp://127.0.0.1:0", [Filler()], write_timeout=WRITE_TIMEOUT, max_running=RUNNING,
            max_unwritten_bytes=UNWRITTEN_BYTES, limits=limits,
        ))
        return self

    def advance(self, count: int, seed: int) -> None:
        rng = Random(seed)
        asking = [gevent.spawn(self._ask, rng.randint(1, 50)) for _ in range(count)]
        most = 0
        latencies = []
        begun = monotonic()
        with razorg.connect(self._server.addresses[0], max_connections=1) as pool:
            neighbour = pool.client(Filler)
            while not all(greenlet.ready() for greenlet in asking):
                assert monotonic() - begun < PATIENCE, "somebody is not cut"
                started = monotonic()
                assert neighbour.fill(100) == bytes(100)
                latencies.append(monotonic() - started)
                most = max(most, *(session._unwritten_bytes for session in self._server._sessions))
                gevent.sleep(0.002)
        lives = [greenlet.get() for greenlet in asking]
        eventually(lambda: self._server.connections == 0, PATIENCE, "all are closed")
        allowed = UNWRITTEN_BYTES + RUNNING * (ANSWER_BYTES + 100)
        p99 = sorted(latencies)[int(len(latencies) * 0.99)]
        self.count("peers", count)
        self.keep_largest("KiB queued for one", round(most / 1024, 1))
        self.keep_largest("s until it was cut", round(max(lives), 2))
        self.keep_largest("ms p99 of a neighbour", round(1000 * p99, 1))
        assert UNWRITTEN_BYTES < most <= allowed, f"{most} bytes queued, {allowed} are allowed"
        assert max(lives) <= WRITE_TIMEOUT + LATE_SECONDS + 1.0, self.told()
        assert p99 <= 0.1, self.told()

    def _ask(self, first: int) -> float:
        """Ask for more than anybody holds; how long it went on after that."""
        asked = msgpack.packb(ANSWER_BYTES)
        with ScriptedClient(self._server.addresses[0]) as client:
            data = b"".join(request(seq, "Filler.fill", asked) for seq in range(first, first + REQUESTS))
            rest = memoryview(data)
            ended = select.poll()
            ended.register(client.conn._sock.fileno(), select.POLLRDHUP)  # type: ignore[attr-defined]
            begun = monotonic()
            while not ended.poll(0):
                assert monotonic() - begun < PATIENCE, "it is not cut"
                if rest:
                    with suppress(OSError):
                        rest = rest[client.conn.write(rest) :]
                gevent.sleep(0.02)
            return monotonic() - begun
