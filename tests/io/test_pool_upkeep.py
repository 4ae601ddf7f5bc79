"""How a pool keeps its connections: grows, shrinks, pings, judges, heals, and goes away.

The clock stands still, unless a test lets seconds pass.
"""

from __future__ import annotations

import gc
import socket
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from support.peers import Peer, ScriptedServer, reply, wait_until
from support.pools import part_of

import razorg
from razorg.client import beginnings, connections, endings, journey, line, routed, stream, upkeep
from razorg.link import reading, ticker


class Clock:
    """What the client takes for the time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def tick(self, pool: razorg.ClientPool, seconds: int) -> None:
        """Let so many seconds pass, with what the pool does in each."""
        for _ in range(seconds):
            self.now += 1.0
            part_of(pool)._place.on_tick(self.now)
            for _ in range(5):
                gevent.sleep(0)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (
        beginnings, connections, endings, journey, line, reading, routed, stream, ticker, upkeep,
    ):
        monkeypatch.setattr(module, "monotonic", clock)
    return clock


@razorg.service
class Echo:
    def say(self, text: str) -> str:
        return text


@contextmanager
def scripted(**settings: Any) -> Iterator[tuple[ScriptedServer, razorg.ClientPool]]:
    with ScriptedServer() as server:
        pool = razorg.connect(server.address, **settings)
        try:
            yield server, pool
        finally:
            pool.close(0)


def asks(pool: razorg.ClientPool, count: int) -> list[Any]:
    greenlets = [gevent.spawn(pool.call, "Echo.say", str(number)) for number in range(count)]
    gevent.sleep(0)
    return greenlets


def accept_answering(server: ScriptedServer) -> Peer:
    """Accept a connection that has to prove itself: the first thing in it is a ping."""
    peer = server.accept()
    ping = peer.read_request()
    assert ping.action == 0
    peer.send(reply(ping.seq))
    return peer


@contextmanager
def no_collection() -> Iterator[None]:
    """The garbage collector is not needed to notice what nobody holds."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_it_grows_while_every_window_is_full_and_not_beyond() -> None:
    with scripted(window=2, max_connections=3) as (server, pool):
        callers = asks(pool, 2)
        peers = [server.accept()]
        wait_until(lambda: "1 connection, 2 in flight, 0 queued" in repr(pool))
        callers += asks(pool, 7)
        peers += [accept_answering(server), accept_answering(server)]
        wait_until(lambda: "3 connections, 6 in flight, 3 queued" in repr(pool))
        for peer in peers:  # as places are given back, those in the line take them, in order
            for _ in range(2):
                request = peer.read_request()
                peer.send(reply(request.seq, request.msg))
        wait_until(lambda: "3 in flight, 0 queued" in repr(pool))
        for one in part_of(pool)._place._streams:
            peer = peers[list(part_of(pool)._place._streams).index(one)]
            for _ in range(one.in_flight):
                request = peer.read_request()
                peer.send(reply(request.seq, request.msg))
        assert [caller.get(timeout=5) for caller in callers] == [str(n) for n in (0, 1, *range(7))]
        assert "3 connections, 0 in flight, 0 queued" in repr(pool)


def test_it_keeps_the_minimum_and_closes_what_was_idle_for_too_long(clock: Clock) -> None:
    with razorg.RpcServer("memory://upkeep", [Echo()]) as server:
        settings: Any = {"min_connections": 2, "max_connections": 4, "window": 1, "idle_timeout": 10}
        with razorg.connect("memory://upkeep", **settings) as pool:
            pool.call("Echo.say", "x")
            clock.tick(pool, 1)
            wait_until(lambda: server.connections == 2)
            gevent.joinall(asks(pool, 50), raise_error=True)
            assert server.connections == 4
            clock.tick(pool, 9)
            assert server.connections == 4
            clock.tick(pool, 1)
            wait_until(lambda: server.connections == 2)
            assert " healthy, 2 connections" in repr(pool)


def test_the_line_is_first_come_first_served_also_for_those_who_come_again() -> None:
    turns: list[int] = []

    def caller(number: int) -> None:
        for _ in range(20):
            pool.call("Echo.say", "x")
            turns.append(number)

    with razorg.RpcServer("memory://upkeep", [Echo()]):
        with razorg.connect("memory://upkeep", window=3, max_connections=1) as pool:
            gevent.joinall([gevent.spawn(caller, number) for number in range(30)], raise_error=True)
    for start in range(0, 600, 30):  # nobody has a second turn before everybody had one
        counts = [turns[: start + 30].count(number) for number in range(30)]
        assert max(counts) - min(counts) <= 1


