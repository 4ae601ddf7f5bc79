"""Pools across threads: what a review broke, and holds now."""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import gevent
import pytest
from support.peers import ScriptedServer, memory_url, wait_until
from support.threads import NativeThread, in_thread

import razorg
from razorg.hubs.background import background_hub
from razorg.hubs.remote import Job
from razorg.transport import registry
from razorg.transport.address import parse_address


@razorg.service
class Service:
    def double(self, value: int) -> int:
        return 2 * value

    def slow(self, seconds: float) -> str:
        gevent.sleep(seconds)
        return "slow"


def test_no_time_at_all_is_a_timeout() -> None:
    with ScriptedServer("tcp://127.0.0.1:0") as server, razorg.connect(server.address) as pool:
        future = pool.send(2)
        server.accept()
        with pytest.raises(TimeoutError):
            in_thread(future.result, 0)
        assert in_thread(future.wait, 0) is None
        pool.close(0)


def test_sys_exit_in_a_callback_does_not_end_the_io_thread() -> None:
    with razorg.RpcServer("tcp://127.0.0.1:0", [Service()]) as server, razorg.connect(server.addresses[0]) as pool:
        client, hub = pool.client(Service), background_hub()
        waiting = NativeThread(client.slow, 0.1)

        def leave() -> int:
            future = razorg.submit(client.double, 1)
            future.add_done_callback(lambda _: sys.exit(1))
            return future.result(5)

        assert in_thread(leave) == 2 and waiting.get() == "slow" and in_thread(client.double, 2) == 4
        assert background_hub() is hub and not hub.dead


def test_handlers_do_not_inherit_the_deadline_in_which_the_server_was_started() -> None:
    url = memory_url()

    @razorg.service
    class Front:
        def get(self) -> int:
            return pool.client(Service).double(1)

    with razorg.RpcServer(url, [Service()]), razorg.connect(url) as pool:
        front: Any = razorg.RpcServer(memory_url(), [Front()])
        with razorg.deadline(0.01):
            front.start()
        gevent.sleep(0.02)
        with razorg.connect(front.addresses[0]) as other:
            assert other.client(Front).get() == 2
        front.stop()


def test_one_deadline_object_for_many_greenlets() -> None:
    limit = razorg.deadline(5)

    def use(seconds: float) -> bool:
        with limit:
            gevent.sleep(seconds)
        return True

    greenlets = [gevent.spawn(use, 0.02), gevent.spawn(use, 0.04), gevent.spawn(use, 0.01)]
    assert [greenlet.get(timeout=5) for greenlet in greenlets] == [True] * 3


def test_a_ping_ends_with_the_deadline() -> None:
    with ScriptedServer("tcp://127.0.0.1:0") as server, razorg.connect(server.address) as pool:
        started = monotonic()
        with razorg.deadline(0.05), pytest.raises(razorg.CallTimeout):
            pool.ping()
        assert monotonic() - started < 1
        server.accept()


def test_a_close_that_is_interrupted_closes_the_own_part() -> None:
    with razorg.RpcServer("tcp://127.0.0.1:0", [Service()]) as server, razorg.connect(server.addresses[0]) as pool:
        client = pool.client(Service)
        assert client.double(1) == 2
        thread = NativeThread(client.slow, 0.3)
        wait_until(lambda: pool.in_flight == 1)
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
            pool.close()
        with pytest.raises(razorg.LocalProtocolError, match="closed"):
            client.double(2)
        assert thread.get() == "slow"


def test_errors_of_other_threads_make_no_cycles() -> None:
    with ScriptedServer("tcp://127.0.0.1:0") as server, razorg.connect(server.address) as pool:
        def fail() -> None:
            for _ in range(20):
                with pytest.raises((razorg.CallTimeout, razorg.Unreachable)):  # it may not even connect
                    pool.call("A.b", timeout=0.001)

        gc.collect()
        gc.disable()
        try:
            in_thread(fail)
            wait_until(lambda: sum(isinstance(item, Job) for item in gc.get_objects()) <= 1)
        finally:
            gc.enable()
        server.accept()


@pytest.mark.parametrize("seconds", [0, float("nan"), float("inf"), None, "1"])
def test_what_is_no_interval_to_watch_in(seconds: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        razorg.watch_blocking(seconds)


def test_a_loop_that_ends_without_cancelling_its_tasks() -> None:
    with razorg.RpcServer("tcp://127.0.0.1:0", [Service()]) as server, razorg.connect(server.addresses[0]) as pool:
        def leave() -> None:
            loop = asyncio.new_event_loop()
            task = loop.create_task(razorg.aio.call(pool.client(Service).slow, 10))
            loop.run_until_complete(asyncio.sleep(0.05))
            loop.close()
            task._coro.close()  # type: ignore[attr-defined]

        in_thread(leave)
        wait_until(lambda: pool.in_flight == 0)
        server.stop(0)


def test_a_name_in_memory_is_free_when_its_thread_has_ended() -> None:
    url = memory_url()

    def listen_and_leave() -> razorg.RpcServer:
        server = razorg.RpcServer(url, [Service()])
        gevent.spawn(server.start).get()
        gevent.get_hub().destroy(destroy_loop=True)
        return server

    left = in_thread(listen_and_leave)
    with razorg.RpcServer(url, [Service()]), razorg.connect(url) as pool:
        left._acceptors[0].listener.close()  # as at a fork: it takes nothing from its successor
        assert pool.client(Service).double(2) == 4
        with pytest.raises(OSError, match="in use"):
            razorg.RpcServer(url, [Service()]).start()


@pytest.mark.parametrize("scheme", ["tcp", "unix", "memory"])
def test_a_listener_closes_though_its_thread_has_ended(scheme: str, tmp_path: Path) -> None:
    where = {"tcp": "tcp://127.0.0.1:0", "unix": f"unix://{tmp_path}/s", "memory": "memory://left"}[scheme]
    left: list[Any] = []

    def listen() -> None:
        left.append(registry.listen(parse_address(where)))
        gevent.get_hub().destroy(destroy_loop=True)

    in_thread(listen)
    for _ in range(2):
        left[0].close()
    assert left[0].fileno() == -1
    listener = registry.listen(parse_address(where))
    listener.close()
