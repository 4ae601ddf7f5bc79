"""A pool of one address: connects at the first call, and again when the connection is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gevent import get_hub
from gevent.lock import Semaphore

from razorg.client.calls import ClientTask
from razorg.client.channel import Channel
from razorg.client.future import RpcFuture, failed_future
from razorg.client.raw import RawActions, RawRequest
from razorg.client.stream import ClientStream
from razorg.codec.base import Codec
from razorg.codec.registry import resolve_codec
from razorg.config import ClientConfig, configured
from razorg.core.method import Method
from razorg.errors import ConnectionLost, LocalProtocolError, RpcError, Unreachable
from razorg.transport import registry
from razorg.transport.address import AddressLike

PoolT = TypeVar("PoolT", bound="StreamPool")


class StreamPool(RawActions):
    """Streams to one address, made when they are needed.  The constructor does no I/O."""

    def __init__(
        self,
        address: AddressLike,
        *,
        codec: str | Codec = "msgpack",
        config: ClientConfig | None = None,
        **settings: Any,
    ) -> None:
        self.config = configured(config, ClientConfig, settings)
        self.codec = resolve_codec(codec)
        self._address = registry.checked_address(address)
        self.address = str(self._address)
        self._stream: ClientStream | None = None
        self._hub: Any = None  # of the thread that called first
        self._connecting = Semaphore()
        self._attempts = 0
        self._failure: str | None = None
        self._is_closed = False

    def stream(self, timeout: float | None = None) -> ClientStream:
        """The open stream; connects when there is none, blocking at most ``timeout`` seconds.

        One greenlet connects, the others wait for it and share its failure.  Unreachable.
        """
        stream = self._stream
        if stream is not None and not stream.is_closed:
            return stream
        self._check_thread()
        attempts = self._attempts
        seconds = min(timeout or self.config.connect_timeout, self.config.connect_timeout)
        if not self._connecting.acquire(timeout=seconds):
            raise Unreachable(f"no connection within {seconds:g} s", sent="no")
        try:
            if self._attempts != attempts and self._failure is not None:
                raise Unreachable(self._failure, sent="no", address=self.address)
            if self._stream is None or self._stream.is_closed:
                self._connect(seconds)
            if self._is_closed:
                raise LocalProtocolError(f"{self!r} is closed")
            assert self._stream is not None
            return self._stream
        finally:
            self._connecting.release()

    def _check_thread(self) -> None:
        """A pool belongs to the thread of its first call, as its stream does."""
        hub = get_hub()
        if self._hub is None or self._hub.dead:
            self._hub = hub
        if hub is not self._hub:
            raise LocalProtocolError(
                f"{self!r} belongs to the thread that called first; make one pool in each thread"
            )

    def _connect(self, seconds: float) -> None:
        if self._is_closed:
            return
        self._attempts += 1
        self._failure = None
        config = self.config.replace(connect_timeout=seconds)
        try:
            stream = ClientStream(self._address, codec=self.codec, config=config)
        except Unreachable as error:
            self._failure = error.message
            raise
        if self._is_closed:  # meanwhile
            stream.close(0)
        else:
            self._stream = stream

    def call_method(self, method: Method, msg: bytes, timeout: float | None) -> Any:
        """Call and block this greenlet; what was not sent moves to a new connection, once."""
        try:
            try:
                stream = self._stream
                if stream is None or stream.is_closed:
                    stream = self.stream(timeout)
                return stream.call(method, msg, None, timeout)
            except ConnectionLost as error:
                if error.sent != "no":
                    raise
            return self.stream(timeout).call(method, msg, None, timeout)
        except RpcError as error:
            error.located(method.name, self.address)
            raise

    def submit_method(self, method: Method, msg: bytes, timeout: float | None) -> RpcFuture[Any]:
        """The future of a call; blocks only for a connection or while the window is full."""
        try:
            future: RpcFuture[Any] = self._on_stream(
                lambda stream: stream.submit(method, msg, None, timeout), timeout
            )
        except (Unreachable, ConnectionLost) as error:
            return failed_future(method, error.located(method.name, self.address))
        return future

    def _start(self, request: RawRequest) -> Any:
        try:
            return self._on_stream(lambda stream: stream._start(request), request.timeout)
        except (Unreachable, ConnectionLost) as error:
            error.located(request.method.name, self.address)
            if request.notify is None:
                return failed_future(request.method, error)
            channel = Channel(request.notify, release=lambda: None)
            task = ClientTask(
                request.method, request.action, request.msg, channel, request.tag, self.address
            )
            task.settle(error)
            return task

    def _on_stream(self, start: Callable[[ClientStream], Any], timeout: float | None) -> Any:
        try:
            return start(self.stream(timeout))
        except ConnectionLost:  # noticed before anything was sent
            return start(self.stream(timeout))

    @property
    def in_flight(self) -> int:
        """How many calls wait for their response."""
        return self._stream.in_flight if self._stream is not None else 0

    def ping(self, timeout: float | None = None) -> float:
        """Wait for a pong; returns the seconds it took."""
        return self.stream().ping(timeout)

    def close(self, timeout: float | None = None) -> None:
        """Let the calls in flight end, as ``ClientStream.close`` does, then disconnect."""
        self._check_thread()
        self._is_closed = True
        if self._stream is not None:
            self._stream.close(timeout)

    def __enter__(self: PoolT) -> PoolT:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        is_open = self._stream is not None and not self._stream.is_closed
        state = "closed" if self._is_closed else "connected" if is_open else "not connected"
        return f"<{type(self).__name__} {self.address} {state}, {self.in_flight} in flight>"
