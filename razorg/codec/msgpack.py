"""The codec of the package msgpack: the default."""

from __future__ import annotations

from typing import Any

import msgpack
import msgspec

from razorg.codec.base import Codec, Decoder
from razorg.codec.bins import bin_msg, bin_value
from razorg.codec.careful import CONTAINERS_MAX, careful_hooks, needs_care, refuse_timestamps
from razorg.codec.path import ENCODE_FAILURES, encode_error
from razorg.codec.typed import BUILTIN_TYPES, decoder_with
from razorg.errors import DecodeError
from razorg.wire.heads import Buffer, Msg

#: A packer keeps its buffer; one that had to grow beyond this is replaced.
_KEEP_BYTES = 1024 * 1024

_DECODE_FAILURES = (
    ValueError,  # what msgpack raises for bytes that are no msgpack, and for text that is no UTF-8
    OverflowError,
    RecursionError,
    msgpack.exceptions.UnpackException,
)


def _refuse_ext(code: int, data: bytes) -> Any:
    raise ValueError(f"ext type {code} ({len(data)} bytes) is no part of the protocol")


_unpackb = msgpack.unpackb


def unpack(data: Buffer) -> Any:
    """The plain value; DecodeError.  Arrays cannot be keys of maps: anybody could foresee the
    hashes of the tuples that they would be, and send thousands that are alike."""
    try:
        if (len(data) > CONTAINERS_MAX or 0xFF in data or data.__class__ is memoryview) and (
            needs_care(data)
        ):
            hooks = careful_hooks(data)
            value = _unpackb(data, strict_map_key=False, ext_hook=_refuse_ext, **hooks)
            refuse_timestamps((value,))
            return value
        return _unpackb(data, strict_map_key=False, ext_hook=_refuse_ext)
    except msgpack.ExtraData as error:
        raise DecodeError(f"{len(error.extra)} bytes after the value") from None
    except StopIteration:
        text = f"more than {CONTAINERS_MAX:,} arrays and maps in a message"
        raise DecodeError(f"not read: {text}; send it in parts, or as a blob") from None
    except TypeError:
        raise DecodeError("an array or a map cannot be the key of a map") from None
    except _DECODE_FAILURES as error:
        raise DecodeError(f"not msgpack: {str(error) or type(error).__name__}") from None


def _unpack_bytes(data: Buffer) -> Any:
    """As ``unpack``, where ``bytes`` are expected: often big ones."""
    big = bin_value(data)
    return unpack(data) if big is None else big


class MsgpackCodec(Codec):
    """msgpack by the package of that name."""

    name = "msgpack"

    def __init__(self) -> None:
        #: The packer, while nobody uses it.  A value may hold a subclass of ``list`` or ``dict``,
        #: whose own code runs in the middle of ``pack``, and lets other greenlets or threads in.
        idle = [msgpack.Packer()]
        self._take = idle.pop
        self._give_back = idle.append

    def encode(self, value: Any) -> bytes:
        try:
            packer = self._take()
        except IndexError:
            return MsgpackCodec().encode(value)
        try:
            data: bytes = packer.pack(value)
            if len(data) > _KEEP_BYTES:
                packer = msgpack.Packer()
        except ENCODE_FAILURES:
            data = self._encode_objects(value)
        finally:
            self._give_back(packer)
        return data

    def encode_bytes(self, value: bytes) -> Msg:
        return bin_msg(value) or self.encode(value)

    def _encode_objects(self, value: Any) -> bytes:
        """For values that hold dataclasses, Structs, enums, dates …, or cannot be encoded."""
        try:
            return _pack_objects(value)
        except ENCODE_FAILURES as error:
            raise encode_error(_pack_objects, value, error) from None

    def decode(self, data: Buffer, type: Any = Any) -> Any:
        return self.decoder(type)(data)

    def decoder(self, type: Any) -> Decoder:
        return decoder_with(_unpack_bytes if type is bytes else unpack, type)


def _pack_objects(value: Any) -> bytes:
    plain = msgspec.to_builtins(value, builtin_types=BUILTIN_TYPES)
    data: Any = msgpack.packb(plain)
    return bytes(data)
