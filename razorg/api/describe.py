"""The service ``Razorg``: what a server offers and how it fares, told over the same wire."""

from __future__ import annotations

import enum
import inspect
import reprlib
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from razorg.api.service import RESERVED_NAME, MethodSpec, ServiceSpec, make_spec
from razorg.api.typenames import TypeNames
from razorg.declared import ErrorCode, ErrorText, ErrorValue

#: Defaults of these types are told; callers without the interface leave out no others.
_PLAIN = (bool, int, float, str, bytes, type(None))


class Told(Protocol):
    """What a server tells about itself."""

    def health(self) -> dict[str, Any]:
        """Whether it serves, and how much."""
        ...

    def stats(self) -> dict[str, Any]:
        """What its calls came to."""
        ...


class Reflection:
    """The service of a server about itself."""

    def __init__(self, specs: Iterable[ServiceSpec], server: Told) -> None:
        names = TypeNames()
        self._services = {spec.name: _sendable(_describe_service(spec, names)) for spec in specs}
        self._server = server

    def describe(self) -> dict[str, Any]:
        """Services by name: their doc and methods; each method's parameters, returns, errors."""
        return self._services

    def health(self) -> dict[str, Any]:
        """Whether the server serves: status, version, pid, uptime, connections, running calls."""
        return self._server.health()

    def stats(self) -> dict[str, Any]:
        """Calls by action, counted from the first time that somebody asks: see RpcServer.stats."""
        return self._server.stats()


REFLECTION_SPEC = make_spec(Reflection, RESERVED_NAME, {})


def _describe_service(spec: ServiceSpec, names: TypeNames) -> dict[str, Any]:
    methods = {
        method.action.partition(".")[2]: _describe_method(method, names)
        for method in spec.methods.values()
    }
    used = [
        annotation
        for method in spec.methods.values()
        for annotation in (*method.parameter_types, method.return_type)
    ]
    return {"doc": inspect.getdoc(spec.cls) or "", "methods": methods, "types": names.named(used)}


def _describe_method(method: MethodSpec, names: TypeNames) -> dict[str, Any]:
    parameters = method.signature.parameters.values()
    return {
        "doc": method.doc,
        "parameters": [
            _describe_parameter(parameter, names.of(type))
            for parameter, type in zip(parameters, method.parameter_types)
        ],
        "returns": names.of(method.return_type),
        "errors": [_describe_error(cls, names) for cls in method.errors.classes],
        "idempotent": method.options.idempotent,
        "requires": method.options.requires,
    }


def _describe_parameter(parameter: inspect.Parameter, type_: str) -> dict[str, Any]:
    """Its name and type, and its default: as a value where it is plain, else as a text."""
    told = {"name": parameter.name, "type": type_}
    default = parameter.default
    value = default.value if isinstance(default, enum.Enum) else default
    if type(value) in _PLAIN and _travels(value):
        told["default"] = value
    elif default is not parameter.empty:
        told["default_text"] = reprlib.repr(default)
    return told


def _travels(value: Any) -> bool:
    """Whether codecs carry the plain value: not half a surrogate pair, nor more than 64 bits."""
    try:
        msgspec.msgpack.encode(value)
    except (ValueError, OverflowError):
        return False
    return True


def _sendable(told: Any) -> Any:
    """The same; texts that UTF-8 has no bytes for would keep all others from being told."""
    if isinstance(told, str):
        return told.encode("utf-8", "replace").decode()
    if isinstance(told, list):
        return [_sendable(part) for part in told]
    if isinstance(told, dict):
        return {_sendable(key): _sendable(part) for key, part in told.items()}
    return told


def _describe_error(cls: Any, names: TypeNames) -> dict[str, Any]:
    """Its name and kind, and what is fixed of it."""
    told: dict[str, Any] = {"name": names.of_class(cls)}
    if issubclass(cls, ErrorCode):
        told["kind"] = "code"
        if cls.signed:
            told["signed"] = True
        if cls.fixed_code is not None:
            told["code"] = cls.fixed_code
    elif issubclass(cls, ErrorText):
        told["kind"] = "text"
        if cls.text is not None:
            told["text"] = cls.text
    elif issubclass(cls, ErrorValue):
        told["kind"] = "value"
        told["fields"] = names.named([cls])[names.of_class(cls)]["fields"]
    else:
        told["kind"] = "errno"
    return told
