"""What ordinary code did to the client: each of these once hung, mixed up or lost something."""

from __future__ import annotations

import asyncio
import gc
import socket as plain_socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from support.peers import ScriptedServer, memory_url, wait_until

import razorg
from razorg.hubs import deadline as deadlines
from razorg.link.ticker import current_ticker
from razorg.transport import registry, tcp


@razorg.service
class Mirror:
    def echo(self, value: Any) -> Any:
        return value

    @razorg.method(idempotent=True)
    def slow(self, seconds: float) -> float:
        gevent.sleep(seconds)
        return seconds


@pytest.fixture
def server() -> Iterator[razorg.RpcServer]:
    with razorg.RpcServer("tcp://127.0.0.1:0", [Mirror()]) as server:
        yield server
        server.stop(0)  # slow ones need not end


class Rows(list):  # type: ignore[type-arg]
    """A list whose own code lets others run, as those of ORMs do."""

    def __iter__(self) -> Iterator[Any]:
        for row in super().__iter__():
            gevent.sleep(0)
            yield row


@pytest.mark.parametrize("codec", ["msgpack", "msgspec"])
def test_values_whose_own_code_runs_while_they_are_packed(server: razorg.RpcServer, codec: str) -> None:
    with razorg.connect(server.addresses[0], codec=codec) as pool:
        rows = [gevent.spawn(pool.call, "Mirror.echo", Rows([f"secret {n}", n])) for n in range(10)]
        plain = [gevent.spawn(pool.call, "Mirror.echo", f"text {n}") for n in range(10)]
        gevent.joinall([*rows, *plain], timeout=10)
        assert [one.value for one in rows] == [[f"secret {n}", n] for n in range(10)]
        assert [one.value for one in plain] == [f"text {n}" for n in range(10)]


def test_a_raw_greenlet_that_dies_takes_nobody_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gevent.get_hub(), "exception_stream", None)
    ended: list[Any] = []
    with razorg.connect("tcp://127.0.0.1:1") as pool:

        def call(name: str) -> None:
            try:
                pool.call("S.x")
            except razorg.Unreachable:
                ended.append(name)
                if name == "raw":
                    raise

        gevent.spawn_raw(call, "raw")
        others = [gevent.spawn(call, str(number)) for number in range(4)]
        gevent.joinall(others, timeout=5)
        assert sorted(ended) == ["0", "1", "2", "3", "raw"]


def test_a_callback_is_called_though_nobody_keeps_the_future_or_the_pool(server: razorg.RpcServer) -> None:
    called: list[Any] = []

    def submit() -> Any:
        pool = razorg.connect(server.addresses[0])
        pool.submit("Mirror.slow", 0.05).add_done_callback(called.append)
        return pool.submit("Mirror.slow", 0.06).as_concurrent()

    concurrent = submit()
    gevent.sleep(0)
    gc.collect()
    wait_until(lambda: called and concurrent.done())
    assert concurrent.result() == 0.06
    assert called.pop().get() == 0.05
    gc.collect()


@pytest.fixture
def silent(server: razorg.RpcServer) -> Iterator[int]:
    """A port at which 127.0.0.1 answers and 127.0.0.2 does not: its backlog is full."""
    port = int(server.addresses[0].rpartition(":")[2])
    with plain_socket.socket() as listener:
        listener.bind(("127.0.0.2", port))
        listener.listen(0)
        full = [plain_socket.socket() for _ in range(3)]
        for sock in full:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.2", port))
        yield port
        for sock in full:
            sock.close()


