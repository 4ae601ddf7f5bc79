"""Endpoints: a method of a service, bound to a pool; calling one calls the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

from razorg.api.errors import ErrorTable, Raises
from razorg.api.service import MethodSpec, ServiceSpec, service_of
from razorg.client.future import RpcFuture
from razorg.codec.base import Codec
from razorg.config import ClientConfig, check_timeout
from razorg.core.figures import Observer
from razorg.core.method import Method
from razorg.wire.encoder import encode_action
from razorg.wire.heads import Msg

P = ParamSpec("P")
ResultT = TypeVar("ResultT")
ClientT = TypeVar("ClientT")


class Caller(Protocol):
    """What carries the calls of endpoints: a pool."""

    codec: Codec
    config: ClientConfig
    observer: Observer | None

    @property
    def address(self) -> str:
        """Where they go, for texts."""
        ...

    def call_method(self, method: Method, msg: Msg, timeout: float | None) -> Any:
        """Call and block."""

    def submit_method(self, method: Method, msg: Msg, timeout: float | None) -> RpcFuture[Any]:
        """Call, and give a future."""
        ...


def make_method(
    caller: Caller, action: str, returns: Any, errors: ErrorTable, options: dict[str, Any]
) -> Method:
    """How calls of an action with this return type and these errors are sent and read."""
    codec = caller.codec
    observer = caller.observer
    return Method(
        name=action,
        action=encode_action(action, caller.config.limits),
        decode_value=codec.decoder(returns),
        decode_error=lambda flag, payload: errors.decode(flag, payload, codec),
        figures=observer.of(action) if observer is not None else None,
        **options,
    )


def message_of(args: tuple[Any, ...]) -> Any:
    """What travels for these arguments: nil, the one itself, or an array."""
    return args[0] if len(args) == 1 else args if args else None


class Endpoint:
    """Callable with the signature of the method; blocks the calling greenlet only."""

    __slots__ = (
        "_call",
        "_caller",
        "_count",
        "_encode",
        "_encode_bytes",
        "_method",
        "_spec",
        "_submit",
        "_takes_one",
        "_timeout",
    )

    def __init__(self, caller: Caller, spec: MethodSpec, method: Method) -> None:
        self._caller = caller
        self._spec = spec
        self._method = method
        self._timeout = method.timeout
        self._count = len(spec.parameter_types)
        self._takes_one = self._count == 1
        self._encode = caller.codec.encode
        self._encode_bytes = caller.codec.encode_bytes
        self._call = caller.call_method
        self._submit = caller.submit_method

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != self._count:
            args = self._bind(args, kwargs)
        msg = self._encode_one(args[0]) if self._takes_one else self._encode(args or None)
        return self._call(self._method, msg, self._timeout)

    def submit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> RpcFuture[Any]:
        """The future of a call with these arguments."""
        if kwargs or len(args) != self._count:
            args = self._bind(args, kwargs)
        msg = self._encode_one(args[0]) if self._takes_one else self._encode(args or None)
        return self._submit(self._method, msg, self._timeout)

    def _encode_one(self, value: Any) -> Msg:
        return self._encode_bytes(value) if type(value) is bytes else self._encode(value)

    def with_options(self, changes: dict[str, Any]) -> Endpoint:
        """The same endpoint with other options."""
        return Endpoint(self._caller, self._spec, self._method.replace(**changes))

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        try:
            bound = self._spec.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self._spec.action}{self._spec.signature}: {error}") from None
        bound.apply_defaults()
        return tuple(bound.arguments.values())

    def __repr__(self) -> str:
        return f"<endpoint {self._spec.action}{self._spec.signature} at {self._caller.address}>"


class ServiceClient:
    """One endpoint for each method of a service, as attributes."""

    def __init__(self, caller: Caller, spec: ServiceSpec, endpoints: dict[str, Endpoint]) -> None:
        self.__dict__.update(endpoints)
        self._caller = caller
        self._spec = spec
        self._endpoints = endpoints

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            f"service {self._spec.name} has no method {name!r}; it has: "
            + ", ".join(self._endpoints)
        )

    def __repr__(self) -> str:
        return f"<client of {self._spec.name} at {self._caller.address}>"


def make_client(caller: Caller, spec: ServiceSpec) -> Any:
    """The client of a service; a type checker is told that it is the service."""
    endpoints = {}
    for name, method in spec.methods.items():
        options = {"timeout": method.options.timeout, "idempotent": method.options.idempotent}
        bound = make_method(caller, method.action, method.return_type, method.errors, options)
        endpoints[name] = Endpoint(caller, method, bound)
    return ServiceClient(caller, spec, endpoints)


def submit(
    endpoint: Callable[P, ResultT], /, *args: P.args, **kwargs: P.kwargs
) -> RpcFuture[ResultT]:
    """Call an endpoint of a client without waiting: ``submit(cal.add, 1, 2)`` gives a future.

    Blocks only for a connection, or while the window is full.  Raises EncodeError,
    CallTimeout (``sent="no"``) and LocalProtocolError; all later errors are in the future.
    """
    if not isinstance(endpoint, Endpoint):
        raise TypeError(
            f"submit takes a method of a client (pool.client(Service).method), not {endpoint!r}"
        )
    return endpoint.submit(args, kwargs)


_OPTION_NAMES = ("timeout", "idempotent", "retry_limit")


def with_options(client: ClientT, **options: Any) -> ClientT:
    """A client (or one endpoint) with another ``timeout``, ``idempotent`` or ``retry_limit``.

    The last two are for pools of several addresses: whether what may have run is sent again,
    and how often a call goes on elsewhere.

    A timeout is exact for blocking calls; futures end between it and a second later.
    """
    for name in options:
        if name not in _OPTION_NAMES:
            raise TypeError(f"{name!r} is no option; there are: {', '.join(_OPTION_NAMES)}")
    check_timeout(options.get("timeout"))
    limit = options.get("retry_limit")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
        raise ValueError(f"retry_limit is a number of retries, not {limit!r}")
    changed: Any
    if isinstance(client, Endpoint):
        changed = client.with_options(options)
    elif isinstance(client, ServiceClient):
        endpoints = {name: old.with_options(options) for name, old in client._endpoints.items()}
        changed = ServiceClient(client._caller, client._spec, endpoints)
    else:
        raise TypeError(f"with_options takes a client or one of its methods, not {client!r}")
    result: ClientT = changed
    return result


class ServiceCalls:
    """Services and untyped calls: what the pools offer above raw actions."""

    def client(self: Any, service: type[ClientT]) -> ClientT:
        """The client of a service: its methods call the server.  TypeError when it is none."""
        from_spec: ClientT = make_client(self.caller, service_of(service))
        return from_spec

    def call(
        self: Any,
        action: str,
        *args: Any,
        raises: Raises = None,
        returns: Any = Any,
        timeout: float | None = None,
        idempotent: bool = False,
    ) -> Any:
        """Call ``"Service.method"`` without its interface; blocks this greenlet."""
        method, msg = self._untyped(action, args, raises, returns, timeout, idempotent)
        return self.caller.call_method(method, msg, timeout)

    def submit(
        self: Any,
        action: str,
        *args: Any,
        raises: Raises = None,
        returns: Any = Any,
        timeout: float | None = None,
        idempotent: bool = False,
    ) -> RpcFuture[Any]:
        """As ``call``, but gives a future."""
        method, msg = self._untyped(action, args, raises, returns, timeout, idempotent)
        future: RpcFuture[Any] = self.caller.submit_method(method, msg, timeout)
        return future

    def _untyped(
        self: Any,
        action: str,
        args: tuple[Any, ...],
        raises: Raises,
        returns: Any,
        timeout: float | None,
        idempotent: bool,
    ) -> tuple[Method, bytes]:
        check_timeout(timeout)
        if not isinstance(action, str):
            raise TypeError(f"call takes 'Service.method', not {action!r}; send takes raw actions")
        options = {"idempotent": idempotent}
        method = make_method(self, action, returns, ErrorTable(raises), options)
        return method, self.codec.encode(message_of(args))
