"""Messages that are read more carefully: a hook looks at each array and map before it is made.

- Those that may hold a timestamp, the one ext type that the packages read and write on their own.
  The protocol has none; and as the key of a map its hash could be foreseen.
- Those that may hold very many arrays and maps: each of them takes a byte or two of the message,
  and some hundred of memory.

For nearly all messages the questions cost one search for a byte, and a look at the length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain
from typing import Any

import msgpack

from razorg.wire.heads import Buffer

#: So many arrays and maps may be in a message.
CONTAINERS_MAX = 1_000_000

#: Where the head of a timestamp could end: 4, 8 or 12 bytes of type -1, in any of their spellings.
_timestamp_head = re.compile(rb"\xff(?<=[\xd6\xd7\x04\x08\x0c]\xff)").search
#: … as msgspec writes it.
_written_timestamp_head = re.compile(rb"\xff(?:(?<=[\xd6\xd7]\xff)|(?<=\xc7\x0c\xff))").search
#: The bytes that arrays and maps begin with.
_HEADS = bytes([*range(0x80, 0xA0), *range(0xDC, 0xE0)])


def may_hold_timestamp(data: Buffer) -> bool:
    """Whether the end of a timestamp's head is among these bytes; it may mean something else."""
    if data.__class__ is bytes and 0xFF not in data:  # a fifth of the time
        return False
    return _timestamp_head(data) is not None


def may_have_written_timestamp(data: bytes) -> bool:
    """As ``may_hold_timestamp``, of what msgspec has encoded."""
    return 0xFF in data and _written_timestamp_head(data) is not None


def may_hold_too_many(data: Buffer) -> bool:
    """Whether more bytes than that could be heads of arrays and maps."""
    if len(data) <= CONTAINERS_MAX:
        return False
    return len(data) - len(bytes(data).translate(None, _HEADS)) > CONTAINERS_MAX


def needs_care(data: Buffer) -> bool:
    """Whether ``careful_hooks`` have to look at the message."""
    return may_hold_timestamp(data) or may_hold_too_many(data)


def careful_hooks(data: Buffer) -> dict[str, Any]:
    """Hooks of ``msgpack.unpackb`` for one message.

    ValueError for a timestamp in an array or a map, StopIteration for too many of these.
    """
    count = iter(range(CONTAINERS_MAX)).__next__

    def counted(container: Any) -> Any:
        count()
        return container

    def plain_list(values: list[Any]) -> list[Any]:
        count()
        if values:
            refuse_timestamps(values)
        return values

    def plain_map(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        count()
        if pairs:
            refuse_timestamps(chain.from_iterable(pairs))
        return dict(pairs)

    if may_hold_timestamp(data):
        return {"list_hook": plain_list, "object_pairs_hook": plain_map}
    return {"list_hook": counted, "object_hook": counted}


def refuse_timestamps(values: Iterable[Any]) -> None:
    """ValueError when one is among them."""
    if msgpack.Timestamp in map(type, values):
        raise ValueError("a timestamp (ext type -1) is no part of the protocol")
