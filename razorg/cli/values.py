"""Values as they are typed and shown: JSON, Python literals, text; bytes as what they may be."""

from __future__ import annotations

import ast
import base64
import json
import math
from typing import Any


def value_of(text: str) -> Any:
    """What an argument means: JSON, or a Python literal; anything else is itself, a text.

    RecursionError for JSON that is nested too deep.
    """
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return text


def text_of(text: str, may_be_none: bool) -> str | None:
    """What an argument means that is a text: 5 as well, and "5" without its quotes."""
    value = value_of(text)
    return value if isinstance(value, str) or (may_be_none and value is None) else text


def jsonable(value: Any) -> Any:
    """The value in JSON: bytes as text where they are, else as ``{"base64": …}``.

    Numbers that JSON has no word for are texts: NaN, Infinity, -Infinity.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(data).decode()}
    if isinstance(value, dict):
        return {
            key if isinstance(key, str) else json.dumps(jsonable(key)): jsonable(part)
            for key, part in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [jsonable(part) for part in value]
    return value


def to_json(value: Any, indent: int | None = None) -> str:
    """One line of JSON, or an indented text."""
    return json.dumps(jsonable(value), ensure_ascii=False, indent=indent, default=repr)
