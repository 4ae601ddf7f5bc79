"""Frames from a connection."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from razorg.config import Limits
from razorg.errors import RemoteProtocolError
from razorg.transport.base import Connection
from razorg.wire.parser import Fields, FrameParser

#: One read takes what the frame that has begun still lacks, but at least this: some dozens of
#: small frames.  More at once would keep the peer waiting for the answers to the first of them,
#: and both sides would work in turns instead of at the same time.
READ_BYTES = 1024
#: Only of a backlog more is taken at once: an eighth of what was read without coming to its end,
#: and no more than this, since every frame of it becomes an object that waits for its turn.
BACKLOG_SHIFT = 3
BACKLOG_MAX_BYTES = 16 * 1024
#: Where frames are larger, this many are read at once, …
FRAMES_AT_ONCE = 4
FRAMES_MAX_BYTES = 256 * 1024
#: … unless they are so large that each is better received into a buffer of its own.
OWN_BUFFER_BYTES = 128 * 1024


class FrameReader:
    """Reads one connection for one greenlet, and remembers since when a frame is incomplete."""

    def __init__(self, conn: Connection, parser: FrameParser) -> None:
        self._conn = conn
        self._parser = parser
        self._acknowledge = getattr(conn, "acknowledge", None)
        self._is_stopped = False
        self._is_reading = False
        self._has_more = False
        self._backlog_bytes = 0
        self._frame_since: float | None = None
        self._frame_bytes = 0  # how much the incomplete frame announced
        #: When a piece of a frame came that is not whole yet.
        self.last_piece_at = 0.0

    def read(self) -> Sequence[Fields] | None:
        """The frames that have arrived, at least one; blocks until there is one.

        None at the end of the stream and after ``stop()``.  Raises OSError when the connection
        failed, RemoteProtocolError where the bytes stop being frames (the frames before that
        have been returned).
        """
        if self._frame_since is not None:
            self._frame_since = monotonic()  # it was this side that did not read meanwhile
        self._is_reading = True
        try:
            return self._read()
        finally:
            self._is_reading = False

    def _read(self) -> Sequence[Fields] | None:
        while not self._is_stopped:
            if self._parser.error is not None:
                raise self._parser.error
            if not self._has_more:
                self._conn.wait_readable()
            room = self._parser.room()
            if room is not None:
                asked = len(room)
                count = self._conn.read_into(room)
                if count is None:
                    self._has_more = False
                    continue
                frames = self._parser.filled(count) if count else None
            else:
                asked = self._portion()
                data = self._conn.read(asked)
                if data is None:
                    self._has_more = False
                    self._backlog_bytes = 0
                    continue
                count = len(data)
                frames = self._parser.feed(data) if data else None
            if frames is None:
                if self._parser.is_partial:
                    raise RemoteProtocolError("the stream ended inside a frame")
                return None
            # The rest of a big frame is there already more often than not.
            self._has_more = count == asked and self._parser.missing_bytes > READ_BYTES
            is_behind = count == asked and room is None and not self._has_more
            self._backlog_bytes = self._backlog_bytes + count if is_behind else 0
            self._note_progress(bool(frames), is_drained=count < asked)
            if frames:
                return frames
        return None

    def _portion(self) -> int:
        """How many bytes to ask for."""
        parser = self._parser
        usual = parser.frame_bytes if parser.frame_bytes <= OWN_BUFFER_BYTES else 0
        return max(
            READ_BYTES,
            min(self._backlog_bytes >> BACKLOG_SHIFT, BACKLOG_MAX_BYTES),
            min(usual * FRAMES_AT_ONCE, FRAMES_MAX_BYTES),
            parser.missing_bytes,
        )

    def stop(self) -> None:
        """Make ``read`` return None, also when it is waiting."""
        self._is_stopped = True
        self._conn.stop_waiting_to_read()

    def is_late(self, now: float, timeout: float, limits: Limits) -> bool:
        """Whether a frame that has begun should have been whole by now."""
        if self._frame_since is None or not self._is_reading:
            return False
        allowed = timeout + self._frame_bytes / limits.min_bytes_per_second
        return now - self._frame_since > allowed

    def _note_progress(self, has_frames: bool, is_drained: bool) -> None:
        if not self._parser.is_partial:
            self._frame_since = None
            return
        if is_drained and self._acknowledge is not None:
            self._acknowledge()
        missing = self._parser.missing_bytes
        self.last_piece_at = now = monotonic()
        if has_frames or self._frame_since is None:
            self._frame_since = now
            self._frame_bytes = missing
        elif missing > self._frame_bytes:
            self._frame_bytes = missing  # its head is known now
