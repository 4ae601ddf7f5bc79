"""razorg.aio: calls from a coroutine, over the I/O thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import gevent
import gevent.event
import pytest
from support.peers import wait_until
from support.threads import in_thread

import razorg


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


@pytest.fixture
def served() -> Iterator[tuple[Service, razorg.ClientPool]]:
    service = Service()
    with razorg.RpcServer("tcp://127.0.0.1:0", [service]) as server:
        with razorg.connect(server.addresses[0]) as pool:
            try:
                yield service, pool
            finally:
                service.gate.set()


def run(main: Callable[[], Any]) -> Any:
    """What the coroutine returns in a loop of a native thread; the server's greenlets go on."""
    return in_thread(lambda: asyncio.run(main()))


def test_a_call_gives_its_result_its_error_and_its_own_answer(served: Any) -> None:
    client = served[1].client(Service)

    async def main() -> Any:
        assert await razorg.aio.call(client.double, 21) == 42
        assert await razorg.aio.call(client.double, value=4) == 8
        assert await razorg.aio.call(served[1].call, "Service.double", 5) == 10
        with pytest.raises(Refused, match="no"):
            await razorg.aio.call(client.refuse, "no")
        with pytest.raises(razorg.CallTimeout):
            await razorg.aio.call(razorg.with_options(client, timeout=0.02).wait)
        return await asyncio.gather(*(razorg.aio.call(client.double, number) for number in range(100)))

    assert run(main) == [2 * number for number in range(100)]


def test_the_loop_goes_on_meanwhile(served: Any) -> None:
    service, pool = served
    client = pool.client(Service)

    async def main() -> str:
        waiting = asyncio.create_task(razorg.aio.call(client.wait))
        assert [await razorg.aio.call(client.double, number) for number in range(5)] == [0, 2, 4, 6, 8]
        assert not waiting.done()
        service_loop.run_callback_threadsafe(service.gate.set)
        return await waiting

    service_loop = gevent.get_hub().loop
    assert run(main) == "waited"


def test_a_cancelled_task_cancels_the_call(served: Any) -> None:
    _, pool = served
    client = pool.client(Service)

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(razorg.aio.call(client.wait), 0.05)
        assert await razorg.aio.call(client.double, 1) == 2

    run(main)
    wait_until(lambda: pool.in_flight == 0)


def test_a_function_of_the_user_makes_several_calls_in_its_context(served: Any) -> None:
    _, pool = served
    client = pool.client(Service)
    name: ContextVar[str] = ContextVar("name")

    def several(count: int) -> tuple[str, list[int]]:
        futures = [razorg.submit(client.double, number) for number in range(count)]
        return name.get(), [future.get() for future in futures]

    async def main() -> Any:
        name.set("mine")
        return await razorg.aio.call(several, 3)

    assert run(main) == ("mine", [0, 2, 4])


def test_a_deadline_holds_in_there(served: Any) -> None:
    client = served[1].client(Service)

    async def main() -> None:
        with razorg.deadline(0.05), pytest.raises(razorg.CallTimeout):
            await razorg.aio.call(client.wait)

    run(main)


@pytest.mark.parametrize("made", ["in the I/O thread", "in another thread"])
def test_wrapped_futures(served: Any, made: str) -> None:
    service, pool = served
    client = pool.client(Service)
    ours = {name: razorg.submit(getattr(client, name), *args)
            for name, args in (("double", (4,)), ("refuse", ("no",)), ("wait", ()))}
    hub_loop = gevent.get_hub().loop

    async def main() -> None:
        if made == "in the I/O thread":
            futures = {name: await razorg.aio.call(razorg.submit, getattr(client, name), *args)
                       for name, args in (("double", (4,)), ("refuse", ("no",)), ("wait", ()))}
        else:
            futures = ours
        assert await razorg.aio.wrap_future(futures["double"]) == 8
        assert await razorg.aio.wrap_future(futures["double"]) == 8  # it has ended
        with pytest.raises(Refused):
            await razorg.aio.wrap_future(futures["refuse"])
        wrapped, given_up = (razorg.aio.wrap_future(futures["wait"]) for _ in range(2))
        hub_loop.run_callback_threadsafe(service.gate.set)
        assert await wrapped == await given_up == "waited"

    run(main)
    for future in ours.values():
        future.wait(5)


def test_a_cancelled_wrapper_cancels_the_call(served: Any) -> None:
    _, pool = served
    future = razorg.submit(pool.client(Service).wait)

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(razorg.aio.wrap_future(future), 0.02)

    run(main)
    wait_until(future.cancelled)
    assert pool.in_flight == 0


def test_a_future_that_the_loop_itself_keeps_from_ending(served: Any) -> None:
    _, pool = served
    client = pool.client(Service)

    async def main() -> None:
        future = razorg.submit(client.wait)
        with pytest.raises(razorg.LocalProtocolError, match=r"razorg\.aio\.call\(razorg\.submit"):
            razorg.aio.wrap_future(future)
        future.cancel()
        done = razorg.submit(client.double, 1)
        done.get()
        assert await razorg.aio.wrap_future(done) == 2

    asyncio.run(main())  # in the main thread, as most programs of asyncio


def test_a_loop_that_was_closed_meanwhile(served: Any) -> None:
    service, pool = served
    client = pool.client(Service)

    def leave() -> None:
        loop = asyncio.new_event_loop()

        async def main() -> None:
            task = loop.create_task(razorg.aio.call(client.wait))
            await razorg.aio.call(client.double, 1)
            assert not task.done()

        loop.run_until_complete(main())
        loop.close()

    in_thread(leave)
    service.gate.set()
    wait_until(lambda: pool.in_flight == 0)
    assert in_thread(client.double, 2) == 4


def test_it_is_loaded_when_it_is_asked_for() -> None:
    import subprocess
    import sys

    code = "import sys, razorg; assert 'asyncio' not in sys.modules; razorg.aio.call; assert 'asyncio' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    with pytest.raises(AttributeError, match="no attribute 'oia'"):
        razorg.oia  # type: ignore[attr-defined]
