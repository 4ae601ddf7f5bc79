"""Writing several buffers where the system has no call for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from razorg.wire.heads import Buffer


def write_in_turn(write: Callable[[Buffer], int], pieces: Sequence[Buffer]) -> int:
    """One after the other, until one is not taken whole; how many bytes were."""
    total = 0
    for piece in pieces:
        if not len(piece):
            continue
        taken = write(piece)
        total += taken
        if taken < len(piece):
            break
    return total
