"""A pool of one address: connects at the first call, and again when the connection is lost."""

from __future__ import annotations

from typing import Any, TypeVar

from gevent.lock import RLock

from razorg.client.calls import ClientTask
from razorg.client.future import RpcFuture, failed_future
from razorg.client.raw import RawActions
from razorg.client.stream import ClientStream
from razorg.codec.base import Codec
from razorg.codec.registry import resolve_codec
from razorg.config import ClientConfig, configured
from razorg.core.method import Method
from razorg.errors import ConnectionLost, LocalProtocolError, RpcError
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
        self._connecting = RLock()
        self._is_closed = False

    def stream(self) -> ClientStream:
        """The open stream; connects when there is none, blocking.  Unreachable."""
        stream = self._stream
        if stream is not None and not stream.is_closed:
            return stream
        with self._connecting:
            if self._is_closed:
                raise LocalProtocolError(f"{self!r} is closed")
            if self._stream is None or self._stream.is_closed:
                self._stream = ClientStream(self._address, codec=self.codec, config=self.config)
            return self._stream

    def call_method(self, method: Method, msg: bytes, timeout: float | None) -> Any:
        """Call and block this greenlet; what was not sent moves to a new connection, once."""
        try:
            try:
                stream = self._stream
                if stream is None or stream.is_closed:
                    stream = self.stream()
                return stream.call(method, msg, None, timeout)
            except ConnectionLost as error:
                if error.sent != "no":
                    raise
            return self.stream().call(method, msg, None, timeout)
        except RpcError as error:
            error.located(method.name, self.address)
            raise

    def submit_method(self, method: Method, msg: bytes, timeout: float | None) -> RpcFuture[Any]:
        """The future of a call; blocks only for a connection or while the window is full."""
        future: RpcFuture[Any] = self._on_stream(
            method, lambda stream: stream.submit(method, msg, None, timeout)
        )
        return future

    def _start(
        self,
        method: Method,
        action: int | str,
        msg: Any,
        data: bytes,
        blob: Any,
        timeout: float | None,
        notify: Any,
        tag: Any,
    ) -> Any:
        if notify is None:
            return self._on_stream(
                method, lambda stream: stream.submit(method, data, blob, timeout)
            )

        def start(stream: ClientStream) -> ClientTask:
            task = ClientTask(method, action, msg, stream.channel(notify), tag)
            return stream.start_task(method, data, blob, timeout, task)

        return start(self.stream())

    def _on_stream(self, method: Method, start: Any) -> Any:
        try:
            try:
                return start(self.stream())
            except ConnectionLost:  # noticed before anything was sent
                return start(self.stream())
        except ConnectionError as error:
            if not isinstance(error, RpcError):
                raise
            return failed_future(method, error.located(method.name, self.address))

    @property
    def in_flight(self) -> int:
        """How many calls wait for their response."""
        return self._stream.in_flight if self._stream is not None else 0

    def ping(self, timeout: float | None = None) -> float:
        """Wait for a pong; returns the seconds it took."""
        return self.stream().ping(timeout)

    def close(self, timeout: float | None = None) -> None:
        """Let the calls in flight end, as ``ClientStream.close`` does, then disconnect."""
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
