"""Replies to raw actions, and how their errors are read."""

from __future__ import annotations

import os
from typing import Any

from razorg.codec.base import Codec
from razorg.declared import ErrorText
from razorg.errors import WIRE_ERRORS, DecodeError
from razorg.wire.heads import FLAG_NUMBER, Buffer


class Reply:
    """What came back for a raw action: a message and a blob, each possibly None."""

    __slots__ = ("_codec", "_msg", "_raw", "blob")

    def __init__(self, raw: Buffer, blob: Buffer | None, codec: Codec) -> None:
        self._raw = raw
        self._codec = codec
        self._msg: Any = _UNREAD
        self.blob = blob

    @property
    def msg(self) -> Any:
        """The message, decoded at the first look; None when there is none.  DecodeError."""
        if self._msg is _UNREAD:
            self._msg = self.decode()
        return self._msg

    def decode(self, type: Any = Any) -> Any:
        """The message as ``type``; None when there is none.  DecodeError."""
        if not self._raw:
            return None
        try:
            return self._codec.decode(self._raw, type)
        except DecodeError as error:
            error.sent = "yes"
            raise

    def __repr__(self) -> str:
        blob = f", blob of {len(self.blob)} bytes" if self.blob is not None else ""
        return f"<Reply, msg of {len(self._raw)} bytes{blob}>"


_UNREAD = object()


def framework_error(payload: Buffer) -> Exception | None:
    """The error of the framework that these error bytes stand for, if they do."""
    kind = WIRE_ERRORS.get(bytes(payload))
    if kind is None:
        return None
    hint = "the server's log says what did not fit" if kind is DecodeError else ""
    return kind("answered by the peer" + (f"; {hint}" if hint else ""), sent="yes")


def decode_raw_error(flag: int, payload: int | Buffer) -> Exception:
    """The exception for an error of which nothing was declared: OSError, or ErrorText."""
    if flag == FLAG_NUMBER:
        assert isinstance(payload, int)
        return OSError(payload, _strerror(payload))
    assert not isinstance(payload, int)
    error = framework_error(payload)
    if error is not None:
        return error
    try:
        return ErrorText(bytes(payload).decode())
    except UnicodeDecodeError:
        return undeclared(bytes(payload))


def undeclared(raw: int | bytes) -> DecodeError:
    """The error for a number or bytes that no declared error stands for."""
    what = f"error number {raw}" if isinstance(raw, int) else f"error bytes {raw[:80]!r}"
    error = DecodeError(f"{what}, which the method does not declare", sent="yes")
    error.raw = raw
    return error


def _strerror(number: int) -> str:
    try:
        return os.strerror(number)
    except (OverflowError, ValueError):
        return f"error number {number}"
