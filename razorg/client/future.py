"""RpcFuture: an AsyncResult of gevent that also does what concurrent.futures users expect."""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextvars import copy_context
from time import monotonic
from typing import Any, Generic, TypeVar

import gevent
from gevent.event import AsyncResult

from razorg.client.calls import Carrier, Outcome, count_failure, located, value_of
from razorg.client.journey import Journey, Origin, began, goes_on
from razorg.core.method import Method
from razorg.errors import LocalProtocolError
from razorg.hubs.forks import Turn, after_this_fork, is_being_told, tell_of_forks
from razorg.hubs.here import call_soon, hub_if_any, is_destroyed
from razorg.hubs.remote import run_in_hub
from razorg.hubs.wake import Wake
from razorg.wire.heads import Frame

log = logging.getLogger("razorg")

ResultT = TypeVar("ResultT")

_get = AsyncResult.get
_wait = AsyncResult.wait

#: How often a waiter in another thread looks whether anybody will ever wake it, …
_LOOK_SECONDS = 1.0
#: … which nobody will if the call has not ended so long after its time was over.
_OVERDUE_SECONDS = 3.0


class _Callbacks:
    """What is to be called when futures end; they are kept: nobody else may hold them, or their
    pool."""

    def __init__(self) -> None:
        self._waiting: dict[RpcFuture[Any], list[Callable[[Any], None]]] = {}
        #: On their way to the future's hub, from other threads.
        self._coming: list[tuple[RpcFuture[Any], Callable[[Any], None]]] = []
        tell_of_forks(self, Turn.CALLBACKS)

    def send(self, future: RpcFuture[Any], callback: Callable[[Any], None]) -> None:
        """As ``add``, from another thread; LocalProtocolError when the hub was destroyed."""
        entry = (future, callback)
        self._coming.append(entry)
        try:
            future.run_in_its_hub(self._arrived, entry)
        except BaseException:
            self._coming.remove(entry)
            raise

    def _arrived(self, entry: tuple[RpcFuture[Any], Callable[[Any], None]]) -> None:
        self._coming.remove(entry)
        self.add(*entry)

    def add(self, future: RpcFuture[Any], callback: Callable[[Any], None]) -> None:
        """In the future's hub."""
        known = self._waiting.setdefault(future, [])
        known.append(callback)
        if len(known) == 1:
            future.rawlink(self.run)

    def run(self, future: RpcFuture[Any]) -> None:
        """It has ended."""
        if is_being_told():
            return  # that is no place for them: see ``after_fork``
        left = self._waiting.pop(future, [])
        while left:
            try:
                left.pop(0)(future)
            except BaseException:  # as SystemExit: it ends the program, or is told by the hub
                if left:
                    self._waiting[future] = left
                    future.rawlink(self.run)
                raise

    def after_fork(self) -> None:
        """In a forked child: the hubs that would run them stayed with the parent."""
        hub = hub_if_any()
        coming, self._coming = self._coming, []
        for future, callback in coming:
            if future.belongs_to(hub):
                self.add(future, callback)
            else:
                self._waiting.setdefault(future, []).append(callback)
        for future in list(self._waiting):
            if future.ready() and not future.belongs_to(hub):
                for callback in self._waiting.pop(future):
                    after_this_fork(callback, future)


_callbacks = _Callbacks()


def new_future(method: Method, hub: Any) -> RpcFuture[Any]:
    """A future that is settled in this hub.  (An ``__init__`` would cost as much again.)"""
    future: RpcFuture[Any] = RpcFuture()
    future.method = method
    future._hub = hub
    future._stream = future.origin = None
    future.seq = 0
    future.deadline = future.timeout = 0.0
    return future