def test_a_stream_of_its_own_is_fair_too() -> None:
    turns: list[int] = []

    def caller(number: int) -> None:
        for _ in range(20):
            stream.send("Echo.say", "x").get()
            turns.append(number)

    with razorg.RpcServer("memory://upkeep", [Echo()]):
        with razorg.ClientStream("memory://upkeep", window=3) as stream:
            gevent.joinall([gevent.spawn(caller, number) for number in range(30)], raise_error=True)
    counts = [turns[:300].count(number) for number in range(30)]
    assert max(counts) - min(counts) <= 2


def test_waiting_in_the_line_is_limited_by_the_callers_timeout() -> None:
    with scripted(window=1, max_connections=1) as (server, pool):
        (first,) = asks(pool, 1)
        peer = server.accept()
        with pytest.raises(razorg.CallTimeout, match="no room") as caught:
            pool.call("Echo.say", "late", timeout=0.05)
        assert (caught.value.sent, caught.value.method) == ("no", "Echo.say")
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
            pool.call("Echo.say", "later")
        assert "1 in flight, 0 queued" in repr(pool)
        request = peer.read_request()
        peer.send(reply(request.seq, request.msg))
        assert first.get(timeout=5) == "0"


def test_quiet_connections_are_pinged_outside_the_window(clock: Clock) -> None:
    with scripted(window=1, max_connections=1) as (server, pool):
        (caller,) = asks(pool, 1)
        peer = server.accept()
        request = peer.read_request()
        clock.tick(pool, 1)
        ping = peer.read_request()
        assert (ping.action, ping.msg, ping.blob) == (0, b"", b"") and pool.in_flight == 1
        peer.send(reply(ping.seq) + reply(request.seq, request.msg))
        assert caller.get(timeout=5) == "0"


def test_a_slow_handler_is_no_dead_peer(clock: Clock) -> None:
    with scripted(task_timeout=60) as (server, pool):
        (caller,) = asks(pool, 1)
        peer = server.accept()
        request = peer.read_request()
        for _ in range(20):
            clock.tick(pool, 1)
            peer.send(reply(peer.read_request().seq))
            gevent.sleep(0)
            assert " healthy, 1 connection, 1 in flight" in repr(pool)
        peer.send(reply(request.seq, request.msg))
        assert caller.get(timeout=5) == "0"


def test_silence_makes_it_unhealthy_for_new_calls_and_an_answer_heals_it(clock: Clock) -> None:
    with scripted(window=2, max_connections=1) as (server, pool):
        running = asks(pool, 3)
        peer = server.accept()
        first, second = peer.read_request(), peer.read_request()
        clock.tick(pool, 3)
        assert " healthy" in repr(pool)
        clock.tick(pool, 1)
        assert "unhealthy (no answer to a ping for 3 s), 1 connection, 2 in flight, 0 q" in repr(pool)
        with pytest.raises(razorg.Unreachable, match="no answer"):
            running[2].get(timeout=5)  # it was in the line
        ping = peer.read_request()
        peer.send(reply(ping.seq) + reply(first.seq, first.msg) + reply(second.seq, second.msg))
        assert [caller.get(timeout=5) for caller in running[:2]] == ["0", "1"]
        clock.tick(pool, 1)
        assert " healthy, 1 connection" in repr(pool)


def test_a_reconnected_address_has_to_answer_before_it_is_healthy(clock: Clock) -> None:
    with scripted() as (server, pool):
        asks(pool, 1)
        server.accept()
        clock.tick(pool, 4)
        again = server.accept()  # it looks whether a new connection fares better
        assert again.read_request().action == 0
        assert "unhealthy" in repr(pool)
        again.send(reply(1))
        wait_until(lambda: " healthy, 2 connections" in repr(pool))


def test_a_stopped_process_that_still_accepts_is_no_healthy_one(clock: Clock) -> None:
    with scripted(window=1, max_connections=3) as (server, pool):
        asks(pool, 1)
        server.accept()
        for _ in range(12):
            clock.tick(pool, 1)
            asks(pool, 1)
        assert "unhealthy (no answer" in repr(pool) and "1 connection, 1 in flight" in repr(pool)


def test_calls_to_an_address_that_just_failed_fail_without_an_attempt() -> None:
    server = ScriptedServer("tcp://127.0.0.1:0")
    server.close()
    pool = razorg.connect(server.address)
    for _ in range(5):
        with pytest.raises(razorg.Unreachable) as caught, gevent.Timeout(0.05):
            pool.call("Echo.say", "x")
        assert caught.value.sent == "no" and "efused" in str(caught.value)
    assert part_of(pool)._place._backoff.failures == 1
    pool.close()


