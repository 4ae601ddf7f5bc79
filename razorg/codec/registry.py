"""Codecs by name."""

from __future__ import annotations

from razorg.codec.base import Codec
from razorg.codec.msgpack import MsgpackCodec
from razorg.codec.msgspec import MsgspecCodec

_CODECS: dict[str, type[Codec]] = {"msgpack": MsgpackCodec, "msgspec": MsgspecCodec}


def resolve_codec(codec: str | Codec) -> Codec:
    """The codec of a name, or the codec itself; ValueError or TypeError for anything else."""
    if isinstance(codec, Codec):
        return codec
    if not isinstance(codec, str):
        raise TypeError(f"codec must be a name or a razorg.Codec, not {codec!r}")
    if codec not in _CODECS:
        raise ValueError(f"no codec {codec!r}; there are: {', '.join(_CODECS)}")
    return _CODECS[codec]()
