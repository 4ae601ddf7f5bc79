"""Recorded calls in a file: a header, then one msgpack value for each call, in the order of ends.

Each is ``[at, action, msg, blob, flag, answer, answer's blob]``: seconds since the start, and bytes
as they travelled; ``answer`` is a number where the flag says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgpack

from razorg.config import Limits
from razorg.errors import LocalProtocolError
from razorg.wire.encoder import encode_action
from razorg.wire.heads import FLAG_ERROR, FLAG_NUMBER, FLAG_OK

FORMAT = "razorg recording 1"
_PIECE_BYTES = 1 << 20


class Recorded(NamedTuple):
    """One call, and what came of it."""

    at: float
    action: int | str
    msg: bytes
    blob: bytes | None
    flag: int
    answer: bytes | int
    answer_blob: bytes | None

    def outcome(self) -> tuple[int, Any, Any]:
        """What two runs of it must have in common."""
        return self.flag, self.answer, self.answer_blob

    def told(self) -> str:
        """The outcome in a few words."""
        if self.flag == FLAG_NUMBER:
            return f"error {self.answer!r}"
        if self.flag == FLAG_ERROR:
            return f"error {bytes(self.answer_blob or b'')[:60]!r}"
        if self.flag == FLAG_OK:
            return f"ok, {len(self.answer)} bytes"  # type: ignore[arg-type]
        return str(self.answer)


def write_header(file: BinaryIO, target: str) -> None:
    """At the start of a recording."""
    file.write(_packed([FORMAT, target]))


def write(file: BinaryIO, call: Recorded) -> None:
    """One call more."""
    file.write(_packed(list(call)))


def _packed(value: Any) -> bytes:
    packed: Any = msgpack.packb(value)
    return bytes(packed)


class Damaged(ValueError):
    """Not what ``record`` writes; the text says where."""


class CutOff(ValueError):
    """The last call is not whole, as after a crash; the text says where it begins."""


def read(path: Path) -> Iterator[Recorded]:
    """The calls of a recording, as they are read; at the end, or in their place, one of the above.

    ValueError when it is no recording at all.
    """
    values = _values(path)
    try:
        _, header = next(values, (0, None))
    except ValueError:
        header = None
    if not isinstance(header, list) or header[:1] != [FORMAT]:
        raise ValueError(f"{path} is no recording of razorg")
    for number, (at, fields) in enumerate(values, 1):
        wrong = _wrong(fields)
        if wrong:
            raise Damaged(f"{path} is damaged at byte {at:,}, call {number:,}: {wrong}")
        yield Recorded(*fields)


def _values(path: Path) -> Iterator[tuple[int, Any]]:
    """What it consists of, and at which byte each begins."""
    unpacker = msgpack.Unpacker(max_buffer_size=2**31 - 1)
    size = number = at = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            size += len(piece)
            unpacker.feed(piece)
            while True:
                try:
                    value = unpacker.unpack()
                except msgpack.OutOfData:
                    break
                except (ValueError, TypeError, OverflowError) as error:
                    what = str(error) or type(error).__name__
                    raise Damaged(
                        f"{path} is damaged at byte {at:,}, call {number:,}: {what}"
                    ) from None
                yield at, value
                at = unpacker.tell()  # not where it has stopped in the middle of a call
                number += 1
    if at < size:
        raise CutOff(f"{path} is cut off in call {number:,}, which begins at byte {at:,}")


def _wrong(fields: Any) -> str:
    """What makes it no call, or nothing."""
    if not isinstance(fields, list) or len(fields) != len(Recorded._fields):
        return f"no list of {len(Recorded._fields)} fields"
    call = Recorded(*fields)
    if not isinstance(call.at, (int, float)) or not 0 <= call.at < inf:
        return f"the time is {call.at!r}"
    try:
        encode_action(call.action, Limits())
    except LocalProtocolError as error:
        return str(error)
    kinds: dict[str, tuple[type, ...]] = {
        "msg": (bytes,), "blob": (bytes, type(None)), "answer_blob": (bytes, type(None)),
        "answer": (int,) if call.flag == FLAG_NUMBER else (bytes,),
    }  # fmt: skip
    if call.flag not in (FLAG_OK, FLAG_NUMBER, FLAG_ERROR):
        return f"the flag is {call.flag!r}"
    for name, allowed in kinds.items():
        if not isinstance(getattr(call, name), allowed):
            return f"{name} is a {type(getattr(call, name)).__name__}"
    return ""
