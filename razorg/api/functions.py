"""Which functions of a class can be called over the wire."""

from __future__ import annotations

import functools
import inspect
import types
from typing import Any

#: What looks like a method, and has no one signature that could be told.
_UNSERVED = (functools.singledispatchmethod, functools.partialmethod)
#: What a service may have from builtin classes, and does not offer.
_OF_BUILTINS = (
    types.BuiltinFunctionType,
    types.ClassMethodDescriptorType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
)


def public_functions(cls: type) -> dict[str, Any]:
    """The functions that a class offers by their names; TypeError for what none can be."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        for name, value in base.__dict__.items():
            if name.startswith("_"):
                continue
            if isinstance(value, (staticmethod, classmethod)):
                raise TypeError(f"{cls.__name__}.{name}: a service method takes self")
            if is_method(value):
                found[name] = value
                continue
            found.pop(name, None)
            is_data = not callable(value) or isinstance(value, (type, *_OF_BUILTINS))
            if not is_data or isinstance(value, _UNSERVED):
                raise TypeError(
                    f"{cls.__name__}.{name}: a {type(value).__name__} cannot be called over the "
                    "wire; write a function, or begin the name with an underscore"
                )
    return found


def is_method(value: object) -> bool:
    """Whether it takes self: a function, also what lru_cache or a compiler makes of one."""
    if inspect.isfunction(value):
        return True
    binds = callable(value) and inspect.ismethoddescriptor(value)
    return binds and not isinstance(value, (functools.partial, *_OF_BUILTINS))


def is_deferred(function: Any) -> bool:
    """Whether calling it gives what has not run yet."""
    return (
        inspect.iscoroutinefunction(function)
        or inspect.isgeneratorfunction(function)
        or inspect.isasyncgenfunction(function)
    )