class RpcFuture(AsyncResult, Generic[ResultT]):  # type: ignore[misc]
    """The result of a call that runs.

    It is the call's own entry in the in-flight table.  Waiting with a timeout leaves the call
    running; ``cancel()`` ends it.
    """

    __slots__ = ("_hub", "_stream", "deadline", "frame", "method", "origin", "seq", "timeout")

    method: Method
    #: Where it is settled, and nowhere else.
    _hub: Any
    #: Kept while the call is in flight: a stream lives as long as somebody waits for it.
    _stream: Carrier | None
    #: What a pool needs to send it again.
    origin: Origin | Journey | None
    seq: int
    frame: Frame | None
    deadline: float
    timeout: float

    def carried_by(self, stream: Carrier | None) -> None:
        """It is about to be sent by the stream; None: it was not."""
        self._stream = stream

    @property
    def is_finished(self) -> bool:
        """Whether the call has ended, one way or the other."""
        return bool(self.ready())

    def settle(self, outcome: Outcome) -> bool:
        """The stream's way to end the call."""
        stream, self._stream = self._stream, None
        origin, self.origin = self.origin, None
        try:
            value = value_of(self.method, outcome)
        except Exception as error:  # whatever it is, it is what the call ended with
            if stream is not None:
                located(error, self.method.name, stream.address)
            if origin is None or not goes_on(self, origin, error):
                count_failure(self.method, began(self, origin), error)
                # Its traceback holds this frame, and with it all that the call was made of.
                self.set_exception(error.with_traceback(None))
        else:
            if stream is not None and stream.meter is not None:
                stream.answered(self.deadline - self.timeout)
            if self.method.figures is not None:
                self.method.figures.ended(monotonic() - began(self, origin))
            self.set(value)
        return True

    def get(self, block: bool = True, timeout: float | None = None) -> ResultT:
        """The result, or raises the error; blocks this greenlet or thread.

        Raises gevent.Timeout after ``timeout`` seconds; the call goes on.
        """
        if hub_if_any() is not self._hub and block and not self._wait_elsewhere(timeout):
            expired = gevent.Timeout(None)  # one that starts no timer, and so needs no hub
            expired.seconds = timeout
            raise expired
        result: Any = _get(self, block, timeout)
        return result  # type: ignore[no-any-return]

    def result(self, timeout: float | None = None) -> ResultT:
        """As ``get``, but raises TimeoutError after ``timeout`` seconds; the call goes on."""
        if timeout is not None and not self.ready():
            self.wait(timeout)
            if not self.ready():
                raise TimeoutError(f"no result of {self.method.name} within {timeout:g} s yet")
        return self.get()

    def wait(self, timeout: float | None = None) -> ResultT | None:
        """Block until the call has ended, or so many seconds; the result if there is one."""
        if hub_if_any() is not self._hub:
            self._wait_elsewhere(timeout)
            return self.value  # type: ignore[no-any-return]
        return _wait(self, timeout)  # type: ignore[no-any-return]

    def _wait_elsewhere(self, timeout: float | None) -> bool:
        """Wait in another thread than the one where the call is settled; whether it has ended."""
        if self.ready():
            return True
        wake = Wake()
        until = None if timeout is None else monotonic() + timeout
        self.run_in_its_hub(self.rawlink, wake.set)
        try:
            while not wake.wait(_LOOK_SECONDS if until is None else until - monotonic()):
                if until is not None or self.ready():
                    return bool(self.ready())
                if is_destroyed(self._hub):
                    raise LocalProtocolError(f"{self!r}: its thread has destroyed its hub")
                if self.deadline and monotonic() > self.deadline + _OVERDUE_SECONDS:
                    raise LocalProtocolError(
                        f"{self!r} belongs to another thread, which does not run its greenlets"
                    )
        finally:
            with contextlib.suppress(LocalProtocolError):  # destroyed: it is linked no more
                self.run_in_its_hub(self.unlink, wake.set)
        return True

    def done(self) -> bool:
        """Whether the call has ended."""
        return bool(self.ready())

    def cancel(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """End the call with CancelledError; False when it has ended already.

        A request that was sent may still run; its reply is dropped.
        """
        if self.ready():
            return False
        if hub_if_any() is not self._hub:
            return bool(run_in_hub(self._hub, self.cancel))
        error = CancelledError()
        if self._stream is None or not self._stream.cancel(self, error):
            self.settle(error)
        return True

    def cancelled(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Whether ``cancel()`` has ended the call."""
        return isinstance(self.exception, CancelledError)

    def add_done_callback(self, callback: Callable[[RpcFuture[ResultT]], Any]) -> None:
        """Run ``callback(self)`` once the call has ended, in the context of this caller.

        It runs in the hub of the future, and must not block.
        """
        context = copy_context()

        def run(_: Any) -> None:
            try:
                context.run(callback, self)
            except Exception:  # the user's own: the hub, which runs it, has others to serve
                log.exception("a callback of %r failed", self)

        self._link(run)

    def as_concurrent(self) -> concurrent.futures.Future[ResultT]:
        """A ``concurrent.futures.Future`` that ends as this one does."""
        other: concurrent.futures.Future[ResultT] = concurrent.futures.Future()

        def copy(_: Any) -> None:
            if self.cancelled():
                other.cancel()
            if not other.set_running_or_notify_cancel():
                return
            if self.successful():
                other.set_result(self.get())
            else:
                other.set_exception(self.exception)

        self._link(copy)
        return other

    def belongs_to(self, hub: Any) -> bool:
        """Whether it is settled in this hub."""
        return self._hub is hub

    def run_in_its_hub(self, function: Callable[..., Any], *args: Any) -> None:
        """Have its hub call the function soon; from any thread."""
        call_soon(self._hub, function, *args)

    def _link(self, callback: Callable[[Any], None]) -> None:
        if hub_if_any() is self._hub:
            _callbacks.add(self, callback)
        elif self.ready() and is_destroyed(self._hub):
            callback(self)
        else:
            _callbacks.send(self, callback)

    def __repr__(self) -> str:
        state = "pending"
        if self.ready():
            state = "done" if self.successful() else f"failed: {self.exception!r}"
        return f"<RpcFuture {self.method.name} {state}>"

    __str__ = __repr__
