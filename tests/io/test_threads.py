"""One pool for all threads: greenlets, native threads, gevent's thread pool."""

from __future__ import annotations

import concurrent.futures
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import gevent
import gevent.event
import pytest
from gevent._hub_local import get_hub_if_exists
from support.peers import ScriptedServer, memory_url, reply, wait_until
from support.pools import part_of
from support.threads import NativeThread, in_thread

import razorg
from razorg.hubs.background import background_hub, run_in_background

ADDRESSES = ("memory", "tcp://127.0.0.1:0")


class Refused(razorg.ErrorText):
    pass


@razorg.service
class Service:
    def __init__(self) -> None:
        self.gate = gevent.event.Event()

    def double(self, value: int) -> int:
        return 2 * value

    def wait(self) -> str:
        self.gate.wait()
        return "waited"

    @razorg.method(raises=Refused)
    def refuse(self, why: str) -> None:
        raise Refused(why)


@pytest.fixture(params=ADDRESSES)
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Service, razorg.ClientPool]]:
    service = Service()
    listen = memory_url() if request.param == "memory" else request.param
    with razorg.RpcServer(listen, [service]) as server:
        with razorg.connect(server.addresses[0]) as pool:
            try:
                yield service, pool
            finally:
                service.gate.set()


def test_a_native_thread_calls_and_gets_no_hub(served: Any) -> None:
    _, pool = served
    double = pool.client(Service).double
    assert double(1) == 2

    def call() -> Any:
        return double(21), get_hub_if_exists()

    assert in_thread(call) == (42, None)
    assert double(2) == 4


def test_threads_come_first(served: Any) -> None:
    _, pool = served
    double = pool.client(Service).double
    assert in_thread(double, 4) == 8 and double(5) == 10 and in_thread(double, 6) == 12


def test_errors_and_timeouts_reach_the_thread(served: Any) -> None:
    _, pool = served
    client = pool.client(Service)
    with pytest.raises(Refused, match="no"):
        in_thread(client.refuse, "no")
    with pytest.raises(razorg.CallTimeout) as caught:
        in_thread(razorg.with_options(client, timeout=0.05).wait)
    assert caught.value.sent == "maybe"
    with pytest.raises(razorg.EncodeError):
        in_thread(client.double, object())


def test_a_thread_blocks_only_itself(served: Any) -> None:
    service, pool = served
    client = pool.client(Service)
    thread = NativeThread(client.wait)
    wait_until(lambda: pool.in_flight == 1)
    assert in_thread(client.double, 1) == 2 and client.double(3) == 6 and thread.is_running, thread._outcome
    service.gate.set()
    assert thread.get() == "waited"


def test_many_threads_get_their_own_answers(served: Any) -> None:
    _, pool = served
    double = pool.client(Service).double

    def many(start: int) -> list[int]:
        return [double(number) for number in range(start, start + 50)]

    threads = [NativeThread(many, 1000 * number) for number in range(20)]
    for number, thread in enumerate(threads):
        assert thread.get() == [2 * value for value in range(1000 * number, 1000 * number + 50)]


def test_executors_and_the_thread_pool_of_gevent(served: Any) -> None:
    _, pool = served
    double = pool.client(Service).double
    with ThreadPoolExecutor(4) as executor:
        calls = [executor.submit(double, number) for number in range(40)]
        while not all(call.done() for call in calls):
            gevent.sleep(0.001)
        assert [call.result() for call in calls] == [2 * number for number in range(40)]
    assert gevent.get_hub().threadpool.apply(double, (8,)) == 16


def test_a_future_waited_for_in_another_thread(served: Any) -> None:
    service, pool = served
    client = pool.client(Service)
    ours = razorg.submit(client.wait)
    theirs = in_thread(lambda: razorg.submit(client.wait))
    waiting = [NativeThread(future.result) for future in (ours, theirs)]
    waiting.append(NativeThread(theirs.get))

    def wait_then_read() -> Any:
        theirs.wait()
        return theirs.value

    waiting.append(NativeThread(wait_then_read))
    greenlet = gevent.spawn(theirs.result)
    gevent.sleep(0.01)
    assert not ours.done() and not theirs.done()
    service.gate.set()
    assert [thread.get() for thread in waiting] == ["waited"] * 4 and greenlet.get() == "waited"
    assert theirs.result() == theirs.get() == ours.result() == "waited"


def test_waiting_in_another_thread_ends_in_time(served: Any) -> None:
    service, pool = served
    client = pool.client(Service)
    for future in (razorg.submit(client.wait), in_thread(lambda: razorg.submit(client.wait))):
        with pytest.raises(TimeoutError):
            in_thread(future.result, 0.02)
        with pytest.raises(gevent.Timeout, match="0.02 seconds"):
            in_thread(future.get, True, 0.02)
        with pytest.raises(gevent.Timeout):
            in_thread(future.get, False)
        assert in_thread(future.wait, 0.02) is None and not future.done()
    service.gate.set()
    assert future.result(5) == "waited"


