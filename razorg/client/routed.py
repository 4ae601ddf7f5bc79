"""The calls of a pool: sent where the pool says, and on from there when that fails.

::

    call ─ route ─► Connections ─► stream ─► response
             ▲                        │
             └──── next_place ◁─── failure
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from gevent import get_hub

from razorg.client.calls import ClientTask, count_failure, located
from razorg.client.channel import Channel, Channels
from razorg.client.connections import Connections
from razorg.client.future import RpcFuture, new_future
from razorg.client.journey import Journey
from razorg.client.raw import RawRequest
from razorg.codec.base import Codec
from razorg.config import ClientConfig
from razorg.core.method import Method
from razorg.declared import DeclaredError
from razorg.errors import CallTimeout, ConnectionLost, RpcError, Unreachable
from razorg.hubs.forks import FORKED
from razorg.hubs.here import hub_if_any
from razorg.wire.heads import Buffer, Msg

#: What a call may end with; declared errors may be OSErrors.
_ENDINGS = (RpcError, DeclaredError, OSError)


class RoutedCalls:
    """Blocking calls, futures and tasks over the connections that ``route`` gives.

    Belongs to the hub of the thread that made it, as all of its connections do; the callers see
    to it that no other thread comes here.
    """

    def __init__(self, codec: Codec, config: ClientConfig) -> None:
        self.config = config
        self.codec = codec
        #: Set in a forked child: what was under way there is the parent's to go on with.
        self.is_abandoned = False
        self.travelling: set[RpcFuture[Any] | ClientTask] = set()
        #: Where all calls go, when there is no choice: spares them the question.
        self.only_place: Connections | None = None
        self._hub = get_hub()
        # For tasks that end without having met a stream.
        self._channels = Channels()

    @property
    def address(self) -> str:
        """Where its calls go, for texts."""
        raise NotImplementedError

    def route(self) -> Connections:
        """Where a new call goes; Unreachable when there is no hope.  Never blocks.

        Not asked where there is an ``only_place``.
        """
        raise NotImplementedError

    def next_place(self, journey: Journey, error: Exception) -> Connections | None:
        """Where a call goes on that failed; None when the error is its end.  Never blocks."""
        raise NotImplementedError

    def abandon(self) -> None:
        """In a forked child, its streams lost: everybody else who waits fails at once."""
        self.is_abandoned = True
        for place in self.places():
            place.abandon()
        if hub_if_any() is not self._hub:  # nobody comes back from the line
            self._channels.leave_hub()
            while self.travelling:
                call = self.travelling.pop()
                error = ConnectionLost(f"connection lost: {FORKED}", sent="maybe")
                call.settle(error.located(call.method.name, self.address))

    def places(self) -> list[Connections]:
        """All connections that it keeps."""
        raise NotImplementedError

    @property
    def in_flight(self) -> int:
        """How many calls wait for their response."""
        return sum(place.in_flight for place in self.places())

    def close(self, timeout: float | None, text: str) -> None:
        """Refuse new calls with this text, let those in flight end, disconnect.  Idempotent."""
        raise NotImplementedError

    def describe(self) -> str:
        """Its state, as ``repr(pool)`` shows it."""
        raise NotImplementedError

    def call_method(self, method: Method, msg: Msg, timeout: float | None) -> Any:
        """Call and block this greenlet."""
        started = monotonic()
        place = self.only_place or self._route(method)
        try:
            stream = place.current
            if stream is None or place.line or stream.is_full():
                stream = place.stream(timeout)
            value = stream.call(method, msg, None, timeout, started)
            if stream.meter is not None:
                stream.answered(started)
            if method.figures is not None:
                method.figures.ended(monotonic() - started)
            return value
        except _ENDINGS as error:
            located(error, method.name, place.address)
            failure = error
        except BaseException as error:
            count_failure(method, started, error)
            raise
        deadline = started + (self.config.task_timeout if timeout is None else timeout)
        try:
            value = _call_on(Journey((self, place, msg, None), method, started, deadline), failure)
            if method.figures is not None:
                method.figures.ended(monotonic() - started)
            return value
        except BaseException as error:
            count_failure(method, started, error)
            raise
        finally:
            del failure  # its traceback holds this frame

    def submit_method(self, method: Method, msg: Msg, timeout: float | None) -> RpcFuture[Any]:
        """The future of a call; blocks only for a connection or while the window is full."""
        future = new_future(method, self._hub)
        self._send(future, msg, None, timeout)
        return future

    def start_request(self, request: RawRequest) -> RpcFuture[Any] | ClientTask:
        """The future or the task of a raw action; blocks as ``submit_method`` does."""
        channel = (
            self._channels.of(request.notify, lambda: None) if request.notify is not None else None
        )
        if channel is not None and channel.is_full(self.config.window):
            request = self._when_there_is_room(request, channel)
        call = request.call(self.address, self._hub, channel)
        self._send(call, request.data, request.blob, request.timeout)
        return call

    def _when_there_is_room(self, request: RawRequest, channel: Channel) -> RawRequest:
        """The request with the time that is left when it may be sent."""
        started = monotonic()
        seconds = self.config.task_timeout if request.timeout is None else request.timeout
        if not channel.wait_for_room(self.config.window, seconds):
            raise CallTimeout("the notify channel is full", sent="no", method=request.method.name)
        return request.with_timeout(max(seconds - (monotonic() - started), 0.001))

    def _send(
        self,
        call: RpcFuture[Any] | ClientTask,
        msg: Msg,
        blob: Buffer | None,
        timeout: float | None,
    ) -> None:
        """Send a future or a task; what happens once it is queued in a stream is its own end."""
        started = monotonic()
        place = None
        try:
            place = self.only_place or self.route()
            stream = place.current
            call.origin = (self, place, msg, blob)
            if stream is None or place.line or stream.is_full():
                # Until the stream sets it again:
                call.timeout = timeout or self.config.task_timeout
                call.deadline = started + call.timeout
                stream = place.stream(timeout)
            stream.start(call, msg, blob, timeout, started)
        except (Unreachable, ConnectionLost) as error:
            call.deadline = call.deadline or started
            call.settle(error.located(call.method.name, place.address if place else None))
        except RpcError as error:
            count_failure(call.method, started, error)
            raise error.located(call.method.name, place.address if place else None) from None

    def _route(self, method: Method) -> Connections:
        try:
            return self.route()
        except RpcError as error:
            count_failure(method, monotonic(), error)
            raise error.located(method.name, None) from None


def _call_on(journey: Journey, failure: Exception) -> Any:
    """Go on with a blocking call until it succeeds, or an error is its end."""
    method = journey.method
    try:
        while True:
            place = journey.next_place(failure)
            if place is None:
                raise failure
            try:
                since = monotonic()
                seconds = journey.time_left()
                stream = place.stream(seconds)
                value = stream.call(method, journey.msg, journey.blob, seconds, since)
                if stream.meter is not None:
                    stream.answered(since)
                return value
            except _ENDINGS as error:
                located(error, method.name, place.address)
                failure = error
    finally:
        del failure  # its traceback holds this frame
