"""The calls of a pool that has interceptors.  A pool without them never comes here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from razorg.client.raw import RawRequest
from razorg.codec.base import Codec
from razorg.config import ClientConfig, check_timeout
from razorg.core.chain import Interceptor, chained
from razorg.core.figures import Observer
from razorg.core.method import Method
from razorg.hubs.deadline import bounded
from razorg.wire.heads import Buffer, Msg


class ClientCall:
    """What an interceptor of a client sees of a call.

    - ``action``: ``"Service.method"``, or the number of a raw action;
    - ``kind``: ``"call"`` blocks, and ``proceed`` returns its value or raises its error;
      ``"submit"`` and ``"send"`` do not, and it returns the RpcFuture (or the ClientTask);
    - ``timeout``: in seconds, None for the client's ``task_timeout``; may be set;
    - ``idempotent``: whether it may run twice;
    - ``msg``, ``blob``: what travels, encoded; ``len()`` gives their bytes;
    - ``address``: where the pool's calls go, for texts;
    - ``notify``: of ``"send"``, where its ClientTask goes; None where it has a future.
    """

    __slots__ = ("action", "address", "blob", "idempotent", "kind", "msg", "notify", "timeout")

    def __init__(
        self,
        kind: Literal["call", "submit", "send"],
        action: int | str,
        address: str,
        idempotent: bool,
        msg: Msg,
        blob: Buffer | None,
        timeout: float | None,
        notify: Any = None,
    ) -> None:
        self.kind = kind
        self.notify = notify
        self.action = action
        self.address = address
        self.idempotent = idempotent
        self.msg = msg
        self.blob = blob
        self.timeout = timeout

    def __repr__(self) -> str:
        return f"<ClientCall {self.kind} {self.action!r} at {self.address}>"


class _Pool(Protocol):
    codec: Codec
    config: ClientConfig
    observer: Observer | None

    @property
    def address(self) -> str: ...

    def call_method(self, method: Method, msg: Msg, timeout: float | None) -> Any: ...

    def submit_method(self, method: Method, msg: Msg, timeout: float | None) -> Any: ...


class InterceptedCalls:
    """Carries the calls of endpoints to the pool, through its interceptors.

    They run in the thread and greenlet of the caller.
    """

    def __init__(self, pool: _Pool, interceptors: Sequence[Interceptor]) -> None:
        self.codec = pool.codec
        self.config = pool.config
        self.observer = pool.observer
        self._pool = pool
        self._interceptors = interceptors

    @property
    def address(self) -> str:
        return self._pool.address

    def call_method(self, method: Method, msg: Msg, timeout: float | None) -> Any:
        return self._intercepted("call", self._pool.call_method, method, msg, timeout)

    def submit_method(self, method: Method, msg: Msg, timeout: float | None) -> Any:
        return self._intercepted("submit", self._pool.submit_method, method, msg, timeout)

    def start(self, request: RawRequest, start: Callable[[RawRequest], Any]) -> Any:
        """The future or task of a raw action."""
        call = ClientCall(
            "send",
            request.action,
            self.address,
            request.method.idempotent,
            request.data,
            request.blob,
            request.timeout,
            request.notify,
        )
        proceed = chained(
            self._interceptors, lambda call: start(request.with_timeout(self._timeout(call)))
        )
        return proceed(call)

    def _intercepted(
        self,
        kind: Literal["call", "submit"],
        carry: Callable[[Method, Msg, float | None], Any],
        method: Method,
        msg: Msg,
        timeout: float | None,
    ) -> Any:
        call = ClientCall(kind, method.name, self.address, method.idempotent, msg, None, timeout)
        proceed = chained(self._interceptors, lambda call: carry(method, msg, self._timeout(call)))
        return proceed(call)

    def _timeout(self, call: ClientCall) -> float | None:
        """What they have made of it, and what the block that it is in leaves of that."""
        check_timeout(call.timeout)
        return bounded(call.timeout, self.config.task_timeout, str(call.action))