def test_errors_are_raised_wherever_one_waits(served: Any) -> None:
    _, pool = served
    client = pool.client(Service)
    ours, theirs = razorg.submit(client.refuse, "no"), in_thread(lambda: razorg.submit(client.refuse, "no"))
    for wait in (ours.result, theirs.result, ours.get, theirs.get):
        with pytest.raises(Refused):
            in_thread(wait)
        with pytest.raises(Refused):
            wait()


def test_cancel_in_another_thread(served: Any) -> None:
    _, pool = served
    wait = pool.client(Service).wait
    ours, theirs = razorg.submit(wait), in_thread(lambda: razorg.submit(wait))
    assert in_thread(ours.cancel) and theirs.cancel()
    assert ours.cancelled() and theirs.cancelled() and not in_thread(ours.cancel)
    wait_until(lambda: pool.in_flight == 0)


def test_callbacks_and_concurrent_futures_of_another_thread(served: Any) -> None:
    service, pool = served
    wait = pool.client(Service).wait
    name: ContextVar[str] = ContextVar("name", default="nobody")
    seen: list[tuple[str, str]] = []
    for future in (razorg.submit(wait), in_thread(lambda: razorg.submit(wait))):
        name.set("me")
        future.add_done_callback(lambda done: seen.append((name.get(), done.result())))
        name.set("somebody else")
    others = [future.as_concurrent(), in_thread(future.as_concurrent)]
    service.gate.set()
    threads = [NativeThread(concurrent.futures.wait, [other]) for other in others]
    assert [len(thread.get().done) for thread in threads] == [1, 1]
    wait_until(lambda: len(seen) == 2)
    assert seen == [("me", "waited")] * 2 and [other.result() for other in others] == ["waited"] * 2


def test_tasks_of_a_thread_come_to_its_channel(served: Any) -> None:
    import queue

    _, pool = served
    channel: Any = queue.Queue(2)

    def send() -> list[Any]:
        tasks = [pool.send("Service.double", number, notify=channel, tag=number) for number in range(20)]
        done = [channel.get(timeout=5) for _ in tasks]
        return sorted((task.tag, task.get().decode(int)) for task in done)

    assert in_thread(send) == [(number, 2 * number) for number in range(20)]


def test_a_callable_is_told_in_the_context_of_the_sender(served: Any) -> None:
    _, pool = served
    name: ContextVar[str] = ContextVar("name", default="nobody")
    seen: list[tuple[str, Any]] = []

    def tell(task: razorg.ClientTask) -> None:
        seen.append((name.get(), task.tag))

    def send(who: str) -> None:
        name.set(who)
        pool.send("Service.double", 1, notify=tell, tag=who)

    for who in ("a", "b"):
        gevent.spawn(send, who).get()
        in_thread(send, who)
    wait_until(lambda: len(seen) == 4)
    assert sorted(seen) == [("a", "a"), ("a", "a"), ("b", "b"), ("b", "b")] and name.get() == "nobody"


def test_a_killed_greenlet_ends_its_wait_for_the_other_thread(served: Any) -> None:
    service, pool = served
    future = in_thread(lambda: razorg.submit(pool.client(Service).wait))
    waiting = gevent.spawn(future.result)
    gevent.sleep(0.01)
    waiting.kill(timeout=5)
    assert not future.done()
    service.gate.set()
    assert future.result(5) == "waited"


def test_close_closes_the_parts_of_all_threads(served: Any) -> None:
    _, pool = served
    double = pool.client(Service).double
    assert double(1) == 2 and in_thread(double, 1) == 2 and len(pool._parts) == 2
    pool.close()
    for call in (double, lambda value: in_thread(double, value)):
        with pytest.raises(razorg.LocalProtocolError, match="closed"):
            call(1)
    assert "closed" in repr(pool) and "1 connection" not in repr(pool)


def test_close_in_a_native_thread(served: Any) -> None:
    service, pool = served
    client = pool.client(Service)
    assert client.double(1) == 2 and in_thread(client.double, 1) == 2
    last = razorg.submit(client.wait)
    closing = NativeThread(pool.close)
    wait_until(lambda: "closed" in repr(pool))
    service.gate.set()
    closing.get()
    assert last.get() == "waited" and pool.in_flight == 0
    with pytest.raises(razorg.LocalProtocolError, match="closed"):
        client.double(1)


def test_new_addresses_hold_for_all_threads(served: Any) -> None:
    _, single = served
    with razorg.RpcServer(memory_url(), [Service()]) as other:
        pool = razorg.connect([single.address])
        with pool:
            double = pool.client(Service).double
            assert double(1) == 2 and in_thread(double, 1) == 2
            in_thread(pool.update_addresses, other.addresses)
            wait_until(lambda: pool.addresses == other.addresses)
            assert double(1) == 2 and in_thread(double, 1) == 2
            wait_until(lambda: other.connections == 2)


