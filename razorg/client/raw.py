"""Raw actions: what ClientStream and the pools offer below the services."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, overload

from razorg.client.calls import ClientTask
from razorg.client.channel import Channel
from razorg.client.future import RpcFuture, new_future
from razorg.client.reply import Reply, decode_raw_error
from razorg.codec.base import Codec
from razorg.codec.nil import encode_msg
from razorg.config import ClientConfig, check_timeout
from razorg.core.figures import Observer
from razorg.core.method import Method
from razorg.hubs.deadline import bounded, current_deadlines
from razorg.wire.encoder import encode_action
from razorg.wire.heads import Buffer


@dataclass(frozen=True, slots=True)
class RawRequest:
    """What ``send`` was given, with the message encoded."""

    method: Method
    action: int | str
    msg: Any
    data: bytes
    blob: Buffer | None
    timeout: float | None
    notify: Any
    tag: Any

    def with_timeout(self, timeout: float | None) -> RawRequest:
        """The same with another timeout; ValueError for what is none."""
        check_timeout(timeout)
        return self if timeout == self.timeout else replace(self, timeout=timeout)

    def call(
        self, address: str, hub: Any, unsent: Channel | None = None
    ) -> RpcFuture[Any] | ClientTask:
        """Its future, which belongs to the hub; its task when it has a notify target.

        ``unsent``: where the task goes when it ends without having met a stream.
        """
        if self.notify is None:
            return new_future(self.method, hub)
        return ClientTask(
            self.method, self.action, self.msg, self.notify, self.tag, address, unsent
        )


class RawActions:
    """``send`` for whatever can carry a request."""

    codec: Codec
    config: ClientConfig
    #: Who counts its calls, if somebody does.
    observer: Observer | None = None

    @overload
    def send(
        self,
        action: int | str,
        msg: Any = None,
        blob: Buffer | None = None,
        *,
        timeout: float | None = None,
        idempotent: bool = False,
    ) -> RpcFuture[Reply]: ...

    @overload
    def send(
        self,
        action: int | str,
        msg: Any = None,
        blob: Buffer | None = None,
        *,
        timeout: float | None = None,
        idempotent: bool = False,
        notify: Any,
        tag: Any = None,
    ) -> ClientTask: ...

    def send(
        self,
        action: int | str,
        msg: Any = None,
        blob: Buffer | None = None,
        *,
        timeout: float | None = None,
        idempotent: bool = False,
        notify: Any = None,
        tag: Any = None,
    ) -> Any:
        """Send a raw action: a number or a name, a message (None: none at all), and a blob.

        Returns the future of a Reply; with ``notify`` a ClientTask, which is put on that channel
        when it is finished.  ``idempotent``: a pool of several addresses may send it again when
        it may have run.  Blocks only while the window is full or, in a pool, to connect.
        Raises EncodeError, CallTimeout (``sent="no"``) and LocalProtocolError; all later errors
        are in the future.
        """
        check_timeout(timeout)
        if tag is not None and notify is None:
            raise TypeError("a tag goes with notify: a future has none")
        method = self.raw_method(action, idempotent)
        data = encode_msg(self.codec, msg)
        if current_deadlines():
            timeout = bounded(timeout, self.config.task_timeout, method.name)
        return self._start(RawRequest(method, action, msg, data, blob, timeout, notify, tag))

    def raw_method(self, action: int | str, idempotent: bool = False) -> Method:
        """How calls of a raw action are sent and read."""
        codec = self.codec
        return Method(
            name=action if isinstance(action, str) else f"action {action}",
            action=encode_action(action, self.config.limits),
            make_reply=lambda msg, blob: Reply(msg, blob, codec),
            decode_error=decode_raw_error,
            idempotent=idempotent,
            figures=self.observer.of(action) if self.observer is not None else None,
        )

    def _start(self, request: RawRequest) -> Any:
        """Send the request; its future, or its task when it has a notify target."""
        raise NotImplementedError
