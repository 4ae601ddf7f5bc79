"""Whoever is alone writes himself: what the kernel does not take then is left to the writer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from support.narrow import Narrow

import razorg
from razorg.transport.memory import MemoryTransport


@razorg.service
class Mirror:
    def echo(self, text: str) -> str:
        return text[::-1]


def rooms(*sizes: int) -> Callable[[], int]:
    """These sizes, again and again."""
    return itertools.cycle(sizes).__next__


@pytest.fixture
def scheme() -> Iterator[str]:
    yield "narrow"
    razorg.register_transport("narrow", MemoryTransport())


@pytest.mark.parametrize("sizes", [(1,), (0, 1), (5, 0, 0, 2), (13,), (40, 0), (1000,)], ids=repr)
def test_what_was_not_taken_follows_in_order(sizes: tuple[int, ...], scheme: str) -> None:
    razorg.register_transport(scheme, Narrow(MemoryTransport(), rooms(*sizes)))
    with razorg.RpcServer(f"{scheme}://mirror:1", [Mirror()]) as server:
        with razorg.connect(server.addresses[0], max_connections=1) as pool:
            mirror = pool.client(Mirror)
            for size in (0, 1, 30, 300):
                text = "".join(chr(65 + n % 26) for n in range(size))
                assert mirror.echo(text) == text[::-1]
            several = [gevent.spawn(mirror.echo, f"{n}" * 20) for n in range(12)]
            assert [one.get() for one in several] == [f"{n}"[::-1] * 20 for n in range(12)]


def test_who_comes_behind_a_rest_waits_for_it(scheme: str) -> None:
    """A second request must not overtake the rest of the first one, nor an answer that of one."""
    taken: list[int] = []

    def room() -> int:
        taken.append(3)
        return 3

    razorg.register_transport(scheme, Narrow(MemoryTransport(), room))
    with razorg.RpcServer(f"{scheme}://mirror:1", [Mirror()]) as server:
        with razorg.ClientStream(server.addresses[0]) as stream:
            futures = [stream.send("Mirror.echo", f"request {n}") for n in range(5)]
            answers = [future.get().decode(str) for future in futures]
    assert answers == [f"request {n}"[::-1] for n in range(5)]
    assert len(taken) > 50


class Failing:
    """Its first write at a server's end fails."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def connect(self, address: Any, timeout: float) -> Any:
        return self._inner.connect(address, timeout)

    def listen(self, address: Any) -> Any:
        listener = self._inner.listen(address)
        accept = listener.accept

        def accept_broken() -> Any:
            conn = accept()

            def write(data: Any) -> int:
                raise ConnectionResetError("gone")

            conn.write = write
            return conn

        listener.accept = accept_broken
        return listener


def test_an_answer_that_cannot_be_written_ends_the_connection(scheme: str) -> None:
    razorg.register_transport(scheme, Failing(MemoryTransport()))
    with razorg.RpcServer(f"{scheme}://mirror:1", [Mirror()]) as server:
        with razorg.ClientStream(server.addresses[0]) as stream:
            with pytest.raises(razorg.ConnectionLost) as caught:
                stream.send("Mirror.echo", "x").get()
            assert caught.value.sent == "maybe"
        with gevent.Timeout(2):
            while server.connections:
                gevent.sleep(0.001)