def test_a_thread_with_a_hub_of_its_own_uses_it(served: Any) -> None:
    _, pool = served
    double = pool.client(Service).double
    assert double(1) == 2

    def run() -> list[int]:
        try:
            greenlets = [gevent.spawn(double, number) for number in range(3)]
            return [greenlet.get(timeout=5) for greenlet in greenlets]
        finally:
            gevent.get_hub().destroy(destroy_loop=True)

    for parts in (2, 2):  # that of a dead hub is forgotten when there is a new one
        assert in_thread(run) == [0, 2, 4]
        assert len(pool._parts) == parts and background_hub() not in pool._parts


def test_a_future_of_a_thread_that_does_not_run_its_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(razorg.client.future, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(razorg.client.future, "_OVERDUE_SECONDS", 0.02)
    with ScriptedServer() as server, razorg.connect(server.address) as pool:
        future = pool.send(2, timeout=0.01)
        thread = NativeThread(future.result)
        while thread.is_running:
            time.sleep(0.001)  # blocks the hub on purpose
        with pytest.raises(razorg.LocalProtocolError, match="does not run its greenlets"):
            thread.get()
        future.cancel()


def test_a_callback_in_the_hub_is_told_that_it_cannot_wait(served: Any) -> None:
    service, pool = served
    future = in_thread(lambda: razorg.submit(pool.client(Service).wait))
    told: list[BaseException] = []

    def callback() -> None:
        try:
            future.result()
        except razorg.LocalProtocolError as error:
            told.append(error)

    gevent.get_hub().loop.run_callback(callback)
    wait_until(lambda: told)
    service.gate.set()
    assert future.result() == "waited"


def test_threads_that_come_and_go_leave_nothing() -> None:
    with razorg.RpcServer("tcp://127.0.0.1:0", [Service()]) as server:
        with razorg.connect(server.addresses[0]) as pool:
            double = pool.client(Service).double
            in_thread(double, 1)
            before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
            for number in range(50):
                assert in_thread(double, number) == 2 * number
            after = len(os.listdir("/proc/self/fd")) if before else 0
            assert after <= before + 1 and threading.active_count() < 20 and server.connections == 1


def test_parts_are_the_same_for_the_same_hub(served: Any) -> None:
    _, pool = served
    pool.client(Service).double(1)
    assert part_of(pool) is part_of(pool) and len(pool._parts) == 1


def test_bytes_in_order_when_a_thread_sends(served: Any) -> None:
    with ScriptedServer("tcp://127.0.0.1:0") as server, razorg.connect(server.address) as pool:
        thread = NativeThread(lambda: pool.send(7, {"a": 1}).result(5).msg)
        peer = server.accept()
        request = peer.read_request()
        peer.send(reply(request.seq))
        assert thread.get() is None and request.action == 7


def test_a_job_that_is_called_off_is_never_done() -> None:
    done: list[str] = []
    started, go_on = threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        go_on.wait()

    background_hub().loop.run_callback_threadsafe(block)
    started.wait()
    with pytest.raises(razorg.LocalProtocolError, match="does not run its greenlets"):
        run_in_background(done.append, "no", patience=0.02)
    go_on.set()
    assert in_thread(run_in_background, len, "abc") == 3 and done == []


@pytest.mark.parametrize("use", [
    lambda pool: razorg.with_options(pool.client(Service), timeout=0.05).double(1),
    lambda pool: pool.call("Service.double", 1, timeout=0.05), lambda pool: pool.ping(0.05),
    lambda pool: pool.send("Service.double", 1, timeout=0.05).get(),
    lambda pool: pool.send("Service.double", 1, timeout=0.05, notify=[].append),
], ids=["method", "call", "ping", "send", "notify"])
def test_a_thread_waits_no_longer_for_the_io_thread_than_its_call_may_take(use: Any) -> None:
    started, go_on = threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        go_on.wait()

    with razorg.RpcServer("tcp://127.0.0.1:0", [Service()]) as server, razorg.connect(server.addresses[0]) as pool:
        in_thread(pool.client(Service).double, 1)
        before = server.read_requests
        background_hub().loop.run_callback_threadsafe(block)
        started.wait()
        try:
            thread = NativeThread(use, pool)
            with pytest.raises(razorg.CallTimeout, match="something blocks the I/O thread") as caught:
                thread.get()
        finally:
            go_on.set()
        assert caught.value.sent == "no"
        assert in_thread(pool.client(Service).double, 2) == 4
        assert server.read_requests == before + 1


def test_close_while_another_hub_does_not_run() -> None:
    with razorg.RpcServer("tcp://127.0.0.1:0", [Service()]) as server:
        pool = razorg.connect(server.addresses[0])
        assert pool.client(Service).double(1) == 2
        thread = NativeThread(pool.close)
        while thread.is_running:
            time.sleep(0.001)  # blocks the hub on purpose
        thread.get()
        wait_until(lambda: server.connections == 0)
