"""Plain decoded values into annotated types.

msgspec does the work.  Where it is stricter than the reference (a struct sent as an array, an
Option left out, bin for str and str for bin), the value is brought into the shape that msgspec
wants and tried again, so that leniency costs nothing on the way that is taken nearly always.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec
from msgspec import inspect

from razorg.codec.base import Decoder
from razorg.errors import DecodeError
from razorg.wire.heads import Buffer

#: Types that msgspec passes through; without bytes in it, a str would be base64-decoded.
BUILTIN_TYPES = (bytes, bytearray, memoryview)

#: Values of these types are checked by their class alone.
_SCALARS = frozenset({int, str, float, bool, bytes, type(None)})

_FIELD_TYPES = (
    inspect.StructType,
    inspect.DataclassType,
    inspect.TypedDictType,
    inspect.NamedTupleType,
)
_LIST_TYPES = (
    inspect.ListType,
    inspect.SetType,
    inspect.FrozenSetType,
    inspect.VarTupleType,
    inspect.CollectionType,
)
_ARRAY_TYPES = (*_LIST_TYPES, inspect.TupleType, *_FIELD_TYPES)
_TEXT_TYPES = (
    inspect.StrType,
    inspect.EnumType,
    inspect.LiteralType,
    inspect.DateTimeType,
    inspect.DateType,
    inspect.TimeType,
    inspect.TimeDeltaType,
    inspect.UUIDType,
    inspect.DecimalType,
)
_BYTES_TYPES = (inspect.BytesType, inspect.ByteArrayType, inspect.MemoryViewType)
_MAP_TYPES = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType, inspect.DictType)

#: How msgspec begins where the value, or a key of it, comes next …
_BEFORE_VALUE = ("Invalid enum value", "Invalid value", "Object contains unknown field")
#: … and how it ends: with the names of our own types.
_PLACE = re.compile(r" - at (`key` in )?`\$[\w.\[\]]*`$")
#: A longer reason is cut: it may be what a class of the user's says of the value.
_REASON_MAX_CHARS = 300


def is_untyped(type: Any) -> bool:
    """Whether any value fits the type."""
    return type is Any or type is object


def check_type(type: Any) -> None:
    """TypeError, with the reason, for an annotation that values cannot be converted to."""
    if not is_untyped(type):
        info = inspect.type_info(type)
        if isinstance(info, inspect.CustomType):
            raise TypeError(f"{type!r} is no type that travels; use a dataclass or builtins")
        for part in _parts(info):
            hashed = _hashed_part(part)
            if hashed is not None and any(isinstance(one, _ARRAY_TYPES) for one in _parts(hashed)):
                # Their hashes can be foreseen: a peer would send thousands that are alike.
                raise TypeError(f"{type!r}: arrays cannot be keys or members of sets; use a list")


def holds_untyped(type: Any) -> bool:
    """Whether any value fits some part of the type."""
    untyped = (inspect.AnyType, inspect.CustomType)  # the latter is ``object``
    return any(isinstance(part, untyped) for part in _parts(inspect.type_info(type)))


def _hashed_part(info: inspect.Type) -> inspect.Type | None:
    if isinstance(info, inspect.DictType):
        return info.key_type
    return info.item_type if isinstance(info, (inspect.SetType, inspect.FrozenSetType)) else None


def _parts(info: inspect.Type) -> Iterator[inspect.Type]:
    """The type, and all that it is made of, each once."""
    found: dict[int, Any] = {}
    left: list[Any] = [info]
    while left:
        part = left.pop()
        if isinstance(part, tuple):
            left += part
        elif isinstance(part, inspect.Field):
            left.append(part.type)
        elif isinstance(part, inspect.Type) and id(part) not in found:
            found[id(part)] = part
            yield part
            left += [getattr(part, name) for name in part.__struct_fields__]


def decoder_with(unpack: Decoder, target: Any) -> Decoder:
    """A function from bytes to a type, by way of the plain value; it raises DecodeError."""
    if is_untyped(target):
        return unpack
    if target is None:
        target = type(None)
    if target in _SCALARS:

        def decode_scalar(data: Buffer) -> Any:
            value = unpack(data)
            return value if type(value) is target else convert(value, target)

        return decode_scalar
    if get_origin(target) is tuple and _SCALARS.issuperset(get_args(target)):
        return _scalars_decoder(unpack, target)
    return lambda data: convert(unpack(data), target)


def _scalars_decoder(unpack: Decoder, target: Any) -> Decoder:
    """For arguments that are all plain: values of just these classes fit as they are."""
    classes = list(get_args(target))

    def decode_scalars(data: Buffer) -> Any:
        value = unpack(data)
        if type(value) is list and [type(part) for part in value] == classes:
            return tuple(value)
        return convert(value, target)

    return decode_scalars


def convert(value: Any, type: Any) -> Any:
    """``value`` as ``type``; DecodeError with the path (``$.a[0]``) of what does not fit."""
    try:
        return msgspec.convert(value, type, builtin_types=BUILTIN_TYPES)
    except (msgspec.ValidationError, TypeError, ValueError):  # TypeError: [[1]] for a set
        pass  # the shape may only differ as the reference allows
    except RecursionError:
        raise DecodeError("nested too deeply") from None
    try:
        reshaped = _reshape(value, inspect.type_info(type))
        return msgspec.convert(reshaped, type, builtin_types=BUILTIN_TYPES)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise DecodeError(_without_value(str(error))) from None
    except RecursionError:
        raise DecodeError("nested too deeply") from None


def _without_value(text: str) -> str:
    """What msgspec says does not fit, without the value: that may be a secret, and megabytes."""
    for start in _BEFORE_VALUE:
        if text.startswith(start):
            place = _PLACE.search(text[-_REASON_MAX_CHARS:])
            text = start + (place[0] if place else "")
    return text if len(text) <= _REASON_MAX_CHARS else text[:_REASON_MAX_CHARS] + "…"


def _reshape(value: Any, info: inspect.Type) -> Any:
    """``value`` in the shape that msgspec takes for the type, where Rust would take it as it is."""
    if isinstance(value, (bytes, bytearray)):
        return _as_text(value) if _has_member(info, _TEXT_TYPES) else value
    if isinstance(value, str):
        return value.encode() if _has_member(info, _BYTES_TYPES) else value
    if isinstance(info, inspect.UnionType):
        return _reshape_union(value, info)
    if isinstance(info, _FIELD_TYPES):
        return _reshape_fields(value, info)
    if isinstance(info, inspect.DictType) and isinstance(value, dict):
        return {
            _reshape(key, info.key_type): _reshape(part, info.value_type)
            for key, part in value.items()
        }
    if isinstance(info, _LIST_TYPES) and isinstance(value, list):
        return [_reshape(part, info.item_type) for part in value]
    if isinstance(info, inspect.TupleType) and isinstance(value, list):
        if len(value) == len(info.item_types):
            return [_reshape(part, item) for part, item in zip(value, info.item_types)]
    return value


def _reshape_fields(value: Any, info: Any) -> Any:
    fields = info.fields
    if isinstance(info, inspect.NamedTupleType):
        if isinstance(value, dict):
            present = [field.encode_name in value for field in fields]
            if present != sorted(present, reverse=True):
                return value  # a gap: what comes after it must not move up
            value = [value[field.encode_name] for field in fields[: sum(present)]]
        if not isinstance(value, list):
            return value
        return [_reshape(part, field.type) for part, field in zip(value, fields)] + value[
            len(fields) :
        ]
    if isinstance(info, inspect.StructType) and info.array_like:
        if isinstance(value, list):
            return [_reshape(part, field.type) for part, field in zip(value, fields)]
        return value
    if isinstance(value, list):
        if len(value) > len(fields):
            return value
        value = {field.encode_name: part for field, part in zip(fields, value)}
    if not isinstance(value, dict):
        return value
    shaped = {
        _as_text(name) if isinstance(name, bytes) else name: part for name, part in value.items()
    }
    for field in fields:
        if field.encode_name in shaped:
            shaped[field.encode_name] = _reshape(shaped[field.encode_name], field.type)
        elif field.required and _has_member(field.type, (inspect.NoneType,)):
            shaped[field.encode_name] = None
    return shaped


def _reshape_union(value: Any, info: inspect.UnionType) -> Any:
    """A union has at most one member of each shape, so the shape of the value picks it."""
    if isinstance(value, dict):
        shapes: tuple[type, ...] = _MAP_TYPES
    elif isinstance(value, list):
        shapes = (*_LIST_TYPES, inspect.TupleType, inspect.NamedTupleType)
    else:
        return value
    members = [member for member in info.types if isinstance(member, shapes)]
    if not members and isinstance(value, list):
        members = [member for member in info.types if isinstance(member, _FIELD_TYPES)]
    return _reshape(value, members[0]) if len(members) == 1 else value


def _has_member(info: inspect.Type, kinds: tuple[type, ...]) -> bool:
    """Whether the type, or a member of the union that it is, is of one of the kinds."""
    if isinstance(info, inspect.UnionType):
        return any(_has_member(member, kinds) for member in info.types)
    return isinstance(info, kinds)


def _as_text(value: bytes | bytearray) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
