"""Raw messages: None is no message at all, NIL is a message that is nil."""

from __future__ import annotations

import enum
from typing import Any, Final

from razorg.codec.base import Codec


class _Nil(enum.Enum):
    NIL = "NIL"

    def __repr__(self) -> str:
        return "razorg.NIL"


#: A message that is nil, where None stands for no message.
NIL: Final = _Nil.NIL


def encode_msg(codec: Codec, msg: Any) -> bytes:
    """The bytes of a raw message: none for None, nil for NIL.  EncodeError."""
    if msg is None:
        return b""
    return codec.encode(None if msg is NIL else msg)
