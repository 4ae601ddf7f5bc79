"""Clients that send a byte a second: cut when the frame should have been whole."""

from __future__ import annotations

from random import Random
from time import monotonic

import gevent
from support.beside import Beside
from support.counted import Counted
from support.peers import ScriptedClient, request
from support.vitals import many_descriptors

from goals.goal import Goal

READ_TIMEOUT = 2.0
#: It is judged each second.
LATE_SECONDS = 2.0
FLOOR_SECONDS = 0.100


class Slowloris(Goal):
    number = 8
    name = "slowloris"
    promise = "clients that send a byte a second are cut at the deadline, and disturb nobody"
    unit = "clients"
    every_change = 100
    release = 1_000
    portion = 500

    def __enter__(self) -> Slowloris:
        self.opened.enter_context(many_descriptors())
        self._server = self.opened.enter_context(Counted("tcp://127.0.0.1:0", read_timeout=READ_TIMEOUT))
        return self

    def advance(self, count: int, seed: int) -> None:
        rng = Random(seed)
        frame = request(1, "Service.method", b"\x93\x01\x02\x03", b"a blob")
        with Beside(self._server.addresses[0]) as healthy:
            before = healthy.p99()
            clients = [ScriptedClient(self._server.addresses[0]) for _ in range(count)]
            begun = monotonic()
            places = [0] * count
            lives: dict[int, float] = {}
            ends_at = begun + READ_TIMEOUT + LATE_SECONDS + 1.0
            slowest = 0.0
            while len(lives) < count and monotonic() < ends_at + 1.0:
                for number, client in enumerate(clients):
                    if number in lives:
                        continue
                    try:
                        if client.conn.read(1) == b"":
                            raise ConnectionResetError
                        if client.conn.write(frame[places[number] : places[number] + 1]):
                            places[number] += 1
                    except OSError:
                        lives[number] = monotonic() - begun
                slowest = max(slowest, healthy.p99() if not lives else slowest)
                gevent.sleep(rng.uniform(0.4, 0.6))
            for client in clients:
                client.close()
        assert len(lives) == count, f"{count - len(lives)} of {count} are still open"
        self.count("clients", count)
        self.keep_largest("s until the last one was cut", round(max(lives.values()), 2))
        self.keep_largest("ms p99 of a healthy caller beside them", round(1000 * slowest, 1))
        self.figures["s until the first one was cut"] = round(min(lives.values()), 2)
        assert min(lives.values()) >= READ_TIMEOUT - 0.5, self.told()
        assert max(lives.values()) <= READ_TIMEOUT + LATE_SECONDS + 1.0, self.told()
        assert slowest <= max(2 * before, FLOOR_SECONDS), f"p99 {before:.4f} s before, {slowest:.4f} s beside them"
