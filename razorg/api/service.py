"""``@service`` and ``@method``: an interface as a plain class, shared by both sides."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_type_hints, overload

from razorg.api.errors import ErrorTable, Raises
from razorg.codec.typed import check_type
from razorg.config import check_timeout

ClassT = TypeVar("ClassT", bound=type)
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

#: The service that a server offers about itself.
RESERVED_NAME = "Razorg"

_SPEC = "__razorg_service__"
_OPTIONS = "__razorg_method__"


@dataclass(frozen=True)
class MethodOptions:
    """What ``@method`` says."""

    name: str | None = None
    raises: Raises = None
    idempotent: bool = False
    timeout: float | None = None
    inline: bool = False


@dataclass(frozen=True)
class MethodSpec:
    """One method of a service: its names, its signature, its errors."""

    name: str  # in Python
    action: str  # on the wire, "Service.method"
    signature: inspect.Signature  # without self
    parameter_types: tuple[Any, ...]
    return_type: Any
    options: MethodOptions
    errors: ErrorTable
    doc: str = ""

    @property
    def message_type(self) -> Any:
        """The type of the request's message: nil, the one parameter itself, or a tuple."""
        if not self.parameter_types:
            return None
        if len(self.parameter_types) == 1:
            return self.parameter_types[0]
        return tuple.__class_getitem__(self.parameter_types)


@dataclass(frozen=True)
class ServiceSpec:
    """A service: its name on the wire and its methods by their names in Python."""

    name: str
    cls: type
    methods: dict[str, MethodSpec] = field(default_factory=dict)


@overload
def method(function: FunctionT, /) -> FunctionT: ...


@overload
def method(
    *,
    name: str | None = None,
    raises: Raises = None,
    idempotent: bool = False,
    timeout: float | None = None,
    inline: bool = False,
) -> Callable[[FunctionT], FunctionT]: ...


def method(function: Any = None, /, **options: Any) -> Any:
    """Options of a service's method.

    - ``raises``: the errors that it declares, a class or a tuple of classes;
    - ``idempotent``: running it twice does no harm; told by ``Razorg.describe``, not acted on yet;
    - ``timeout``: seconds, instead of the client's ``task_timeout``;
    - ``inline``: run in the connection's reader (for handlers that never block);
    - ``name``: its name on the wire.
    """
    if function is not None and not inspect.isfunction(function):
        raise TypeError(f"@method decorates a function, not {function!r}")
    checked = MethodOptions(**options)
    check_timeout(checked.timeout)
    ErrorTable(checked.raises)

    def decorate(function: Any) -> Any:
        setattr(function, _OPTIONS, checked)
        return function

    return decorate(function) if function is not None else decorate


@overload
def service(cls: ClassT, /) -> ClassT: ...


@overload
def service(*, name: str | None = None) -> Callable[[ClassT], ClassT]: ...


def service(cls: Any = None, /, *, name: str | None = None) -> Any:
    """Make a class a service: its public methods are what clients can call.

    TypeError for what cannot be called over the wire: no methods at all, ``*args``,
    ``**kwargs``, keyword-only parameters, annotations that do not travel.
    """
    # The names of the place where the class stands, for string annotations.
    local_names = dict(sys._getframe(1).f_locals)

    def decorate(cls: Any) -> Any:
        if not isinstance(cls, type):
            raise TypeError(f"@service decorates a class, not {cls!r}")
        wire_name = name if name is not None else cls.__name__
        if not wire_name or "." in wire_name:
            raise TypeError(f"{wire_name!r} cannot name a service: it must not hold a dot")
        if wire_name == RESERVED_NAME:
            raise TypeError(f"the service name {RESERVED_NAME!r} is reserved")
        setattr(cls, _SPEC, make_spec(cls, wire_name, local_names))
        return cls

    return decorate(cls) if cls is not None else decorate


def make_spec(cls: type, wire_name: str, local_names: dict[str, Any]) -> ServiceSpec:
    """What a class offers as a service; TypeError for what cannot be called over the wire."""
    spec = ServiceSpec(wire_name, cls)
    for attribute, function in _public_functions(cls).items():
        spec.methods[attribute] = _method_spec(spec, attribute, function, local_names)
    if not spec.methods:
        raise TypeError(f"service {cls.__name__} has no methods")
    actions = [method.action for method in spec.methods.values()]
    for action in actions:
        if actions.count(action) > 1:
            raise TypeError(f"service {cls.__name__} has two methods that are {action!r}")
    return spec


def service_of(cls: Any) -> ServiceSpec:
    """The service that a class is, or derives from; TypeError when it is none."""
    specs = services_of(cls) if isinstance(cls, type) else []
    if not specs:
        raise TypeError(f"{cls!r} is not a service; decorate the class with @razorg.service")
    return specs[0]


def services_of(cls: type) -> list[ServiceSpec]:
    """The services that a class implements; one that another of them extends is left out."""
    specs: list[ServiceSpec] = []
    for base in cls.__mro__:
        spec = base.__dict__.get(_SPEC)
        if spec is not None and not any(issubclass(other.cls, base) for other in specs):
            specs.append(spec)
    return specs


def _public_functions(cls: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        for name, value in base.__dict__.items():
            if name.startswith("_"):
                continue
            if isinstance(value, (staticmethod, classmethod)):
                raise TypeError(f"{cls.__name__}.{name}: a service method takes self")
            if inspect.isfunction(value):
                found[name] = value
            else:
                found.pop(name, None)
    return found


def _method_spec(
    spec: ServiceSpec, attribute: str, function: Any, local_names: dict[str, Any]
) -> MethodSpec:
    where = f"{spec.cls.__name__}.{attribute}"
    options: MethodOptions = getattr(function, _OPTIONS, None) or MethodOptions()
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    if not parameters:
        raise TypeError(f"{where}: a service method takes self")
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise TypeError(f"{where}: {parameter} cannot travel; only plain parameters can")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise TypeError(f"{where}: a service method is a plain function")
    try:
        hints = get_type_hints(function, None, local_names, include_extras=True)
        types = tuple(hints.get(parameter.name, Any) for parameter in parameters[1:])
        return_type: Any = hints.get("return", Any)
        for type in (*types, return_type):
            check_type(type)
    except (TypeError, NameError) as error:
        raise TypeError(f"{where}: {error}") from None
    return MethodSpec(
        name=attribute,
        action=f"{spec.name}.{options.name or attribute}",
        signature=signature.replace(parameters=parameters[1:]),
        parameter_types=types,
        return_type=return_type,
        options=options,
        errors=ErrorTable(options.raises),
        doc=inspect.getdoc(function) or "",
    )
