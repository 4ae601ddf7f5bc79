"""Services as a Dispatch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Any

from razorg.api.describe import REFLECTION_SPEC, Reflection, Told
from razorg.api.service import MethodSpec, ServiceSpec, check_override, services_of
from razorg.codec.base import Codec
from razorg.config import Limits
from razorg.core.chain import Interceptor
from razorg.core.figures import Figures, Observer
from razorg.errors import DecodeError, EncodeError, MethodNotFound, ServiceNotFound
from razorg.server.answers import (
    declared_frame,
    error_name,
    internal_error_frame,
    unsendable_frame,
)
from razorg.server.dispatch import Dispatch, NoDispatch
from razorg.server.intercepted import intercepted
from razorg.server.requester import Requester
from razorg.wire.encoder import check_sizes, error_frame, response_frame
from razorg.wire.heads import FLAG_AT, FLAG_OK, Frame, RequestFields

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
        "figures",
        "function",
        "inline",
        "max_msg_bytes",
        "takes_array",
        "takes_one",
    )

    def __init__(
        self, spec: MethodSpec, function: Callable[..., Any], codec: Codec, max_msg_bytes: int
    ) -> None:
        self.encode = codec.encode
        self.encode_bytes = codec.encode_bytes
        self.max_msg_bytes = max_msg_bytes
        self.function = function
        self.errors = spec.errors
        self.inline = spec.options.inline
        #: Where its calls are counted, if they are.
        self.figures: Figures | None = None
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
        about: Told | None = None,
        interceptors: Sequence[Interceptor] = (),
    ) -> None:
        self._interceptors = interceptors
        self._max_msg_bytes = limits.max_msg_bytes
        self._other = other
        self._handlers: dict[str, _Handler] = {}
        self._specs: dict[str, ServiceSpec] = {}
        for instance in services:
            self._register(instance, codec)
        if about is not None:
            self._add(REFLECTION_SPEC, Reflection(list(self._specs.values()), about), codec)
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
            function = getattr(instance, name)
            check_override(method, function)
            if self._interceptors:
                function = intercepted(self._interceptors, method.action, function)
            self._handlers[method.action] = _Handler(method, function, codec, self._max_msg_bytes)

    @property
    def requires(self) -> dict[int | str, str]:
        """What the methods ask for that ask for anything, by action."""
        return {
            method.action: method.options.requires
            for spec in self._specs.values()
            for method in spec.methods.values()
            if method.options.requires is not None
        }

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
        if handler.figures is not None:
            _handle_counted(handler, handler.figures, session, fields)
            return
        try:
            frame = _run(handler, session, fields)
        except BaseException as error:  # GreenletExit and the like go on below
            session.answer(_failure(handler, session, fields, error))
            if not isinstance(error, Exception):
                raise
        else:
            session.answer(frame)

    def count(self, observer: Observer | None) -> None:
        """From now on count the calls of each method; None: count them no more."""
        for action, handler in self._handlers.items():
            handler.figures = observer.of(action) if observer is not None else None

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
    """The response of the handler, or rpc_decode when the message is not what it takes, or
    rpc_encode when its result cannot be sent."""
    msg = fields[3]
    try:
        args = handler.decode(msg) if msg else None
        if args is None and handler.takes_array:
            raise DecodeError("no arguments")
        if not msg and handler.takes_one:
            raise DecodeError("no argument")
    except DecodeError as error:
        session.seldom.warning(
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
    try:
        data = encode(result)
        if len(data) > handler.max_msg_bytes:
            check_sizes(data, None, session.config.limits)
    except EncodeError as error:
        return unsendable_frame(session, fields[0], fields[1], error, "result")
    return response_frame(fields[0], data)


def _handle_counted(
    handler: _Handler, figures: Figures, session: Requester, fields: RequestFields
) -> None:
    started = monotonic()
    figures.running += 1
    try:
        frame = _run(handler, session, fields)
        seconds = monotonic() - started
        if type(frame) is bytes and frame[FLAG_AT] != FLAG_OK:
            figures.failed(seconds, error_name(frame))
        else:
            figures.ended(seconds)
    except BaseException as error:  # GreenletExit and the like go on below
        figures.failed(monotonic() - started, type(error).__name__)
        session.answer(_failure(handler, session, fields, error))
        if not isinstance(error, Exception):
            raise
    else:
        session.answer(frame)
    finally:
        figures.running -= 1


def _failure(
    handler: _Handler, session: Requester, fields: RequestFields, error: BaseException
) -> Frame:
    seq, action = fields[0], fields[1]
    session.failing(error)
    try:
        if handler.errors.declares(error):
            frame = declared_frame(session, seq, error)
            if frame is not None:
                return frame
    except EncodeError as reason:
        return unsendable_frame(session, seq, action, reason)
    except Exception as reason:  # the user's error class failed to say what it is
        return internal_error_frame(session, seq, action, reason)
    return internal_error_frame(session, seq, action, error)
