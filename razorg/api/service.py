"""``@service`` and ``@method``: an interface as a plain class, shared by both sides."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar, get_type_hints, overload

from razorg.api.errors import ErrorTable, Raises
from razorg.api.functions import is_deferred, is_method, public_functions
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
    requires: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.raises, type):  # the same as a tuple of it
            object.__setattr__(self, "raises", (self.raises,))


_DEFAULT = MethodOptions()


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
    requires: str | None = None,
) -> Callable[[FunctionT], FunctionT]: ...


def method(function: Any = None, /, **options: Any) -> Any:
    """Options of a service's method.

    - ``raises``: the errors that it declares, a class or a tuple of classes;
    - ``idempotent``: running it twice does no harm; pools of several addresses may repeat it;
    - ``timeout``: seconds, instead of the client's ``task_timeout``;
    - ``requires``: what a caller needs, in the words of the server's ``authorize``; a server that
      has none lets nobody call the method;
    - ``inline``: run in the connection's reader (for handlers that never block);
    - ``name``: its name on the wire.
    """
    checked = MethodOptions(**options)
    check_timeout(checked.timeout)
    _check_requires(checked.requires)
    ErrorTable(checked.raises)

    def decorate(function: Any) -> Any:
        if not is_method(function):
            raise TypeError(f"@method decorates a function, not {function!r}")
        setattr(function, _OPTIONS, checked)
        return function

    return decorate(function) if function is not None else decorate


@overload
def service(cls: ClassT, /) -> ClassT: ...


@overload
def service(
    *, name: str | None = None, requires: str | None = None
) -> Callable[[ClassT], ClassT]: ...


def service(cls: Any = None, /, *, name: str | None = None, requires: str | None = None) -> Any:
    """Make a class a service: its public methods are what clients can call.

    ``requires`` holds for those of its methods that have none of their own.  What a service that
    it extends requires goes on to hold; a method that overrides can require something else, and
    never nothing.

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
        setattr(cls, _SPEC, make_spec(cls, wire_name, local_names, requires))
        return cls

    return decorate(cls) if cls is not None else decorate


def make_spec(
    cls: type, wire_name: str, local_names: dict[str, Any], requires: str | None = None
) -> ServiceSpec:
    """What a class offers as a service; TypeError for what cannot be called over the wire."""
    _check_requires(requires)
    spec = ServiceSpec(wire_name, cls)
    for attribute, function in public_functions(cls).items():
        made = _method_spec(spec, attribute, function, local_names)
        if made.options.requires is None:
            lock = _lock(cls, attribute, function, requires)
            made = replace(made, options=replace(made.options, requires=lock))
        spec.methods[attribute] = made
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


def check_override(spec: MethodSpec, function: Any) -> None:
    """TypeError when what implements a method says something else than its interface.

    The interface is what counts; a lock that is not looked at must not seem to be one.
    """
    where = getattr(function, "__qualname__", repr(function))
    if not callable(function):
        raise TypeError(f"{where} is no function, and stands where {spec.action} is declared")
    if is_deferred(function):
        raise TypeError(f"{where}: a service method is a plain function, as {spec.action} says")
    options: MethodOptions = getattr(function, _OPTIONS, None) or _DEFAULT
    for name in (item.name for item in fields(MethodOptions)):
        mine, said = getattr(options, name), getattr(spec.options, name)
        if mine not in (getattr(_DEFAULT, name), said):
            raise TypeError(
                f"{where}: {name}={mine!r} belongs on the class that carries @service, where "
                f"{spec.action} says {said!r}"
            )


def _lock(cls: type, attribute: str, function: Any, requires: str | None) -> str | None:
    """What a method requires that does not say so itself; ``requires`` is what its class says."""
    for base in cls.__mro__[1:]:
        spec = base.__dict__.get(_SPEC)
        extended = spec.methods.get(attribute) if spec is not None else None
        theirs: str | None = extended.options.requires if extended is not None else None
        if theirs is not None:
            is_inherited = getattr(base, attribute) is function
            return theirs if is_inherited else requires or theirs
    return requires


def _check_requires(requires: object) -> None:
    if requires is not None and not (isinstance(requires, str) and requires):
        raise TypeError(f"requires is a text, not {requires!r}")


def _method_spec(
    spec: ServiceSpec, attribute: str, function: Any, local_names: dict[str, Any]
) -> MethodSpec:
    where = f"{spec.cls.__name__}.{attribute}"
    options: MethodOptions = getattr(function, _OPTIONS, None) or _DEFAULT
    try:
        signature = inspect.signature(function)
    except ValueError as error:
        raise TypeError(f"{where}: {error}") from None
    parameters = list(signature.parameters.values())
    if not parameters:
        raise TypeError(f"{where}: a service method takes self")
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise TypeError(f"{where}: {parameter} cannot travel; only plain parameters can")
    if is_deferred(function):
        raise TypeError(f"{where}: a service method is a plain function")
    try:
        hints = get_type_hints(function, None, local_names, include_extras=True)
        parameter_types = tuple(hints.get(parameter.name, Any) for parameter in parameters[1:])
        return_type: Any = hints.get("return", Any)
        for type in (*parameter_types, return_type):
            check_type(type)
    except (TypeError, ValueError, NameError, NotImplementedError) as error:
        raise TypeError(f"{where}: {error}") from None
    return MethodSpec(
        name=attribute,
        action=f"{spec.name}.{options.name or attribute}",
        signature=signature.replace(parameters=parameters[1:]),
        parameter_types=parameter_types,
        return_type=return_type,
        options=options,
        errors=ErrorTable(options.raises),
        doc=inspect.getdoc(function) or "",
    )
