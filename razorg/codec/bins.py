"""Big ``bytes`` by hand: the packages copy them twice on the way out, and search them when read."""

from __future__ import annotations

from struct import Struct

from razorg.wire.heads import BigMsg, Buffer

#: From this size on.
BIG_BYTES = 16 * 1024

_HEAD_16, _HEAD_32 = Struct(">BH"), Struct(">BI")
_BIN_16, _BIN_32 = 0xC5, 0xC6


def bin_msg(value: bytes) -> BigMsg | None:
    """The message that is this value; None where it is not worth it, or too long for msgpack."""
    size = len(value)
    if not BIG_BYTES <= size < 1 << 32:
        return None
    head = _HEAD_16.pack(_BIN_16, size) if size < 1 << 16 else _HEAD_32.pack(_BIN_32, size)
    return BigMsg(head, value)


def bin_value(data: Buffer) -> bytes | None:
    """The value of a message that is one big bin and nothing else, copied once; else None."""
    if len(data) < BIG_BYTES or data[0] not in (_BIN_16, _BIN_32):
        return None
    head = _HEAD_16 if data[0] == _BIN_16 else _HEAD_32
    if head.unpack_from(data)[1] != len(data) - head.size:
        return None
    return bytes(memoryview(data)[head.size :])
