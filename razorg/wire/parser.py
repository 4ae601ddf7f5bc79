"""Incremental parsers: bytes in, frames out, for either direction.

The promise: whatever bytes are fed, in whatever portions, what comes out is the frames they hold
and, where they stop being frames, one RemoteProtocolError in ``error``; the same whole or byte by
byte, in linear time, with never more memory than a small multiple of what really arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from razorg.config import Limits
from razorg.errors import RemoteProtocolError
from razorg.wire.body import FIRST_BYTES, PROVEN_MAX_BYTES, Body
from razorg.wire.heads import (
    BLOB_BYTES_MAX,
    FLAG_ERROR,
    FLAG_NUMBER,
    FLAG_OK,
    MAGIC,
    REQUEST_HEAD,
    RESPONSE_HEAD,
    STRING_ACTION,
    VERSION,
    RequestFields,
    ResponseFields,
)

#: A frame with a larger body that is not whole yet is received into buffers of its own.
BIG_BODY_BYTES = 16 * 1024

#: How records of TLS begin, an alert and a handshake, read as a magic number.
_TLS_MAGICS = (0x0315, 0x0316)

#: The fields of one frame; their order is that of RequestFields or ResponseFields.
Fields = tuple[Any, ...]


class FrameParser:
    """What both directions share: the bytes of the frame that has begun and is not whole yet.

    - ``error``: set once, when the peer broke the protocol; from then on nothing comes out.
    - ``is_partial``: a frame has begun and is not whole.
    - ``missing_bytes``: how much of its body is still to come, as far as it is announced.
    """

    def __init__(self, limits: Limits, head_bytes: int) -> None:
        self._limits = limits
        self._head_bytes = head_bytes
        self._tail = bytearray()  # a frame that has begun, unless its body is big
        self._needed = head_bytes  # no use to look at the tail before it has this size
        self._body: Body | None = None  # the big body that is being received
        self._body_head: tuple[Any, ...] = ()
        self._proven_bytes = FIRST_BYTES  # the largest body that came whole
        #: The size of the last frames, on average.
        self.frame_bytes = 0
        self._refused = b""
        self.error: RemoteProtocolError | None = None

    def start_of_rest(self, count: int) -> bytes:
        """The first bytes of what is no frame: it was refused, or is not whole yet."""
        return bytes((self._refused or self._tail)[:count])

    @property
    def is_partial(self) -> bool:
        return bool(self._tail) or self._body is not None

    @property
    def missing_bytes(self) -> int:
        if self._body is not None:
            return self._body.missing_bytes
        return self._needed - len(self._tail)

    def room(self) -> memoryview | None:
        """Where the next bytes can be received without a copy; None when no big body is open."""
        return self._body.room() if self._body is not None else None

    def filled(self, count: int) -> Sequence[Fields]:
        """``count`` bytes were received into ``room()``; returns the frame if that ended it."""
        body = self._body
        assert body is not None
        body.filled(count)
        return self._end_body(body) if not body.missing_bytes else ()

    def feed(self, data: bytes) -> Sequence[Fields]:
        """The frames that are whole now that ``data`` has come too."""
        if self.error is not None:
            return ()
        frames: list[Fields] = []
        if self._body is not None:
            taken = self._body.take(memoryview(data))
            if self._body.missing_bytes:
                return frames
            frames += self._end_body(self._body)
            if self.error is not None:
                return frames
            data = data[taken:]
        if self._tail:
            self._tail += data
            if len(self._tail) < self._needed:
                return frames
            data = bytes(self._tail)
            self._tail.clear()
        try:
            position = self._scan(data, frames)
        except RemoteProtocolError as error:
            self.error = error
            self._refused = data
            return frames
        if frames:
            self.frame_bytes = position // len(frames)
        if self._body is not None:
            self._body.take(memoryview(data)[position:])  # never all of it: _scan saw to that
        elif position < len(data):
            self._tail += memoryview(data)[position:]
        return frames

    def _end_body(self, body: Body) -> Sequence[Fields]:
        self._body = None
        self._needed = self._head_bytes
        self.frame_bytes = size = sum(map(len, body.pieces()))
        self._proven_bytes = min(max(self._proven_bytes, size), PROVEN_MAX_BYTES)
        try:
            return (self._assemble(self._body_head, body.pieces()),)
        except RemoteProtocolError as error:
            self.error = error
            return ()

    def _scan(self, data: bytes, frames: list[Fields]) -> int:
        """Append the whole frames of ``data``; returns where the first that is not whole begins.

        Sets ``_needed``, or opens ``_body``, for that one (then: where its body begins).
        """
        raise NotImplementedError

    def _assemble(self, head: tuple[Any, ...], pieces: list[bytearray]) -> Fields:
        raise NotImplementedError

    def _check_length(self, what: str, announced: int, limit_name: str) -> None:
        limit = getattr(self._limits, limit_name)
        if not 0 <= announced <= limit:
            raise RemoteProtocolError(
                f"{what} of {announced} bytes announced; {limit_name} is {limit}"
            )


class RequestParser(FrameParser):
    """Requests, as a server receives them."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits, REQUEST_HEAD.size)

    def _scan(self, data: bytes, frames: list[Fields]) -> int:
        unpack, limits = REQUEST_HEAD.unpack_from, self._limits
        max_name, max_msg = limits.max_action_bytes, limits.max_msg_bytes
        max_blob = min(limits.max_blob_bytes, BLOB_BYTES_MAX)
        position, end = 0, len(data)
        while end - position >= 32:
            magic, ver, _, action, seq, client_id, msg_len, blob_len = unpack(data, position)
            if magic != MAGIC or ver != VERSION:
                raise _wrong_start(magic, ver)
            has_name = action >= STRING_ACTION
            name_len = action - STRING_ACTION if has_name else 0
            if msg_len > max_msg or blob_len > max_blob or name_len > max_name:
                self._check_length("an action", name_len, "max_action_bytes")
                self._check_length("a message", msg_len, "max_msg_bytes")
                self._check_length("a blob", blob_len, "max_blob_bytes")
                raise RemoteProtocolError(f"a blob of {blob_len} bytes announced")
            body = position + 32
            stop = body + name_len + msg_len + blob_len
            if stop > end:
                if stop - body > BIG_BODY_BYTES:
                    self._body_head = (seq, action, client_id)
                    self._body = Body((name_len, msg_len, blob_len), self._proven_bytes)
                    return body
                self._needed = stop - position
                return position
            msg_at = body + name_len
            if has_name:
                try:
                    action = data[body:msg_at].decode()
                except UnicodeDecodeError as error:
                    raise _wrong_name(error) from None
            blob_at = msg_at + msg_len
            blob = data[blob_at:stop] if blob_len else None
            frames.append((seq, action, client_id, data[msg_at:blob_at], blob))
            position = stop
        self._needed = 32
        return position

    def _assemble(self, head: tuple[Any, ...], pieces: list[bytearray]) -> RequestFields:
        seq, action, client_id = head
        name, msg, blob = pieces
        if action & STRING_ACTION:
            try:
                action = name.decode()
            except UnicodeDecodeError as error:
                raise _wrong_name(error) from None
        return seq, action, client_id, msg, blob or None


