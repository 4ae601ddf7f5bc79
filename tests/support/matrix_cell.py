"""One cell of the matrix: ``python -m support.matrix_cell SETTING PLACE ACTION ADDRESS``.

Prints one line: ``{"outcome": "works"}`` or ``{"outcome": "error", "type": …, "text": …}``, with the
seconds that the action took.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any

SETTING, PLACE, ACTION, ADDRESS = sys.argv[1:] if __name__ == "__main__" else os.environ["MATRIX_CELL"].split("|")
IS_PATCHED = SETTING != "unpatched"
IS_IN_GUNICORN = PLACE == "gunicorn preload"

if SETTING == "patched first" and not IS_IN_GUNICORN:  # there its driver does it
    from gevent import monkey

    monkey.patch_all()

import asyncio  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402, F401
import multiprocessing  # noqa: E402
import queue  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402

import gevent  # noqa: E402
import gevent.pool  # noqa: E402
import gevent.queue  # noqa: E402
from gevent import monkey  # noqa: E402

import razorg  # noqa: E402
from support.matrix_actions import ACTIONS, LONG, PATIENCE, SHORT, Took, Way  # noqa: E402
from support.matrix_server import Matrix  # noqa: E402

pool = razorg.connect(ADDRESS)
action = ACTIONS[ACTION]

start_native_thread = monkey.get_original("_thread", "start_new_thread")
native_sleep = monkey.get_original("time", "sleep")
GREEN = Way(gevent.queue.Queue, gevent.sleep)
#: Of threads as ``threading`` makes them: greenlets where it is patched.
THREAD = Way(queue.Queue, time.sleep, is_green=IS_PATCHED)
#: Of threads that gevent knows nothing of.
NATIVE = Way(lambda size: monkey.get_original("queue", "SimpleQueue")(), native_sleep, is_green=False)
MANY = 5


# settings


def patch_late() -> Callable[[], None]:
    """What people do: the pool was used, and a native thread uses it, when gevent patches.

    Returns what stops its calls: one while the interpreter ends is an error, and is said so.
    """
    sleep = time.sleep  # the native one
    assert pool.client(Matrix).double(1) == 2
    has_called = threading.Event()
    ending: list[str] = []

    def keep_calling() -> None:
        while not ending:
            try:
                assert pool.client(Matrix).double(4) == 8
            except razorg.RpcError:
                assert ACTION == "server restart"
            has_called.set()
            time.sleep(0.05)  # which gevent replaces in the middle
        ending.append("ended")
        sleep(PATIENCE)  # a thread that began before the patch cannot be ended by what is patched

    def end() -> None:
        ending.append("to be ended")
        with gevent.Timeout(PATIENCE):
            while len(ending) < 2:
                gevent.sleep(0.005)

    threading.Thread(target=keep_calling, daemon=True).start()
    has_called.wait()
    monkey.patch_all()
    return end


# places


def run_all(starters: list[Any]) -> None:
    """Start all with a function that reports its end; wait for all; raise the first error."""
    ended: list[BaseException | None] = []

    def act(way: Way, first: bool) -> None:
        try:
            action(pool, way, first)
        except BaseException as error:
            ended.append(error)
        else:
            ended.append(None)

    for number, start in enumerate(starters):
        start(act, number == 0)
    until = monotonic() + 3 * PATIENCE
    while len(ended) < len(starters):
        gevent.sleep(0.002)
        assert monotonic() < until
    for error in ended:
        if error is not None:
            raise error


def main_greenlet() -> None:
    action(pool, GREEN, True)


def greenlet_pool() -> None:
    greenlets = gevent.pool.Pool(20)
    started = [greenlets.spawn(action, pool, GREEN, number == 0) for number in range(20)]
    gevent.joinall(started, raise_error=True)


def native_thread() -> None:
    executor = ThreadPoolExecutor(MANY)

    def thread(act: Any, first: bool) -> None:
        threading.Thread(target=act, args=(THREAD, first)).start()

    def executed(act: Any, first: bool) -> None:
        executor.submit(act, THREAD, first)

    def native(act: Any, first: bool) -> None:
        start_native_thread(act, (NATIVE, first))

    def of_gevent(act: Any, first: bool) -> None:
        gevent.get_hub().threadpool.spawn(act, NATIVE, first)

    run_all([thread, executed, native, of_gevent] * MANY)
    executor.shutdown()


def forked_child() -> None:
    """The pool, and the I/O thread, were used before: parent and children go on with it."""
    client = pool.client(Matrix)
    assert client.double(1) == 2
    assert gevent.get_hub().threadpool.apply(client.double, (2,)) == 4

    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        result = outcome_of(lambda: action(pool, GREEN, False))
        os.write(writer, json.dumps(result).encode())
        os._exit(0)
    os.close(writer)

    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)  # gevent cannot read from the other kind
    process = context.Process(target=lambda: there.send(outcome_of(lambda: action(pool, GREEN, False))))
    process.start()

    action(pool, GREEN, True)
    with os.fdopen(reader) as file:
        results = [json.loads(file.read()), here.recv()]
    os.waitpid(child, 0)
    process.join()
    assert process.exitcode == 0, process.exitcode
    assert all(result["outcome"] == "works" for result in results), results


def in_asyncio() -> None:
    asyncio.run(main_task())


async def main_task() -> None:
    """The action in greenlets of the I/O thread, and what is particular to coroutines."""
    client = pool.client(Matrix)
    aio = razorg.aio
    acting = [aio.call(action, pool, GREEN, number == 0) for number in range(MANY)]
    if ACTION == "server restart":
        await asyncio.gather(*acting)
    elif ACTION == "future":
        futures = await asyncio.gather(*(aio.call(razorg.submit, client.double, number) for number in range(20)))
        assert await asyncio.gather(*map(aio.wrap_future, futures)) == list(range(0, 40, 2))
        slow = await aio.call(razorg.submit, client.wait, LONG)
        wrapped = aio.wrap_future(slow)
        wrapped.cancel()
        while not slow.cancelled():
            await asyncio.sleep(0.002)
        await asyncio.gather(*acting)
    elif ACTION == "timeout":
        with Took(SHORT):
            try:
                await asyncio.wait_for(aio.call(client.wait, LONG), SHORT)
                raise AssertionError("it ended")
            except asyncio.TimeoutError:
                pass
        await asyncio.gather(*acting)
    else:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0)
                ticks += 1

        ticking = asyncio.ensure_future(tick())
        calls = [aio.call(client.double, number) for number in range(50)]
        assert await asyncio.gather(*calls) == list(range(0, 100, 2))
        await asyncio.gather(*acting)
        assert ticks > 1  # the loop was not blocked
        ticking.cancel()
    assert await aio.call(client.double, 21) == 42


def gunicorn_preload() -> None:
    """This process is the driver only: what it starts is ``gunicorn --preload``, as from a shell."""
    for worker in ["gevent"] if IS_PATCHED else ["sync", "gthread"]:
        from support.matrix_gunicorn import in_gunicorn

        for result in in_gunicorn(worker, SETTING, ACTION, ADDRESS):
            assert result["outcome"] == "works", f"{worker}: {result}"


PLACES = {
    "main greenlet": main_greenlet,
    "greenlet pool": greenlet_pool,
    "native thread": native_thread,
    "forked child": forked_child,
    "gunicorn preload": gunicorn_preload,
    "asyncio": in_asyncio,
}


def outcome_of(function: Any) -> dict[str, Any]:
    """How it ended: a razorg error is an outcome, and so is any other."""
    started = monotonic()
    try:
        function()
        result = {"outcome": "works"}
    except BaseException as error:
        traceback.print_exc()
        result = {"outcome": "error", "type": type(error).__name__, "text": str(error)}
    return {**result, "seconds": round(monotonic() - started, 3)}


def main() -> None:
    if SETTING == "patched late" and not IS_IN_GUNICORN:  # there the worker does it
        end = patch_late()
        print(json.dumps(outcome_of(PLACES[PLACE])), flush=True)
        end()
    else:
        print(json.dumps(outcome_of(PLACES[PLACE])), flush=True)


if __name__ == "__main__":
    main()
