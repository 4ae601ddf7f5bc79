"""Services as a Dispatch, and the server that takes both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from razorg.api.describe import REFLECTION_SPEC, Reflection
from razorg.api.service import MethodSpec, ServiceSpec, services_of
from razorg.codec.base import Codec
from razorg.codec.registry import resolve_codec
from razorg.config import Limits, ServerConfig, configured
from razorg.errors import DecodeError, EncodeError, MethodNotFound, ServiceNotFound
from razorg.server.answers import declared_frame, internal_error_frame, log
from razorg.server.dispatch import Dispatch, NoDispatch, Requester
from razorg.server.server import ListenTo, Server
from razorg.wire.encoder import check_sizes, error_frame, response_frame
from razorg.wire.heads import Frame, RequestFields

_METHOD_NOT_FOUND = MethodNotFound.wire.encode()
_SERVICE_NOT_FOUND = ServiceNotFound.wire.encode()
_DECODE = DecodeError.wire.encode()


class _Handler:
    """One method of one registered object."""

    __slots__ = (
        "decode",
        "encode",
        "encode_bytes",
        "errors",
        "function",
        "inline",
        "max_msg_bytes",
        "takes_array",
        "takes_one",
    )

    def __init__(self, spec: MethodSpec, function: Any, codec: Codec, max_msg_bytes: int) -> None:
        self.encode = codec.encode
        self.encode_bytes = codec.encode_bytes
        self.max_msg_bytes = max_msg_bytes
        self.function = function
        self.errors = spec.errors
        self.inline = spec.options.inline
        self.decode = codec.decoder(spec.message_type)
        self.takes_one = len(spec.parameter_types) == 1
        self.takes_array = len(spec.parameter_types) > 1


class ServiceDispatch(Dispatch):
    """Answers ``Service.method`` actions by calling registered objects, and hands everything
    else to another Dispatch."""

    def __init__(
        self,
        services: Iterable[Any],
        other: Dispatch,
        codec: Codec,
        limits: Limits,
        reflection: bool = True,
    ) -> None:
        self._max_msg_bytes = limits.max_msg_bytes
        self._other = other
        self._handlers: dict[str, _Handler] = {}
        self._specs: dict[str, ServiceSpec] = {}
        for instance in services:
            self._register(instance, codec)
        if reflection:
            self._add(REFLECTION_SPEC, Reflection(list(self._specs.values())), codec)
        self.inline = other.inline or any(item.inline for item in self._handlers.values())

    def _register(self, instance: Any, codec: Codec) -> None:
        if isinstance(instance, type):
            raise TypeError(f"register an instance, {instance.__name__}(), not the class itself")
        specs = services_of(type(instance))
        if not specs:
            raise TypeError(
                f"{instance!r} is not a service; its class, or one it derives from, needs "
                "@razorg.service"
            )
        for spec in specs:
            if spec.name in self._specs:
                raise ValueError(f"two services of the name {spec.name!r}")
            self._add(spec, instance, codec)

    def _add(self, spec: ServiceSpec, instance: Any, codec: Codec) -> None:
        self._specs[spec.name] = spec
        for name, method in spec.methods.items():
            self._handlers[method.action] = _Handler(
                method, getattr(instance, name), codec, self._max_msg_bytes
            )

    def runs_inline(self, action: int | str) -> bool:
        handler = self._handlers.get(action)  # type: ignore[arg-type]
        if handler is not None:
            return handler.inline
        return self._other.inline and self._other.runs_inline(action)

    def handle(self, session: Requester, fields: RequestFields) -> None:
        handler = self._handlers.get(fields[1])  # type: ignore[arg-type]
        if handler is None:
            self._handle_unknown(session, fields)
            return
        try:
            frame = _run(handler, session, fields)
        except BaseException as error:  # GreenletExit and the like go on below
            session.answer(_failure(handler, session, fields, error))
            if not isinstance(error, Exception):
                raise
        else:
            session.answer(frame)

    def _handle_unknown(self, session: Requester, fields: RequestFields) -> None:
        action = fields[1]
        if isinstance(action, str) and "." in action:
            service, _, _ = action.partition(".")
            if service in self._specs:
                session.answer(error_frame(fields[0], _METHOD_NOT_FOUND))
                return
            if isinstance(self._other, NoDispatch):
                session.answer(error_frame(fields[0], _SERVICE_NOT_FOUND))
                return
        self._other.handle(session, fields)


def _run(handler: _Handler, session: Requester, fields: RequestFields) -> Frame:
    """The response of the handler, or rpc_decode when the message is not what it takes."""
    msg = fields[3]
    try:
        args = handler.decode(msg) if msg else None
        if args is None and handler.takes_array:
            raise DecodeError("no arguments")
        if not msg and handler.takes_one:
            raise DecodeError("no argument")
    except DecodeError as error:
        log.warning(
            "%s: the arguments of %r do not fit: %s", session.peer, fields[1], error.message
        )
        return error_frame(fields[0], _DECODE)
    result: Any
    if handler.takes_one:
        result = handler.function(args)
    elif handler.takes_array:
        result = handler.function(*args)  # type: ignore[misc]
    else:
        result = handler.function()
    encode = handler.encode if type(result) is not bytes else handler.encode_bytes
    data = encode(result)
    if len(data) > handler.max_msg_bytes:
        check_sizes(data, None, session.config.limits)
    return response_frame(fields[0], data)


def _failure(
    handler: _Handler, session: Requester, fields: RequestFields, error: BaseException
) -> Frame:
    seq, action = fields[0], fields[1]
    try:
        if handler.errors.declares(error):
            frame = declared_frame(seq, error, session.codec, session.config.limits)
            if frame is not None:
                return frame
    except EncodeError as reason:
        error = reason
    except Exception as reason:  # the user's error class failed to say what it is
        return internal_error_frame(seq, reason, action)
    if isinstance(error, EncodeError):
        log.error("the result of %r cannot be sent: %s", action, error)
        return error_frame(seq, EncodeError.wire.encode())
    return internal_error_frame(seq, error, action)


class RpcServer(Server):
    """Serves typed services, a Dispatch for raw actions, or both.

    ``listen`` is a URL (``tcp://host:port``, ``unix:///path``, ``memory://name``), a
    ``"host:port"``, a ``(host, port)`` pair, a bound socket, a list of these, or None: then
    ``start(listen)`` takes them, or gunicorn has them.
    A string action whose service is registered goes to the services, the rest to ``dispatch``.
    With services it also answers ``Razorg.describe``, unless ``reflection=False``.
    Takes the names of ServerConfig as keywords.  Nothing is opened before ``start()``.
    """

    def __init__(
        self,
        listen: ListenTo,
        services: Iterable[Any] = (),
        *,
        dispatch: Dispatch | None = None,
        codec: str | Codec = "msgpack",
        config: ServerConfig | None = None,
        reflection: bool = True,
        **settings: Any,
    ) -> None:
        codec = resolve_codec(codec)
        if dispatch is not None and not isinstance(dispatch, Dispatch):
            raise TypeError(f"dispatch must be a razorg.Dispatch, not {dispatch!r}")
        if not isinstance(services, (list, tuple, set, frozenset)):
            raise TypeError(f"services is a list of service objects, not {services!r}")
        checked = configured(config, ServerConfig, settings)
        served: Dispatch = dispatch if dispatch is not None else NoDispatch()
        if services:
            served = ServiceDispatch(services, served, codec, checked.limits, reflection)
        elif dispatch is None:
            raise TypeError("a server needs services or a dispatch")
        self._services = list(services)
        super().__init__(listen, served, codec, checked)
