"""Every bit of every recorded head flipped, and every frame cut short: the server answers or closes, and goes on."""

from __future__ import annotations

from random import Random

import gevent
from support.inputs import HEAD_BYTES, golden, same_however_split
from support.peers import ScriptedClient, memory_url

import razorg
from goals.goal import Goal
from razorg.wire.parser import RequestParser, ResponseParser


class Files(razorg.Dispatch):
    inline = True

    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        request.decode()
        respond.ok(None, request.blob)


def variants(direction: str) -> list[bytes]:
    """All of a direction."""
    found = []
    for frame in golden(direction):
        for bit in range(8 * HEAD_BYTES[direction]):
            found.append(frame[: bit // 8] + bytes([frame[bit // 8] ^ 1 << bit % 8]) + frame[bit // 8 + 1 :])
        found += [frame[:end] for end in range(len(frame))]
    return found


class Flips(Goal):
    number = 6
    name = "flips"
    promise = "each bit flip in a head and each truncation of a recorded frame is answered or refused, by the server, too"
    unit = "inputs"
    every_change = len(variants("request")) + len(variants("response"))  # all
    release = every_change
    portion = 4_000

    def __enter__(self) -> Flips:
        limits = razorg.Limits(max_msg_bytes=100_000, max_blob_bytes=200_000)
        self._server = self.opened.enter_context(
            razorg.RpcServer(memory_url(), dispatch=Files(), limits=limits, read_timeout=60)
        )
        requests = [("request", data) for data in variants("request")]
        responses = [("response", data) for data in variants("response")]
        self._all = requests + responses
        Random(1).shuffle(self._all)
        return self

    def advance(self, count: int, seed: int) -> None:
        rng = Random(seed)
        begin = (seed - 1) * self.portion % len(self._all)
        for direction, data in self._all[begin : begin + count]:
            kind = RequestParser if direction == "request" else ResponseParser
            same_however_split(kind, data, rng)
            if direction == "request":
                self._throw(data)
            self.count(f"{direction}s")
        with ScriptedClient(self._server.addresses[0]) as client:
            client.ping(1)

    def _throw(self, data: bytes) -> None:
        """The server has to answer, to close, or to wait for more; and then for us to leave."""
        with ScriptedClient(self._server.addresses[0]) as client:
            client.send(data)
            client.half_close()
            with gevent.Timeout(10, AssertionError(f"the server keeps it open: {data.hex()}")):
                while client.conn.read(65536) != b"":
                    client.conn.wait_readable()


