"""Pools as users hold them: one object for all threads, and for forked children.

::

    call ─ in the hub that called first? ─────────► its part of the pool
              └ no: in another hub? ──────────────► the part of that hub
                       └ no hub in this thread ───► the I/O thread ─► the part of its hub

A part (``pool.py``, ``failover.py``) belongs to one hub, with connections of its own.
"""

from __future__ import annotations

from time import monotonic
from typing import Any, Generic, TypeVar

import gevent

from razorg.client.deadline import bounded, current_deadline
from razorg.client.future import RpcFuture
from razorg.client.raw import RawActions, RawRequest
from razorg.client.routed import RoutedCalls
from razorg.codec.base import Codec
from razorg.codec.registry import resolve_codec
from razorg.config import ClientConfig, configured
from razorg.core.method import Method
from razorg.errors import LocalProtocolError
from razorg.hubs.background import is_background, run_in_background
from razorg.hubs.forks import tell_of_forks
from razorg.hubs.here import hub_here, hub_if_any
from razorg.hubs.remote import run_in_hub

PartT = TypeVar("PartT", bound=RoutedCalls)
PoolT = TypeVar("PoolT", bound="SharedPool[Any]")

#: In the place of a hub, and no thread's.
_NO_HUB = object()


class SharedPool(RawActions, Generic[PartT]):
    """Blocking calls, futures and tasks from any thread.  The constructor does no I/O."""

    def __init__(
        self, codec: str | Codec, config: ClientConfig | None, settings: dict[str, Any]
    ) -> None:
        self.config = configured(config, ClientConfig, settings)
        self.codec = resolve_codec(codec)
        self._closed_text = ""
        self._parts: dict[Any, PartT] = {}
        #: The part that is asked first.
        self._home: Any = None
        self._home_hub: Any = _NO_HUB
        tell_of_forks(self)

    def _make_part(self) -> PartT:
        """A part for the hub of this thread."""
        raise NotImplementedError

    def _describe(self, parts: list[PartT]) -> str:
        """What ``repr`` says of the parts in use."""
        raise NotImplementedError

    @property
    def in_flight(self) -> int:
        """How many calls wait for their response."""
        return sum(part.in_flight for part in self._in_use())

    def call_method(self, method: Method, msg: bytes, timeout: float | None) -> Any:
        """Call and block this greenlet, or this thread where it has no hub."""
        if current_deadline() is not None:
            timeout = bounded(timeout, self.config.task_timeout, method.name)
        if hub_if_any() is not self._home_hub:
            return self._from_elsewhere("call_method", method, msg, timeout)
        return self._home.call_method(method, msg, timeout)

    def submit_method(self, method: Method, msg: bytes, timeout: float | None) -> RpcFuture[Any]:
        """The future of a call; blocks only for a connection or while the window is full."""
        if current_deadline() is not None:
            timeout = bounded(timeout, self.config.task_timeout, method.name)
        if hub_if_any() is not self._home_hub:
            future: RpcFuture[Any] = self._from_elsewhere("submit_method", method, msg, timeout)
        else:
            future = self._home.submit_method(method, msg, timeout)
        return future

    def _start(self, request: RawRequest) -> Any:
        return self._from_elsewhere("start_request", request)

    def close(self, timeout: float | None = None) -> None:
        """Take no more calls, wait for the replies to those in flight, then disconnect.

        Blocks until they have settled, at most ``timeout`` seconds (default: ``task_timeout``);
        what is left then ends with ConnectionLost.  Idempotent.
        """
        self._closed_text = text = self._closed_text or f"{self!r} is closed"
        deadline = monotonic() + (self.config.task_timeout if timeout is None else timeout)
        hub_of_this_thread = hub_if_any()
        # The own one at last, whatever happens with the others: it needs no other thread.
        self._forget_the_dead()
        for hub, part in list(self._parts.items()):
            if hub is not hub_of_this_thread:
                left = max(deadline - monotonic(), 0.0)
                try:
                    run_in_hub(hub, part.close, left, text)
                except LocalProtocolError:  # its hub does not run now
                    hub.loop.run_callback_threadsafe(gevent.spawn, part.close, left, text)
        part_here = self._parts.get(hub_of_this_thread)
        if part_here is not None:
            part_here.close(max(deadline - monotonic(), 0.0), text)

    def after_fork(self) -> None:
        """In a forked child: begin anew, and leave to the parent what is the parent's."""
        parts = self._in_use()
        self._parts.clear()
        self._home, self._home_hub = None, _NO_HUB
        for part in parts:
            part.abandon()

    def _from_elsewhere(self, name: str, *args: Any) -> Any:
        """What a part does for the thread that this is, wherever it has to be done."""
        hub = hub_here()
        if hub is None:
            return run_in_background(self._from_elsewhere, name, *args)
        return getattr(self._part_of(hub), name)(*args)

    def _part_of(self, hub: Any) -> PartT:
        """The part of this thread's hub."""
        part = self._parts.get(hub)
        if part is None:
            self._check_open()
            self._forget_the_dead()
            part = self._parts[hub] = self._make_part()
            if (self._home is None or self._home_hub.dead) and not is_background(hub):
                self._home, self._home_hub = part, hub
        return part

    def _forget_the_dead(self) -> None:
        """Drop the parts of hubs that were destroyed, as that of a thread that has ended."""
        for hub in [known for known in list(self._parts) if known.dead]:
            self._parts.pop(hub, None)

    def _in_use(self) -> list[PartT]:
        """The parts that there are."""
        return list(self._parts.values())

    def _tell_parts(self, name: str, *args: Any) -> None:
        """Have each part do something that does not block, in its own hub."""
        hub_of_this_thread = hub_if_any()
        self._forget_the_dead()
        for hub, part in list(self._parts.items()):
            if hub is hub_of_this_thread:
                getattr(part, name)(*args)
            else:
                hub.loop.run_callback_threadsafe(getattr(part, name), *args)

    def _check_open(self) -> None:
        if self._closed_text:
            raise LocalProtocolError(self._closed_text)

    def __enter__(self: PoolT) -> PoolT:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed, " if self._closed_text else ""
        return f"<{type(self).__name__} {state}{self._describe(self._in_use())}>"
