"""Frames that announce gigabytes: nobody takes memory for what does not come."""

from __future__ import annotations

from random import Random

import gevent
from gevent.pool import Pool
from support.beside import Beside
from support.counted import Counted
from support.peers import STRING, ScriptedClient, ScriptedServer, reply, request
from support.vitals import Peak

import razorg
from goals.goal import Goal

GROWTH_MAX_BYTES = 64 * 2**20
#: Beside them a healthy caller may wait twice as long as before; but on a machine in use so much
#: is nobody's fault.
FLOOR_SECONDS = 0.050
AT_ONCE = 50
GIB = 2**30


def server_bombs(rng: Random) -> list[bytes]:
    """Requests, with a little of what they announce."""
    junk = rng.randbytes(rng.choice([0, 1, 1000, 60_000]))
    return [
        request(1, 2, junk, msg_len=rng.randint(2 * GIB, 4 * GIB - 1)),
        request(1, 2, b"\xc0", junk, blob_len=rng.randint(2 * GIB, 4 * GIB - 1)),
        request(1, "A.b", junk, name_len=rng.randint(2**20, STRING - 1)),
        request(1, 2, junk, msg_len=4 * GIB - 1, blob_len=4 * GIB - 1),
    ]


def promises(rng: Random) -> list[bytes]:
    """Requests of a size that is allowed, of which nothing more comes."""
    junk = rng.randbytes(rng.choice([0, 1, 1000, 60_000]))
    return [request(1, 2, junk, msg_len=64 * 2**20), request(1, 2, b"", junk, blob_len=256 * 2**20)]


def client_bombs(rng: Random) -> list[bytes]:
    """Responses of the same kind."""
    junk = rng.randbytes(rng.choice([0, 1, 1000, 60_000]))
    return [
        reply(1, junk, msg_len=rng.randint(2 * GIB, 4 * GIB - 1)),
        reply(1, b"", junk, blob_len=2 * GIB - 1),
        reply(1, b"", junk, blob_len=-rng.randint(1, 2 * GIB), flag=2),
        reply(1, b"", junk, blob_len=2 * GIB - 1, flag=2),
    ]


def client_promises(rng: Random) -> list[bytes]:
    """Responses of a size that is allowed, of which nothing more comes."""
    junk = rng.randbytes(rng.choice([0, 1, 1000, 60_000]))
    return [reply(1, junk, msg_len=64 * 2**20), reply(1, b"", junk, blob_len=256 * 2**20)]


class Bombs(Goal):
    number = 7
    name = "bombs"
    promise = "frames that announce up to 4 GiB take no memory, at either side, and disturb nobody"
    unit = "bombs"
    every_change = 50
    release = 1_000
    portion = 50

    def __enter__(self) -> Bombs:
        self._ways = [
            (server_bombs, self._at_server), (promises, self._leave),
            (client_bombs, self._at_client), (client_promises, self._wait),
        ]
        self._server = self.opened.enter_context(Counted("tcp://127.0.0.1:0", read_timeout=1.0))
        return self

    def advance(self, count: int, seed: int) -> None:
        rng = Random(seed)
        with Beside(self._server.addresses[0]) as healthy:
            before = healthy.p99()
            server_peak, client_peak = Peak(self._server.pid), Peak()
            pool = Pool(AT_ONCE)
            healthy.watch()
            dropped = []
            for _ in range(count):
                bombs, drop = rng.choice(self._ways)
                dropped.append(pool.spawn(drop, rng.choice(bombs(rng))))
            gevent.joinall(dropped, timeout=30, raise_error=True)
            assert not pool, f"{len(pool)} of {count} bombs are still there"
            during = healthy.p99_since()
        grown, client_grown = server_peak.grown_bytes, client_peak.grown_bytes
        self.count("bombs", count)
        self.keep_largest("MiB grown in the server", round(grown / 2**20, 1))
        self.keep_largest("MiB grown in the client", round(client_grown / 2**20, 1))
        self.keep_largest("ms p99 of a healthy caller beside them", round(1000 * during, 1))
        assert max(grown, client_grown) <= GROWTH_MAX_BYTES, self.told()
        assert during <= max(2 * before, FLOOR_SECONDS), f"p99 {before:.4f} s before, {during:.4f} s beside them"

    def _at_server(self, bomb: bytes) -> None:
        with ScriptedClient(self._server.addresses[0]) as client:
            client.send(bomb)
            client.expect_eof()

    def _leave(self, promise: bytes) -> None:
        with ScriptedClient(self._server.addresses[0]) as client:
            client.send(promise)
            gevent.sleep(1.0)  # it is waited for, with no memory set aside

    def _at_client(self, bomb: bytes) -> None:
        self._receive(bomb, razorg.ConnectionLost)

    def _wait(self, promise: bytes) -> None:
        self._receive(promise, razorg.CallTimeout)

    def _receive(self, response: bytes, expected: type[razorg.RpcError]) -> None:
        with ScriptedServer("tcp://127.0.0.1:0") as server:
            answering = gevent.spawn(self._answer, server, response)
            # Short only for what is waited for in vain.
            seconds = 1 if expected is razorg.CallTimeout else 30
            with razorg.ClientStream(server.address, task_timeout=seconds) as stream:
                future = stream.send(1, None)
                future.wait(timeout=10)
                error = future.exception
                assert type(error) is expected, f"{response[:30]!r} gives {error!r}"
            answering.get(10)

    def _answer(self, server: ScriptedServer, bomb: bytes) -> None:
        peer = server.accept()
        peer.read_request()
        peer.send(bomb)
