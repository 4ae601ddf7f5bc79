"""Where in a value the part sits that cannot be encoded; only walked after a failure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from razorg.errors import EncodeError

#: What an encoder raises for a value that it cannot encode.
ENCODE_FAILURES = (TypeError, ValueError, OverflowError, RecursionError)

_DEPTH_MAX = 50


def encode_error(encode: Callable[[Any], bytes], value: Any, error: Exception) -> EncodeError:
    """The EncodeError for ``value``, on which ``encode`` failed with ``error``."""
    path, culprit, reason = _locate(encode, value, "$", error, _DEPTH_MAX)
    kind = type(culprit).__name__
    text = str(reason) or type(reason).__name__
    if isinstance(reason, RecursionError):
        text = "nested too deeply"
    return EncodeError(f"cannot encode {kind} at `{path}`: {text}", sent="no")


def _locate(
    encode: Callable[[Any], bytes], value: Any, path: str, error: Exception, depth: int
) -> tuple[str, Any, Exception]:
    if depth:
        for step, part in _parts(value):
            try:
                encode(part)
            except ENCODE_FAILURES as inner:
                return _locate(encode, part, path + step, inner, depth - 1)
    return path, value, error


def _parts(value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield ".(key)", key
            yield (f".{key}" if isinstance(key, str) else f"[{key!r:.40}]"), part
    elif isinstance(value, (list, tuple, set, frozenset)):
        for index, part in enumerate(value):
            yield f"[{index}]", part
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield f".{name}", getattr(value, name)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield f".{field.name}", getattr(value, field.name, None)
