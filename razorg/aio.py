"""razorg for code that runs in an asyncio loop: ``await razorg.aio.call(cal.add, 1, 2)``.

Thin: the calls are those of the I/O thread of the process, whose end wakes the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

from gevent import monkey

from razorg.client.future import RpcFuture
from razorg.errors import LocalProtocolError
from razorg.hubs.background import background_hub
from razorg.hubs.here import hub_if_any
from razorg.hubs.remote import Job

__all__ = ["call", "wrap_future"]

P = ParamSpec("P")
ResultT = TypeVar("ResultT")


async def call(function: Callable[P, ResultT], /, *args: P.args, **kwargs: P.kwargs) -> ResultT:
    """Run a function that blocks, as endpoints and ``pool.call`` do, without blocking the loop.

    It runs in a greenlet of the I/O thread, in a copy of this context, and may make any number
    of calls there: greenlets are all that it may block.  When the task that awaits is cancelled,
    the greenlet is killed, and with it the call that it waits for.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        if not ended.done():
            ended.set_result(None)

    job = Job(background_hub(), partial(function, **kwargs), *args)
    job.start(lambda: _call_soon(loop, end))
    try:
        await ended
    except BaseException:  # cancelled, or the loop is gone
        job.cancel()
        raise
    result: ResultT = job.result()
    return result


def wrap_future(future: RpcFuture[ResultT]) -> asyncio.Future[ResultT]:
    """An asyncio future of the running loop that ends as this one does.

    Cancelling it cancels the call.  LocalProtocolError for a future of this very thread, whose
    hub does not run while the loop does: make it with ``await call(razorg.submit, …)``.
    """
    loop = asyncio.get_running_loop()
    wrapped: asyncio.Future[ResultT] = loop.create_future()

    def copy() -> None:
        if wrapped.done():
            return
        if future.cancelled():
            wrapped.cancel()
            return
        try:
            wrapped.set_result(future.get())
        except Exception as error:  # whatever the call ended with
            wrapped.set_exception(error)

    def cancel(_: Any) -> None:
        if wrapped.cancelled():
            future.run_in_its_hub(future.cancel)

    if future.done():
        copy()
        return wrapped
    if future.belongs_to(hub_if_any()) and not monkey.is_module_patched("select"):
        raise LocalProtocolError(
            f"{future!r} was made in the thread of the asyncio loop, which keeps it from ending; "
            "make it with: await razorg.aio.call(razorg.submit, …)"
        )
    wrapped.add_done_callback(cancel)
    future.run_in_its_hub(future.rawlink, lambda _: _call_soon(loop, copy))
    return wrapped


def _call_soon(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:
        pass  # the loop is closed: nobody waits
