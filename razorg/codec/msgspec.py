"""The codec of the package msgspec: one pass from bytes to annotated types."""

from __future__ import annotations

from typing import Any

import msgspec

from razorg.codec.base import Codec, Decoder
from razorg.codec.bins import bin_msg, bin_value
from razorg.codec.careful import may_have_written_timestamp, needs_care
from razorg.codec.msgpack import unpack
from razorg.codec.path import ENCODE_FAILURES, encode_error
from razorg.codec.typed import BUILTIN_TYPES, convert, holds_untyped, is_untyped
from razorg.wire.heads import Buffer, Msg

_DECODE_FAILURES = (msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError)


def _refuse_ext(code: int, data: memoryview) -> Any:
    raise ValueError(f"ext type {code} ({len(data)} bytes) is no part of the protocol")


class MsgspecCodec(Codec):
    """msgpack by the package msgspec; the same bytes on the wire."""

    name = "msgspec"

    def __init__(self) -> None:
        self._encode = msgspec.msgpack.Encoder().encode

    def encode(self, value: Any) -> bytes:
        try:
            data = self._encode(value)
            if may_have_written_timestamp(data):  # of a datetime with a zone: it travels as text
                data = self._encode(msgspec.to_builtins(value, builtin_types=BUILTIN_TYPES))
        except ENCODE_FAILURES as error:
            raise encode_error(self._encode, value, error) from None
        return data

    def encode_bytes(self, value: bytes) -> Msg:
        return bin_msg(value) or self.encode(value)

    def decode(self, data: Buffer, type: Any = Any) -> Any:
        return self.decoder(type)(data)

    def decoder(self, type: Any) -> Decoder:
        if is_untyped(type):
            return unpack
        if type is bytes:
            return self._decode_bytes
        if holds_untyped(type):  # what fits it may have keys that only ``unpack`` refuses
            return lambda data: convert(unpack(data), type)
        fast = msgspec.msgpack.Decoder(type, ext_hook=_refuse_ext).decode

        def decode(data: Buffer) -> Any:
            try:
                if not needs_care(data):
                    return fast(data)
            except _DECODE_FAILURES:
                pass  # it may only differ as the reference allows
            return convert(unpack(data), type)

        return decode

    def _decode_bytes(self, data: Buffer) -> Any:
        big = bin_value(data)
        return convert(unpack(data), bytes) if big is None else big
