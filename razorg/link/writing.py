"""Frames to a connection, many small ones in one write."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic

from razorg.config import Limits
from razorg.transport.base import Connection
from razorg.wire.heads import Buffer, Frame

#: Small frames are joined up to this size before they are handed over.
CHUNK_BYTES = 64 * 1024


class FrameWriter:
    """Writes one connection for one greenlet, and knows what was handed over when it fails."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._blocked_since: float | None = None
        self._blocked_bytes = 0
        #: When the peer last took something that had to wait.
        self.last_progress_at = 0.0
        #: While it blocks, and after an OSError: of how many of the frames taken last not a byte
        #: was handed over.
        self.unsent_frames = 0

    def write(self, frames: Iterable[Frame]) -> int:
        """Hand over all frames, in order; blocks while there is no room; returns the bytes."""
        total = size = 0
        chunk: list[bytes] = []
        for frame in frames:
            if type(frame) is bytes:
                chunk.append(frame)
                size += len(frame)
                if size < CHUNK_BYTES:
                    continue
            if chunk:
                pending = 0 if type(frame) is bytes else 1
                self._write_chunk(chunk, size, pending)
                total += size
                chunk, size = [], 0
            if type(frame) is not bytes:
                total += self._write_pieces(frame)  # type: ignore[arg-type]
        if chunk:
            self._write_chunk(chunk, size, 0)
        return total + size

    def is_late(self, now: float, timeout: float, limits: Limits) -> bool:
        """Whether the peer should have taken by now what is being written."""
        if self._blocked_since is None:
            return False
        allowed = timeout + self._blocked_bytes / limits.min_bytes_per_second
        return now - self._blocked_since > allowed

    def _write_chunk(self, chunk: list[bytes], size: int, pending: int) -> None:
        data = chunk[0] if len(chunk) == 1 else b"".join(chunk)
        written = 0
        try:
            written = self._conn.write(data)
            if written < size:
                with memoryview(data) as view:
                    while written < size:
                        self.unsent_frames = pending + _not_begun(chunk, written)
                        self._wait(size - written)
                        written += self._conn.write(view[written:])
                self._blocked_since = None
        except OSError:
            self.unsent_frames = pending + _not_begun(chunk, written)
            raise

    def _write_pieces(self, pieces: tuple[Buffer, ...]) -> int:
        size = missing = sum(map(len, pieces))
        rest: list[Buffer] = list(pieces)
        try:
            while missing:
                written = self._conn.write_pieces(rest)
                missing -= written
                if missing:
                    self.unsent_frames = 1 if missing == size else 0
                    rest = _after(rest, written)
                    self._wait(missing)
            self._blocked_since = None
        except OSError:
            self.unsent_frames = 1 if missing == size else 0
            raise
        return size

    def _wait(self, missing: int) -> None:
        if self._blocked_since is None:
            self._blocked_since = monotonic()
            self._blocked_bytes = missing
        self._conn.wait_writable()
        self.last_progress_at = monotonic()


def _not_begun(chunk: list[bytes], written: int) -> int:
    """How many frames of the chunk begin at or after the offset."""
    begun = offset = 0
    for frame in chunk:
        if offset >= written:
            break
        begun += 1
        offset += len(frame)
    return len(chunk) - begun


def _after(pieces: list[Buffer], written: int) -> list[Buffer]:
    """The pieces without their first ``written`` bytes, not copied."""
    for index, piece in enumerate(pieces):
        if written < len(piece):
            return [memoryview(piece)[written:], *pieces[index + 1 :]]
        written -= len(piece)
    return []
