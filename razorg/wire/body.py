"""The body of one big frame on its way in: filled piece by piece, straight from the socket."""

from __future__ import annotations

#: A piece of a stranger's starts with at most this much memory, whatever was announced, …
FIRST_BYTES = 64 * 1024
#: … one of a peer that has sent more before with as much as that was, up to this, …
PROVEN_MAX_BYTES = 4 * 1024 * 1024
#: … and grows by this factor when it is full: a peer has to send a quarter of what it costs.
GROWTH = 4


class Body:
    """Buffers of announced sizes, allocated only as their bytes arrive.

    The pieces of a frame (action, msg, blob) are filled in order.  ``room()`` is where the next
    bytes go, ``filled(n)`` says that they are there.  ``first``: how much to begin with.
    """

    __slots__ = ("_filled", "_first", "_pieces", "_room", "_sizes", "missing_bytes")

    def __init__(self, sizes: tuple[int, ...], first: int = FIRST_BYTES) -> None:
        self._sizes = sizes
        self._first = first
        self._pieces: list[bytearray] = [bytearray()]
        self._filled = 0  # bytes in the last piece
        self._room: memoryview | None = None
        self.missing_bytes = sum(sizes)
        self._next_piece()

    def room(self) -> memoryview:
        """A writable view for the next bytes; never empty while ``missing_bytes``."""
        piece = self._pieces[-1]
        if self._room is None:
            if self._filled == len(piece):
                size = self._sizes[len(self._pieces) - 1]
                larger = bytearray(min(size, max(self._first, len(piece) * GROWTH)))
                larger[: len(piece)] = piece
                self._pieces[-1] = piece = larger
            self._room = memoryview(piece)[self._filled :]
        return self._room

    def filled(self, count: int) -> None:
        """The first ``count`` bytes of ``room()`` now hold data."""
        if self._room is not None:
            self._room.release()
            self._room = None
        self._filled += count
        self.missing_bytes -= count
        self._next_piece()

    def take(self, data: memoryview) -> int:
        """Copy from ``data`` what still belongs to this body; returns how much that was."""
        taken = 0
        while self.missing_bytes and taken < len(data):
            room = self.room()
            count = min(len(room), len(data) - taken)
            room[:count] = data[taken : taken + count]
            self.filled(count)
            taken += count
        return taken

    def pieces(self) -> list[bytearray]:
        """All pieces, one for each size, when nothing is missing any more."""
        return self._pieces

    def _next_piece(self) -> None:
        while self._filled == self._sizes[len(self._pieces) - 1] and len(self._pieces) < len(
            self._sizes
        ):
            self._pieces.append(bytearray())
            self._filled = 0
