"""Timestamps of msgpack: the one ext type that the packages read and write on their own.

The protocol has no ext types, so bytes that may hold one are looked at more closely.  For nearly
all messages the question costs one search for a byte.
"""

from __future__ import annotations

import datetime
from typing import Any

import msgpack

from razorg.errors import DecodeError
from razorg.wire.heads import Buffer

_MARKS = (b"\xd6\xff", b"\xd7\xff", b"\xc7\x0c\xff")


def may_hold_timestamp(data: Buffer) -> bool:
    """Whether the bytes of a timestamp's head are among these; they may mean something else."""
    if isinstance(data, memoryview):
        data = bytes(data)
    # A search for the number costs a fifth of one for the byte.
    return 0xFF in data and any(mark in data for mark in _MARKS)


def refuse_timestamps(value: Any) -> None:
    """DecodeError when a decoded value holds a timestamp."""
    if isinstance(value, (msgpack.Timestamp, datetime.datetime)):
        raise DecodeError("not msgpack: a timestamp (ext type -1) is no part of the protocol")
    if isinstance(value, dict):
        for key, part in value.items():
            refuse_timestamps(key)
            refuse_timestamps(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            refuse_timestamps(part)
