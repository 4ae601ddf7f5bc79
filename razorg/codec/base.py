"""What a codec is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from razorg.wire.heads import Buffer, Msg

Decoder = Callable[[Buffer], Any]


class Codec:
    """Values to bytes and back.  Derive from it and pass an instance as ``codec=``.

    Any implementation can be run through the conformance suite in ``tests/conformance``.
    """

    name = "codec"

    def encode(self, value: Any) -> bytes:
        """The bytes of a value; EncodeError (``sent="no"``) with the path of what does not fit."""
        raise NotImplementedError

    def encode_bytes(self, value: bytes) -> Msg:
        """As ``encode``, for ``bytes`` and nothing else: big ones need not be copied."""
        return self.encode(value)

    def decode(self, data: Buffer, type: Any = Any) -> Any:
        """The value of the bytes; DecodeError when they are none, or it does not fit ``type``."""
        raise NotImplementedError

    def decoder(self, type: Any) -> Decoder:
        """``decode`` for one type, with what can be prepared done once."""
        return lambda data: self.decode(data, type)

    def __repr__(self) -> str:
        return f"<codec {self.name}>"
