"""Annotations as a server tells them: names, and what the named types are made of."""

from __future__ import annotations

import dataclasses
import enum
import re
import types
from collections.abc import Iterable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

_PLAIN = {
    None: "None", type(None): "None", Any: "Any", int: "int", float: "float", str: "str",
    bytes: "bytes", bytearray: "bytes", memoryview: "bytes", bool: "bool", list: "list",
    dict: "dict", tuple: "tuple", set: "set", frozenset: "frozenset",
}  # fmt: skip


_WORDS = {*_PLAIN.values(), "Optional", "Union", "Literal"}


class TypeNames:
    """What the types of a server are called: each by a name that no other one has."""

    def __init__(self) -> None:
        self._names: dict[type, str] = {}
        self._taken = set(_WORDS)

    def of_class(self, cls: Any) -> str:
        """Its own name; with a number where that is a word of the notation, or taken."""
        name = self._names.get(cls)
        if name is None:
            name = own = re.sub(r"\W", "_", cls.__name__)
            number = 2
            while name in self._taken:
                name = f"{own}{number}"
                number += 1
            self._taken.add(name)
            self._names[cls] = name
        return name

    def of(self, annotation: Any) -> str:
        """As in Python's own notation, without modules: ``dict[str, Optional[Row]]``."""
        try:
            if annotation in _PLAIN:
                return _PLAIN[annotation]
        except TypeError:
            pass  # not hashable
        origin, args = get_origin(annotation), get_args(annotation)
        if hasattr(annotation, "__metadata__"):  # Annotated
            return self.of(args[0])
        if origin is Literal:
            return f"Literal[{', '.join(map(repr, args))}]"
        if origin is Union or origin is types.UnionType:
            left = [self.of(arg) for arg in args if arg is not type(None)]
            inner = left[0] if len(left) == 1 else f"Union[{', '.join(left)}]"
            return f"Optional[{inner}]" if len(left) < len(args) else inner
        if origin is not None:
            inside = ", ".join("..." if arg is ... else self.of(arg) for arg in args)
            name = self.of(origin)
            return f"{name}[{inside}]" if inside else name
        if isinstance(annotation, type):
            return self.of_class(annotation)
        return getattr(annotation, "__name__", str(annotation))

    def named(self, annotations: Iterable[Any]) -> dict[str, Any]:
        """Records and enums that the annotations name, however deep, by their names."""
        found: dict[str, Any] = {}
        for annotation in annotations:
            self._look(annotation, found)
        return found

    def _look(self, annotation: Any, found: dict[str, Any]) -> None:
        for arg in get_args(annotation):
            self._look(arg, found)
        if not isinstance(annotation, type):
            return
        name = self.of_class(annotation)
        if name in found:
            return
        if issubclass(annotation, enum.Enum):
            values = {member.name: member.value for member in annotation}
            found[name] = {"kind": "enum", "values": values}
        elif (fields := _fields(annotation)) is not None:
            told: dict[str, Any] = {"kind": "record", "fields": [], **_form(annotation)}
            found[name] = told
            hints = get_type_hints(annotation)
            for field, (wire_name, is_required) in fields.items():
                type_ = self.of(hints[field])
                told["fields"].append({"name": wire_name, "type": type_, "required": is_required})
                self._look(hints[field], found)


def _fields(cls: type) -> dict[str, tuple[str, bool]] | None:
    """The fields of a record: each one's name on the wire, and whether it must be there.

    None when it is no record.
    """
    if dataclasses.is_dataclass(cls):
        missing = dataclasses.MISSING
        return {
            item.name: (item.name, item.default is missing and item.default_factory is missing)
            for item in dataclasses.fields(cls)
        }
    if issubclass(cls, msgspec.Struct):
        return {
            item.name: (item.encode_name, item.required) for item in msgspec.structs.fields(cls)
        }
    if is_typeddict(cls):
        required: frozenset[str] = cls.__required_keys__  # type: ignore[attr-defined]
        return {name: (name, name in required) for name in cls.__annotations__}
    return None


def _form(cls: type) -> dict[str, Any]:
    """How the record travels, where that is not as a map of its fields alone."""
    if not issubclass(cls, msgspec.Struct):
        return {}
    config = cls.__struct_config__
    told: dict[str, Any] = {"array": True} if config.array_like else {}
    if config.tag is not None:
        told["tag"] = {"name": config.tag_field, "value": config.tag}
    return told
