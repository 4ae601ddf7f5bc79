"""``Razorg.describe``: what a server offers, told over the same wire."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from types import NoneType
from typing import Any

from razorg.api.service import RESERVED_NAME, MethodSpec, ServiceSpec, make_spec
from razorg.declared import ErrorCode, ErrorText, ErrorValue

_KINDS = ((ErrorCode, "code"), (ErrorText, "text"), (ErrorValue, "value"), (OSError, "errno"))


class Reflection:
    """The service of a server about itself."""

    def __init__(self, specs: Iterable[ServiceSpec]) -> None:
        self._services = {spec.name: _describe_service(spec) for spec in specs}

    def describe(self) -> dict[str, Any]:
        """Services by name: their doc and methods; each method's parameters, returns, errors."""
        return self._services


REFLECTION_SPEC = make_spec(Reflection, RESERVED_NAME, {})


def _describe_service(spec: ServiceSpec) -> dict[str, Any]:
    methods = {
        method.action.partition(".")[2]: _describe_method(method)
        for method in spec.methods.values()
    }
    return {"doc": inspect.getdoc(spec.cls) or "", "methods": methods}


def _describe_method(method: MethodSpec) -> dict[str, Any]:
    parameters = method.signature.parameters.values()
    return {
        "doc": method.doc,
        "parameters": [
            {"name": parameter.name, "type": _type_name(type)}
            for parameter, type in zip(parameters, method.parameter_types)
        ],
        "returns": _type_name(method.return_type),
        "errors": [
            {"name": cls.__name__, "kind": _kind_name(cls)} for cls in method.errors.classes
        ],
        "idempotent": method.options.idempotent,
    }


def _type_name(type: Any) -> str:
    return "None" if type in (None, NoneType) else inspect.formatannotation(type)


def _kind_name(cls: Any) -> str:
    return next(name for base, name in _KINDS if issubclass(cls, base))
