"""Faults of a client, by script: what the network and servers do once a year, on request."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent

from razorg.client.future import RpcFuture, new_future
from razorg.client.intercepted import ClientCall
from razorg.client.reply import decode_raw_error
from razorg.core.chain import Proceed
from razorg.core.method import Method
from razorg.hubs.background import background_hub
from razorg.hubs.here import hub_here
from razorg.hubs.native import sleep


class ScriptedFaults:
    """An interceptor for ``connect``: what was scripted for an action happens to its next calls.

    ::

        faults = razorg.testing.ScriptedFaults()
        pool = razorg.connect(address, interceptors=[faults])
        faults.fail("Shop.price", razorg.ConnectionLost(sent="maybe"))   # the next call
        faults.delay("Shop.price", 0.5, times=3)                         # then three slow ones
        faults.answer("Shop.price", 42)                                  # then one without a server
    """

    def __init__(self) -> None:
        self._script: dict[int | str, deque[Callable[[ClientCall, Proceed], Any]]] = {}
        #: The calls so far, in order.
        self.calls: list[ClientCall] = []

    def fail(self, action: int | str, error: Exception, times: int = 1) -> None:
        """The next calls of the action end with the error, and are not made.

        It is raised, or is in the future.  A task with ``notify`` is none then: ``send`` raises.
        """

        def step(call: ClientCall, proceed: Proceed) -> Any:
            if not _has_future(call):
                raise error
            future = _future(call, _hub())
            future.set_exception(error)
            return future

        self._add(action, step, times)

    def fail_after(self, action: int | str, error: Exception, times: int = 1) -> None:
        """The next calls are made, and their answers lost: they end with the error.

        TypeError in ``send`` of a task with ``notify``: its answer goes there.
        """

        def step(call: ClientCall, proceed: Proceed) -> Any:
            if call.notify is not None:
                raise TypeError("the answer of a task with notify goes there, and cannot be lost")
            if call.kind == "call":
                with contextlib.suppress(Exception):  # an error is an answer, too
                    proceed(call)
                raise error
            result = proceed(call)
            future = _future(call, result._hub)

            def lose(_: Any) -> None:
                if not future.ready():
                    future.set_exception(error)

            result.add_done_callback(lose)
            return future

        self._add(action, step, times)

    def delay(self, action: int | str, seconds: float, times: int = 1) -> None:
        """The next calls are made so much later."""

        def step(call: ClientCall, proceed: Proceed) -> Any:
            if hub_here() is None:  # one that is made here would stay behind
                sleep(seconds)
            else:
                gevent.sleep(seconds)
            return proceed(call)

        self._add(action, step, times)

    def answer(self, action: int | str, value: Any, times: int = 1) -> None:
        """The next calls return the value, or a future of it, and are not made."""

        def step(call: ClientCall, proceed: Proceed) -> Any:
            if not _has_future(call):
                return value
            future = _future(call, _hub())
            future.set(value)
            return future

        self._add(action, step, times)

    @property
    def is_done(self) -> bool:
        """Whether all that was scripted has happened."""
        return not any(self._script.values())

    def __call__(self, call: ClientCall, proceed: Proceed) -> Any:
        self.calls.append(call)
        steps = self._script.get(call.action)
        return steps.popleft()(call, proceed) if steps else proceed(call)

    def _add(
        self, action: int | str, step: Callable[[ClientCall, Proceed], Any], times: int
    ) -> None:
        self._script.setdefault(action, deque()).extend([step] * times)


def _has_future(call: ClientCall) -> bool:
    return call.kind != "call" and call.notify is None


def _hub() -> Any:
    """Where the futures of this thread are settled."""
    return hub_here() or background_hub()


def _future(call: ClientCall, hub: Any) -> RpcFuture[Any]:
    """One that belongs to the hub, and to no request."""
    action = call.action
    name = action if isinstance(action, str) else f"action {action}"
    return new_future(Method(name, (0, b""), decode_raw_error), hub)