class ResponseParser(FrameParser):
    """Responses, as a client receives them."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits, RESPONSE_HEAD.size)

    def _scan(self, data: bytes, frames: list[Fields]) -> int:
        unpack, limits = RESPONSE_HEAD.unpack_from, self._limits
        max_msg, max_blob = limits.max_msg_bytes, limits.max_blob_bytes
        position, end = 0, len(data)
        while end - position >= 20:
            magic, ver, flag, msg_len, seq, blob_len = unpack(data, position)
            if magic != MAGIC or ver != VERSION:
                raise _wrong_start(magic, ver)
            body = position + 20
            if flag != FLAG_OK:
                if flag == FLAG_NUMBER:
                    if blob_len:
                        raise RemoteProtocolError(f"an error number with {blob_len} bytes after it")
                    frames.append((seq, FLAG_NUMBER, msg_len, None))
                    position = body
                    continue
                if flag != FLAG_ERROR:
                    raise RemoteProtocolError(f"flag {flag} is none of 0, 1, 2")
                if msg_len:
                    raise RemoteProtocolError(f"error bytes with a message of {msg_len} bytes")
                self._check_length("error bytes", blob_len, "max_msg_bytes")
            elif msg_len > max_msg or not 0 <= blob_len <= max_blob:
                self._check_length("a message", msg_len, "max_msg_bytes")
                self._check_length("a blob", blob_len, "max_blob_bytes")
            stop = body + msg_len + blob_len
            if stop > end:
                if stop - body > BIG_BODY_BYTES:
                    self._body_head = (seq, flag)
                    self._body = Body((msg_len, blob_len), self._proven_bytes)
                    return body
                self._needed = stop - position
                return position
            blob_at = body + msg_len
            frames.append((seq, flag, data[body:blob_at], data[blob_at:stop] if blob_len else None))
            position = stop
        self._needed = 20
        return position

    def _assemble(self, head: tuple[Any, ...], pieces: list[bytearray]) -> ResponseFields:
        seq, flag = head
        msg, blob = pieces
        return seq, flag, msg, blob or None


def _wrong_start(magic: int, ver: int) -> RemoteProtocolError:
    if magic in _TLS_MAGICS:
        return RemoteProtocolError("the peer speaks TLS: only one of both ends is tls://")
    if magic != MAGIC:
        return RemoteProtocolError(f"magic {magic:#06x} is not {MAGIC:#06x}: not a razor peer")
    return RemoteProtocolError(f"protocol version {ver}; this side speaks {VERSION}")


def _wrong_name(error: UnicodeDecodeError) -> RemoteProtocolError:
    return RemoteProtocolError(f"an action that is not UTF-8: {error}")
