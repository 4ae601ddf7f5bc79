"""The layouts of the two frame heads, and the numbers in them.

All integers are little-endian.  PROTOCOL.md draws both heads field by field.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, Union

MAGIC: Final = 0x4D25
VERSION: Final = 1

#: magic, version, format, action, seq, client_id, msg_len, blob_len
REQUEST_HEAD: Final = Struct("<HBBIQQII")
#: magic, version, flag, msg_len, seq, blob_len
RESPONSE_HEAD: Final = Struct("<HBBIQi")

#: An action with this bit is a string of the length in the other 31 bits.
STRING_ACTION: Final = 1 << 31
ACTION_MAX: Final = 2**31 - 1
#: The reference reads a blob's length as an i32.
BLOB_BYTES_MAX: Final = 2**31 - 1

#: Where the flag of a response is.
FLAG_AT: Final = 3
FLAG_OK: Final = 0
FLAG_NUMBER: Final = 1
FLAG_ERROR: Final = 2

PING: Final = 0

Buffer = Union[bytes, bytearray, memoryview]


class BigMsg:
    """A message of which the big part is not copied: a few bytes, and what comes after them."""

    __slots__ = ("rest", "start")

    def __init__(self, start: bytes, rest: bytes) -> None:
        self.start = start
        self.rest = rest

    def __len__(self) -> int:
        return len(self.start) + len(self.rest)


Msg = Union[bytes, BigMsg]
#: What one frame is when it is ready to be written: one piece, or pieces too big to join.
Frame = Union[bytes, tuple[Buffer, ...]]
#: seq, action, client_id, msg, blob (None when the frame has none)
RequestFields = tuple[int, Union[int, str], int, Buffer, Union[Buffer, None]]
#: seq, flag, msg (the number itself with FLAG_NUMBER), blob or error bytes (None for none)
ResponseFields = tuple[int, int, Union[Buffer, int], Union[Buffer, None]]