def test_of_several_addresses_of_a_name_a_silent_one_is_passed_over(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(plain_socket.AF_INET, plain_socket.SOCK_STREAM, 0, "", (host, silent)) for host in ("127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(tcp.gevent.socket, "getaddrinfo", lambda *_: found)
    monkeypatch.setattr(tcp, "SILENT_SECONDS", 0.05)
    with razorg.ClientStream(f"tcp://two.example:{silent}") as stream:
        assert stream.ping(5) < 5
    found.reverse()
    with razorg.ClientStream(f"tcp://two.example:{silent}") as stream:
        assert stream.ping(5) < 5
    found[:] = [found[1]] * 2  # both silent
    with pytest.raises(razorg.Unreachable):
        razorg.ClientStream(f"tcp://two.example:{silent}", connect_timeout=0.1)


def test_a_unix_socket_whose_backlog_is_full(tmp_path: Path) -> None:
    with plain_socket.socket(plain_socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen(0)
        with plain_socket.socket(plain_socket.AF_UNIX) as first:
            first.connect(str(tmp_path / "s"))
            cpu, began = time.process_time(), time.monotonic()
            with pytest.raises(razorg.Unreachable, match="backlog"):
                razorg.ClientStream(f"unix://{tmp_path}/s", connect_timeout=0.4)
            assert time.process_time() - cpu < 0.5 * (time.monotonic() - began)
            connecting = gevent.spawn(registry.connect, registry.checked_address(f"unix://{tmp_path}/s"), 10)
            gevent.sleep(0)
            listener.accept()[0].close()  # there is room again
            connecting.get(timeout=5).close()


def test_blocks_with_deadlines_end_in_any_order() -> None:
    def rows(seconds: float) -> Iterator[int]:
        with razorg.deadline(seconds):
            yield 1

    late = rows(50)
    with razorg.deadline(10):
        next(late)
        assert 9 < (deadlines.bounded(None, 100, "x") or 0) <= 10
    assert 49 < (deadlines.bounded(None, 100, "x") or 0) <= 50
    late.close()
    assert deadlines.bounded(7, 100, "x") == 7

    early = rows(50)
    gevent.spawn(next, early).join()  # in another context
    with razorg.deadline(10):
        early.close()
        assert 9 < (deadlines.bounded(None, 100, "x") or 0) <= 10


def test_a_notify_callable_cannot_wait_and_says_so(server: razorg.RpcServer) -> None:
    with razorg.connect(server.addresses[0]) as pool:
        caught: list[BaseException] = []

        def call_on(_: Any) -> None:
            try:
                pool.call("Mirror.echo", 2)
            except razorg.LocalProtocolError as error:
                caught.append(error)

        pool.send("Mirror.echo", 1, notify=call_on)
        assert pool.call("Mirror.echo", 3) == 3  # nobody is kept waiting
        wait_until(lambda: caught)
        assert "hub" in str(caught[0])


@pytest.mark.parametrize("send", ["call", "submit", "send"])
def test_what_an_interceptor_makes_of_a_timeout(server: razorg.RpcServer, send: str) -> None:
    timeouts: list[Any] = [5.0]

    def interceptor(call: Any, proceed: Any) -> Any:
        call.timeout = timeouts[0]
        return proceed(call)

    with razorg.connect(server.addresses[0], interceptors=[interceptor]) as pool:

        def run() -> Any:
            begun = getattr(pool, send)("Mirror.slow", 3.0)
            return begun if send == "call" else begun.get()

        began = time.monotonic()
        with razorg.deadline(0.05), pytest.raises(razorg.CallTimeout):
            run()
        assert time.monotonic() - began < 2
        for wrong in (-1, "5", float("nan")):
            timeouts[0] = wrong
            with pytest.raises((ValueError, TypeError)):
                run()


@pytest.mark.parametrize("how", ["call", "submit", "notify"])
def test_figures_span_all_attempts(how: str, server: razorg.RpcServer) -> None:
    with ScriptedServer("tcp://127.0.0.1:0") as first:

        def swallow() -> None:
            peer = first.accept()
            peer.read_request()
            gevent.sleep(0.1)
            peer.close()

        swallowing = gevent.spawn(swallow)
        observer = razorg.Observer()
        with razorg.connect([first.address, server.addresses[0]], mode="leader", observer=observer) as pool:
            if how == "call":
                pool.call("Mirror.slow", 0.0, idempotent=True)
            elif how == "submit":
                pool.submit("Mirror.slow", 0.0, idempotent=True).get(timeout=5)
            else:
                done: list[Any] = []
                pool.send("Mirror.slow", 0.0, idempotent=True, notify=done.append)
                wait_until(lambda: done)
        swallowing.get(timeout=5)
        assert observer.total().seconds >= 0.1


@pytest.mark.parametrize("how", ["futures", "tasks"])
def test_successes_are_counted_for_the_node_whatever_form_a_call_has(how: str, server: razorg.RpcServer) -> None:
    with razorg.connect(server.addresses, mode="balanced") as pool:
        assert pool.call("Mirror.echo", 1) == 1
        (part,) = pool._in_use()
        (place,) = part._places.values()
        before = place.meter.successes
        done: list[Any] = []
        for number in range(10):
            if how == "tasks":
                pool.send("Mirror.echo", number, notify=done.append)
            else:
                done.append(pool.submit("Mirror.echo", number).get(timeout=5))
        wait_until(lambda: len(done) == 10)
        assert place.meter.successes == before + 10


def test_connections_that_are_closed_for_idleness_are_not_lost(server: razorg.RpcServer) -> None:
    with razorg.connect(server.addresses[0], window=1, max_connections=3, idle_timeout=100) as pool:
        gevent.joinall([gevent.spawn(pool.call, "Mirror.slow", 0.3) for _ in range(3)])
        (part,) = pool._in_use()
        opened = pool.stats()[0].opened
        assert opened > 1
        part._place.on_tick(time.monotonic() + 1000)
        wait_until(lambda: pool.stats()[0].connections == 1)
        assert pool.stats()[0].lost == 0


def test_a_name_that_cannot_be_one_is_unreachable() -> None:
    for name in ("a" * 70, "x..y"):
        with pytest.raises((razorg.Unreachable, ValueError), match="|".join((name, "label", "idna"))):
            razorg.ClientStream(f"tcp://{name}:1")


def test_a_member_of_the_ticker_that_fails_fails_alone() -> None:
    class Member:
        ticks = 0

        def on_tick(self, now: float) -> None:
            self.ticks += 1
            raise ValueError("on purpose")

    ticker, one, two = current_ticker(), Member(), Member()
    for member in (one, two):
        ticker.add(member)
    ticker._tick()
    assert (one.ticks, two.ticks) == (1, 1)
    for member in (one, two):
        ticker.discard(member)


def test_an_endless_timeout_of_a_native_thread(server: razorg.RpcServer) -> None:
    with razorg.connect(server.addresses[0]) as pool:
        future = pool.submit("Mirror.slow", 0.05)
        got: list[Any] = []
        thread = threading.Thread(target=lambda: got.append((future.result(float("inf")), future.get(timeout=1e10))))
        thread.start()
        wait_until(lambda: got)
        thread.join()
        assert got == [(0.05, 0.05)]


def test_a_future_cancelled_elsewhere_is_cancelled_for_asyncio(server: razorg.RpcServer) -> None:
    outcome: list[Any] = []

    def in_thread() -> None:
        async def wait() -> None:
            wrapped = razorg.aio.wrap_future(future)
            cancelling.set()
            try:
                await wrapped
            except asyncio.CancelledError:
                outcome.append(wrapped.cancelled())

        try:
            asyncio.run(wait())
        except BaseException as error:
            outcome.append(error)

    with razorg.connect(server.addresses[0]) as pool:
        future = pool.submit("Mirror.slow", 0.4)
        cancelling = threading.Event()
        thread = threading.Thread(target=in_thread)
        thread.start()
        wait_until(cancelling.is_set)
        future.cancel()
        wait_until(lambda: outcome)
        thread.join()
        assert outcome == [True]


def test_a_closed_pool_says_which_it_was() -> None:
    pool = razorg.connect(url := memory_url())
    pool.close()
    with pytest.raises(razorg.LocalProtocolError, match=f"the pool for {url} is closed"):
        pool.call("Mirror.echo", 1)
