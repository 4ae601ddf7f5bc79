"""Frames from their parts.

A frame comes out as one ``bytes``, or, when its message or blob is big, as a tuple of pieces to
be written one after the other, so that big buffers are never copied.
"""

from __future__ import annotations

from razorg.config import Limits
from razorg.errors import EncodeError, LocalProtocolError
from razorg.wire.heads import (
    ACTION_MAX,
    BLOB_BYTES_MAX,
    FLAG_ERROR,
    FLAG_NUMBER,
    FLAG_OK,
    MAGIC,
    REQUEST_HEAD,
    RESPONSE_HEAD,
    STRING_ACTION,
    VERSION,
    Buffer,
    Frame,
    Msg,
)

#: Pieces up to this size are joined into one buffer: copying them is cheaper than another entry
#: in the list of a gathering write.
JOIN_MAX_BYTES = 16 * 1024

_pack_request = REQUEST_HEAD.pack
_pack_response = RESPONSE_HEAD.pack


def encode_action(action: int | str, limits: Limits) -> tuple[int, bytes]:
    """The action's field of the head, and the bytes that follow the head.

    Raises LocalProtocolError for what cannot be an action.
    """
    if isinstance(action, str):
        try:
            name = action.encode()
        except UnicodeEncodeError as error:
            raise LocalProtocolError(f"action {action!r} is not UTF-8: {error}") from None
        if len(name) > limits.max_action_bytes:
            raise LocalProtocolError(
                f"an action of {len(name)} bytes is over max_action_bytes "
                f"({limits.max_action_bytes})"
            )
        return STRING_ACTION | len(name), name
    if isinstance(action, bool) or not isinstance(action, int):
        raise LocalProtocolError(f"an action is an int or a str, not {action!r}")
    if not 0 <= action <= ACTION_MAX:
        raise LocalProtocolError(f"a numeric action is in 0 … {ACTION_MAX}, not {action}")
    return action, b""


def request_frame(
    action: tuple[int, bytes], seq: int, client_id: int, msg: Msg, blob: Buffer | None
) -> Frame:
    """A request; ``action`` is what `encode_action` gave.  The sizes have been checked."""
    field, name = action
    if blob is None:
        head = _pack_request(MAGIC, VERSION, 0, field, seq, client_id, len(msg), 0)
        if type(msg) is bytes and len(msg) <= JOIN_MAX_BYTES:
            return head + name + msg
        return _pieces(head + name, msg, b"")
    blob_bytes = len(blob)
    head = _pack_request(MAGIC, VERSION, 0, field, seq, client_id, len(msg), blob_bytes)
    return _pieces(head + name, msg, blob)


def response_frame(seq: int, msg: Msg, blob: Buffer | None = None) -> Frame:
    """A response of success.  The sizes have been checked."""
    if blob is None:
        head = _pack_response(MAGIC, VERSION, FLAG_OK, len(msg), seq, 0)
        if type(msg) is bytes and len(msg) <= JOIN_MAX_BYTES:
            return head + msg
        return _pieces(head, msg, b"")
    return _pieces(_pack_response(MAGIC, VERSION, FLAG_OK, len(msg), seq, len(blob)), msg, blob)


def number_frame(seq: int, number: int) -> bytes:
    """A response with an error number, 0 to 2**32 - 1."""
    return _pack_response(MAGIC, VERSION, FLAG_NUMBER, number, seq, 0)


def error_frame(seq: int, error: bytes) -> Frame:
    """A response with error bytes."""
    head = _pack_response(MAGIC, VERSION, FLAG_ERROR, 0, seq, len(error))
    return head + error if len(error) <= JOIN_MAX_BYTES else (head, error)


def response_seq(frame: Frame) -> int:
    """The request that a response frame answers."""
    head = frame[0] if isinstance(frame, tuple) else frame
    seq: int = RESPONSE_HEAD.unpack_from(head)[4]
    return seq


def _pieces(head: bytes, msg: Msg, blob: Buffer) -> Frame:
    """What is small goes with what stands before it, the rest as it is."""
    parts = (msg, blob) if isinstance(msg, bytes) else (msg.start, msg.rest, blob)
    pieces: list[Buffer] = [head]
    for part in parts:
        if len(pieces[-1]) + len(part) <= JOIN_MAX_BYTES:
            pieces[-1] = b"".join((pieces[-1], part))
        elif len(part):
            pieces.append(part)
    return pieces[0] if len(pieces) == 1 else tuple(pieces)  # type: ignore[return-value]


def check_sizes(msg: Msg, blob: Buffer | None, limits: Limits) -> None:
    """Raise EncodeError when a message or blob is over the limits of this side."""
    if len(msg) > limits.max_msg_bytes:
        raise EncodeError(
            f"a message of {len(msg)} bytes is over max_msg_bytes ({limits.max_msg_bytes})",
            sent="no",
        )
    if blob is not None and len(blob) > min(limits.max_blob_bytes, BLOB_BYTES_MAX):
        raise EncodeError(
            f"a blob of {len(blob)} bytes is over max_blob_bytes ({limits.max_blob_bytes})",
            sent="no",
        )


def as_blob(blob: object) -> Buffer | None:
    """``blob`` as a flat buffer of bytes, not copied; None for None and for an empty one.

    Raises EncodeError for what is no buffer, or not a contiguous one.
    """
    if blob is None:
        return None
    if not isinstance(blob, bytes):  # a view also keeps a bytearray from being resized meanwhile
        try:
            blob = memoryview(blob).cast("B")  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise EncodeError(
                f"a blob is bytes, bytearray or a contiguous memoryview: {error}", sent="no"
            ) from None
    return blob if len(blob) else None
