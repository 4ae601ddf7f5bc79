"""Connect, call, close, and again: nothing is left of any of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from random import Random

from gevent.pool import Pool
from support.counted import COUNT, Counted, answer_of, payload
from support.nodes import PATIENCE, eventually
from support.peers import ScriptedClient, request
from support.tally import Tally
from support.vitals import CLOSE_WAIT, in_state

import razorg
from goals.goal import Goal

#: Each has its own ports to connect from; other systems than Linux have but one.
HOSTS = [f"127.0.0.{number}" for number in (range(1, 9) if sys.platform == "linux" else [1])]
#: How many are at it at the same time.
AT_ONCE = 50


class Churn(Goal):
    number = 4
    name = "churn"
    promise = "of connections that are made, used once and ended in every way nothing is left"
    unit = "connections"
    every_change = 2_000
    release = 100_000
    portion = 1_000

    def __enter__(self) -> Churn:
        listen = [f"tcp://{host}:0" for host in HOSTS] + ["unix://FOLDER/socket"]
        self._server = self.opened.enter_context(Counted(*listen))
        tcp, self._unix = self._server.addresses[:-1], self._server.addresses[-1]
        self._tcp, self._ports = tcp, [int(url.rpartition(":")[2]) for url in tcp]
        self._tally = Tally(answer_of)
        return self

    def advance(self, count: int, seed: int) -> None:
        rng = Random(seed)
        pool = Pool(AT_ONCE)
        for number in range(count):
            # Half of them over TCP: the ports of a closed connection stay taken for a minute.
            address = self._unix if number % 2 else rng.choice(self._tcp)
            pool.spawn(self._once, rng.choice(WAYS), address)
        assert pool.join(timeout=60), f"{len(pool)} of {count} hang"
        eventually(lambda: not self._server.connections, PATIENCE, "all are closed")
        assert len(self._tally) == count, "some could not connect"
        self._tally = self._server.check(self._tally)
        eventually(lambda: not in_state(CLOSE_WAIT, self._ports), PATIENCE, "none is in CLOSE_WAIT")
        self._server.expect_held(self._server.before)
        self.count("connections", count)
        self.figures["left behind"] = self.figures["in CLOSE_WAIT"] = 0  # or it would not be here

    def _once(self, way: Callable[[str, int], bytes], address: str) -> None:
        call_id = self._tally.begin()
        try:
            answer = way(address, call_id)
        except Exception as error:
            self._tally.failed(call_id, error)
        else:
            self._tally.ok(call_id, answer)


def by_stream(address: str, call_id: int) -> bytes:
    with razorg.ClientStream(address) as stream:
        return bytes(stream.send(COUNT, None, payload(call_id)).get().blob or b"")


def by_pool(address: str, call_id: int) -> bytes:
    with razorg.connect(address) as pool:
        return bytes(pool.send(COUNT, None, payload(call_id)).get().blob or b"")


def by_failover(address: str, call_id: int) -> bytes:
    with razorg.connect([address]) as pool:
        return bytes(pool.send(COUNT, None, payload(call_id)).get().blob or b"")


def by_half_close(address: str, call_id: int) -> bytes:
    """The client has no more to say before the answer comes; then the server closes first."""
    with ScriptedClient(address) as client:
        client.send(request(1, COUNT, blob=payload(call_id)))
        client.half_close()
        answer = client.read_reply().blob
        client.expect_eof()
        return answer


def by_reset(address: str, call_id: int) -> bytes:
    with ScriptedClient(address) as client:
        client.send(request(1, COUNT, blob=payload(call_id)))
        answer = client.read_reply().blob
        client.reset()
        return answer


WAYS = [by_stream, by_pool, by_failover, by_half_close, by_reset]
