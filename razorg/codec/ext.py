"""Timestamps of msgpack: the one ext type that the packages read and write on their own.

The protocol has no ext types, so bytes that may hold one are read more carefully: before a map or
an array is made of values, none of these may be a timestamp.  As a key its hash could be foreseen.
For nearly all messages the question costs one search for a byte.
"""

from __future__ import annotations

import re
from typing import Any

import msgpack

from razorg.wire.heads import Buffer

#: Where the head of one could end: 4, 8 or 12 bytes of type -1, in any of their spellings.
_head_ends = re.compile(rb"\xff(?<=[\xd6\xd7\x04\x08\x0c]\xff)").search


def may_hold_timestamp(data: Buffer) -> bool:
    """Whether the end of a timestamp's head is among these bytes; it may mean something else."""
    if data.__class__ is bytes and 0xFF not in data:  # a fifth of the time
        return False
    return _head_ends(data) is not None


def refuse_timestamp(value: Any) -> Any:
    """The value; ValueError when it is a timestamp."""
    if value.__class__ is msgpack.Timestamp:
        raise ValueError("a timestamp (ext type -1) is no part of the protocol")
    return value


def plain_list(values: list[Any]) -> list[Any]:
    """As msgpack's ``list_hook``; ValueError when a timestamp is among them."""
    for value in values:
        refuse_timestamp(value)
    return values


def plain_map(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """As msgpack's ``object_pairs_hook``; ValueError when a timestamp is among them."""
    for key, value in pairs:
        refuse_timestamp(key)
        refuse_timestamp(value)
    return dict(pairs)
