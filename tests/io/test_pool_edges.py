"""Pools in unlucky moments: each of these once lost a call, its time, or a connection."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import gevent
import pytest
from gevent.queue import Queue
from support.peers import ScriptedServer, error, memory_url, reply, wait_until
from support.pools import part_of
from support.threads import in_thread

import razorg
from razorg.transport.address import Address, parse_address
from razorg.transport.memory import MemoryTransport

_schemes = itertools.count(1)


class Astray(razorg.ErrorText):
    def failover(self) -> razorg.Failover:
        return str(self)


@razorg.service
class Service:
    def __init__(self) -> None:
        self.target = ""
        self.gate = gevent.event.Event()

    def say(self, text: str) -> str:
        return text

    def wait(self) -> str:
        self.gate.wait()
        return "waited"

    def nap(self, seconds: float) -> None:
        gevent.sleep(seconds)

    @razorg.method(raises=Astray)
    def go(self) -> str:
        raise Astray(self.target)


def own_transport(connect: Callable[[], Any]) -> str:
    """An address whose connections are made by ``connect()``."""

    class Own(MemoryTransport):
        def connect(self, address: Address, timeout: float) -> Any:
            return connect()

    scheme = f"own{next(_schemes)}"
    razorg.register_transport(scheme, Own())
    return f"{scheme}://host:1"


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("form", ["call", "submit"])
def test_a_stale_idle_connection_costs_nothing(several: bool, form: str) -> None:
    server = razorg.RpcServer("tcp://127.0.0.1:0", [Service()])
    server.start()
    url = server.addresses[0]
    with razorg.connect([url] if several else url, retry_limit=0) as pool:  # type: ignore[call-overload]
        say = pool.client(Service).say
        assert say("one") == "one"
        server.stop(0)
        with razorg.RpcServer(url, [Service()]):
            result = say("two") if form == "call" else razorg.submit(say, "two").get(timeout=5)
            assert result == "two"


def test_a_burst_at_a_cold_start_waits_its_own_time_and_not_that_of_connecting() -> None:
    with razorg.RpcServer(url := memory_url(), [Service()]):
        settings: Any = {"window": 1, "max_connections": 1, "reconnect_max": 0.05}
        with razorg.connect([url], **settings) as pool:
            nap = pool.client(Service).nap
            gevent.joinall([gevent.spawn(nap, 0.05) for _ in range(4)], raise_error=True)


@pytest.mark.parametrize("oddity", [ConnectionRefusedError(), gevent.Timeout(1), RuntimeError("odd")])
def test_a_transport_that_fails_oddly_is_tried_again(oddity: BaseException) -> None:
    attempts = 0

    def connect() -> Any:
        nonlocal attempts
        attempts += 1
        raise oddity

    with razorg.connect(own_transport(connect)) as pool:
        for _ in range(2):
            with pytest.raises(razorg.Unreachable):
                pool.call("Service.say", "x", timeout=5)
        wait_until(lambda: attempts > 2)


def test_connections_that_are_closed_at_once_are_no_storm() -> None:
    accepted = 0

    def accept() -> None:
        nonlocal accepted
        peer = server.accept()
        peer.send(reply(0))
        while True:
            server.accept().close()
            accepted += 1

    with ScriptedServer() as server:
        accepting = gevent.spawn(accept)
        with razorg.connect(server.address, window=1, max_connections=4) as pool:
            callers = [gevent.spawn(pool.call, "Service.say", "x", timeout=0.5) for _ in range(20)]
            gevent.joinall(callers)
            assert accepted < 20
            accepting.kill()
            pool.close(0)


def test_an_address_that_hangs_sends_its_calls_to_the_next() -> None:
    hang = gevent.event.Event()
    with razorg.RpcServer(url := memory_url(), [Service()]):
        with razorg.connect([own_transport(hang.wait), url], reconnect_max=0.1) as pool:
            say = pool.client(Service).say
            started = monotonic()
            assert [say(str(n)) for n in range(4)] == ["0", "1", "2", "3"]
            assert monotonic() - started < 2
            assert "unhealthy (no connection within 0.1 s)" in repr(pool)


def test_who_has_little_time_has_some_left_for_the_next_address() -> None:
    hang = gevent.event.Event()
    with razorg.RpcServer(url := memory_url(), [Service()]):
        with razorg.connect([own_transport(hang.wait), url]) as pool:
            assert pool.call("Service.say", "x", timeout=0.6) == "x"
        with razorg.connect([own_transport(hang.wait)]) as pool:
            started = monotonic()
            with pytest.raises(razorg.Unreachable, match=r"no connection within 0\.[67]"):
                pool.call("Service.say", "x", timeout=0.6)  # where there is no other it has all
            assert 0.6 <= monotonic() - started < 2


def test_what_is_left_for_the_next_address_is_not_lost_when_the_first_one_answers() -> None:
    """Half of its time a call waits for a connection; then for room it has all that is left."""
    service, started = Service(), monotonic()
    with razorg.RpcServer([one := memory_url(), two := memory_url()], [service]):
        with razorg.connect([one, two], window=1, max_connections=1) as pool:
            wait = razorg.with_options(pool.client(Service), timeout=3).wait
            callers = [gevent.spawn(wait) for _ in range(4)]
            wait_until(lambda: monotonic() - started > 1.6)
            service.gate.set()
            gevent.joinall(callers, raise_error=True)


def test_a_removed_address_drains_longer_than_task_timeout() -> None:
    service = Service()
    with razorg.RpcServer(url := memory_url(), [service]), ScriptedServer() as other:
        with razorg.connect([url], task_timeout=0.05) as pool:
            future = pool.submit("Service.wait", timeout=10)
            pool.update_addresses([other.address])
            gevent.sleep(0.1)
            service.gate.set()
            assert future.get(timeout=5) == "waited"


@pytest.mark.parametrize("form", ["call", "submit"])
def test_a_redirect_to_a_dead_address_has_run(form: str) -> None:
    service = Service()
    with razorg.RpcServer(url := memory_url(), [service]):
        service.target = memory_url()
        with razorg.connect([url], retry_limit=1) as pool:
            go = pool.client(Service).go
            with pytest.raises((razorg.Unreachable, Astray)) as caught:
                go() if form == "call" else razorg.submit(go).get(timeout=5)
            assert getattr(caught.value, "sent", "yes") == "yes"


def test_a_closing_pool_follows_no_redirect() -> None:
    service = Service()
    with razorg.RpcServer(url := memory_url(), [service]), ScriptedServer() as other:
        pool = razorg.connect([url], mode="leader")
        future = razorg.submit(pool.client(Service).wait)
        service.target = other.address
        closing = gevent.spawn(pool.close)
        gevent.sleep(0)
        with pytest.raises(razorg.LocalProtocolError):
            pool.client(Service).go()
        service.gate.set()
        closing.get(timeout=5)
        assert future.get(timeout=5) == "waited" and pool.addresses == [url]


def test_a_failover_that_raises_is_the_callers_error_and_nobody_elses() -> None:
    class Odd(razorg.ErrorText):
        def failover(self) -> razorg.Failover:
            raise gevent.Timeout(1)

    @razorg.service
    class Odds:
        @razorg.method(raises=Odd)
        def odd(self) -> str:
            raise Odd("odd")

        def fine(self) -> str:
            return "fine"

    with razorg.RpcServer(url := memory_url(), [Odds()]), razorg.connect([url]) as pool:
        client = pool.client(Odds)
        futures = [razorg.submit(client.odd), razorg.submit(client.fine)]
        with pytest.raises(Odd):
            futures[0].get(timeout=5)
        assert futures[1].get(timeout=5) == "fine"


def test_wrong_options_are_refused_before_they_can_hurt() -> None:
    client = razorg.connect(["memory://nobody"]).client(Service)
    for limit in ("3", -1, True, 1.5):
        with pytest.raises(ValueError, match="retry_limit"):
            razorg.with_options(client, retry_limit=limit)


def test_a_failed_future_keeps_neither_pool_nor_blob() -> None:
    class Blob(bytearray):
        pass

    blob = Blob(10)
    pool = razorg.connect(["memory://nobody"])
    future = pool.send(1, blob=blob)
    wait_until(future.ready)
    kept = weakref.ref(pool)
    gc.disable()
    try:
        del pool
        assert kept() is None and not future.successful()
    finally:
        gc.enable()


def test_tasks_that_fail_unsent_press_back_too() -> None:
    channel: Queue[razorg.ClientTask] = Queue(1)
    pool = razorg.connect("memory://nobody", window=4)
    sent: list[int] = []

    def send() -> None:
        for number in range(50):
            pool.send(1, notify=channel, tag=number)
            sent.append(number)

    sending = gevent.spawn(send)
    gevent.sleep(0.02)
    assert len(sent) <= 6
    assert [channel.get(timeout=5).tag for _ in range(50)] == list(range(50))
    sending.get(timeout=5)


def test_closing_ends_what_a_removed_address_still_has_to_answer() -> None:
    service = Service()
    with razorg.RpcServer(url := memory_url(), [service]), ScriptedServer() as other:
        pool = razorg.connect([url])
        future = pool.submit("Service.wait")
        pool.update_addresses([other.address])
        assert pool.in_flight == 1
        pool.close(0.01)
        with pytest.raises(razorg.ConnectionLost):
            future.get(timeout=5)
        service.gate.set()


def test_closing_ends_what_was_not_sent_as_what_was() -> None:
    with ScriptedServer() as server:
        pool = razorg.connect(server.address, max_connections=1)
        futures = [pool.send(2, blob=bytes(1_000_000)) for _ in range(3)]
        blocking = gevent.spawn(pool.send, 2)
        server.accept()  # and reads nothing
        gevent.sleep(0)
        pool.close(0.01)
        errors = [future.exception for future in [*futures, blocking.get(timeout=5)]]
        assert [type(error) for error in errors] == [razorg.ConnectionLost] * 4
        assert [error.sent for error in errors] == ["maybe", "no", "no", "no"]


def test_a_task_that_failed_on_its_way_gives_its_permit_back_once() -> None:
    """Answered with a failure, it goes on to a place that fails too, and its channel is full."""
    channel: Queue[Any] = Queue(1)
    channel.put("full")

    def use_up_the_time() -> None:
        sleep(0.2)
        raise OSError("too late")

    fails = own_transport(use_up_the_time)
    with ScriptedServer() as server:
        with razorg.connect([server.address, fails], window=2, max_connections=1) as pool:
            task = pool.send(1, idempotent=True, notify=channel, timeout=0.1)
            peer = server.accept()
            peer.send(error(peer.read_request().seq, b"rpc_unreachable"))
            wait_until(lambda: pool.in_flight == 0 and task.is_finished)
            stream = next(iter(part_of(pool)._routing.places[0]._streams))
            pool.update_addresses([server.address])
            busy = [pool.send(1) for _ in range(2)]
            assert stream.is_full()
            assert channel.get(timeout=5) == "full" and channel.get(timeout=5) is task
            assert stream.is_full() and isinstance(task.error, razorg.Unreachable)
            for future in busy:
                future.cancel()
            assert stream._window.counter == 2


def test_what_was_cancelled_while_it_looked_for_another_address_has_ended() -> None:
    connecting, refused = gevent.event.Event(), gevent.event.Event()

    def connect() -> Any:
        connecting.set()
        refused.wait()
        raise ConnectionRefusedError("nobody")

    observer = razorg.Observer()
    with ScriptedServer() as server, razorg.connect([server.address, own_transport(connect)], observer=observer) as pool:
        future = pool.send(7, "x", idempotent=True, timeout=5)
        peer = server.accept()
        peer.read_request()
        peer.close()
        connecting.wait()
        assert future.cancel()
        refused.set()
        wait_until(lambda: "nobody" in repr(pool))
        gevent.idle()
        assert future.cancelled()
        (figures,) = observer.figures
        assert (figures.calls, figures.errors) == (1, {"CancelledError": 1})


@pytest.mark.parametrize("how", ["update_addresses", "follow"])
def test_addresses_that_come_after_the_end_open_nothing(how: str) -> None:
    """They are told in the pool's hub, soon: it may have been closed meanwhile."""
    with razorg.RpcServer([one := memory_url(), two := memory_url()], [Service()]) as server:
        pool = razorg.connect([one])
        say = pool.client(Service).say
        assert say("here") == "here"
        if how == "update_addresses":
            in_thread(pool.update_addresses, [two])
        part, address = part_of(pool), parse_address(two)
        pool.close()
        if how == "follow":
            part.follow([address], [], address, {})
        for _ in range(3):
            gevent.idle()
            with pytest.raises(razorg.LocalProtocolError, match="closed"):
                say("nobody")
        wait_until(lambda: server.connections == 0)
        assert "closed" in repr(pool) and "healthy" not in repr(pool)