def test_a_request_of_which_nothing_was_sent_moves() -> None:
    with scripted(window=1, max_connections=1) as (server, pool):
        first = razorg.submit(pool.client(Echo).say, "first")
        peer = server.accept()
        peer.read_request()
        queued = gevent.spawn(pool.client(Echo).say, "second")
        wait_until(lambda: "1 queued" in repr(pool))
        peer.close()
        with pytest.raises(razorg.ConnectionLost) as caught:
            first.get(timeout=5)
        assert caught.value.sent == "maybe"
        again = accept_answering(server)
        request = again.read_request()
        again.send(reply(request.seq, request.msg))
        assert queued.get(timeout=5) == "second"


@pytest.mark.parametrize("form", ["future", "task"])
def test_what_the_kernel_did_not_take_moves_with_its_future(form: str) -> None:
    """The peer reads nothing: of the frames behind the one that blocks nothing was sent."""
    with scripted(max_connections=1) as (server, pool):
        big = pool.send(1, blob=bytes(1_000_000))
        peer = server.accept()
        gevent.sleep(0)
        finished: list[Any] = []
        if form == "future":
            later = pool.send("Echo.say", "later")
            later.rawlink(finished.append)
        else:
            later = pool.send("Echo.say", "later", notify=finished.append)
        gevent.sleep(0)
        peer.close()
        with pytest.raises(razorg.ConnectionLost) as caught:
            big.get(timeout=5)
        assert caught.value.sent == "maybe"
        again = accept_answering(server)
        request = again.read_request()
        assert request.action == b"Echo.say"
        again.send(reply(request.seq, request.msg))
        wait_until(lambda: finished)
        assert later.get().msg == "later" and len(finished) == 1


def test_nothing_is_left_of_a_pool_that_nobody_uses_any_more() -> None:
    with razorg.RpcServer("tcp://127.0.0.1:0", [Echo()]) as server:
        pool = razorg.connect(server.addresses[0])
        pool.call("Echo.say", "x")
        with no_collection():
            del pool
            wait_until(lambda: server.connections == 0)


@pytest.mark.parametrize("several", [False, True])
def test_nothing_is_left_of_a_pool_of_dead_addresses(several: bool) -> None:
    server = ScriptedServer("tcp://127.0.0.1:0")
    server.close()
    pool: Any = razorg.connect([server.address] if several else server.address)
    try:
        pool.call("Echo.say", "x")
    except razorg.Unreachable:
        pass
    place = part_of(pool)._routing.places[0] if several else part_of(pool)._place
    pending = place._pending
    assert pending._timer is not None
    with no_collection():
        del pool, place
        wait_until(lambda: pending._timer is None and not pending.openers)


def test_a_connection_that_breaks_keeps_nothing_of_whoever_was_calling() -> None:
    class Held:
        pass

    def call(pool: Any) -> weakref.ref[Held]:
        held = Held()
        with pytest.raises(razorg.Unreachable):  # nothing was sent, and there is no other connection
            pool.call("Echo.say", "x", timeout=5)
        return weakref.ref(held)

    with scripted() as (server, pool):
        (caller,) = asks(pool, 1)
        peer = server.accept()
        request = peer.read_request()
        peer.send(reply(request.seq, request.msg))
        assert caller.get(timeout=5) == "0"
        server.close()
        peer.close()  # and the hub does not run before the next call writes
        with no_collection():
            held = call(pool)
            wait_until(lambda: held() is None)


def test_nothing_is_left_of_a_pool_that_is_still_connecting() -> None:
    with socket.socket() as full:  # a listener whose backlog is full swallows the SYN
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"tcp://127.0.0.1:{full.getsockname()[1]}"
        fill = [socket.socket() for _ in range(3)]
        for sock in fill:
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        gevent.sleep(0.02)
        pool = razorg.connect(url)
        try:
            pool.call("Echo.say", "x", timeout=0.1)
        except razorg.Unreachable as error:
            assert "no connection within" in str(error)
        pending = part_of(pool)._place._pending
        assert len(pending.openers) == 1
        with no_collection():
            del pool
            wait_until(lambda: not pending.openers)
        for sock in fill:
            sock.close()


def test_close_ends_those_who_wait_and_lets_those_in_flight_end() -> None:
    with scripted(window=1, max_connections=1) as (server, pool):
        flying = asks(pool, 1)[0]
        peer = server.accept()
        waiting = asks(pool, 1)[0]
        closing = gevent.spawn(pool.close)
        with pytest.raises(razorg.LocalProtocolError, match="closed"):
            waiting.get(timeout=5)
        request = peer.read_request()
        peer.send(reply(request.seq, request.msg))
        assert flying.get(timeout=5) == "0"
        closing.get(timeout=5)
        peer.expect_eof()
