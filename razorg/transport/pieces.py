"""Writing several buffers where the system has no call for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from razorg.wire.heads import Buffer


def write_in_turn(write: Callable[[Buffer], int], pieces: Sequence[Buffer]) -> int:
    """One after the other, until one is not taken whole; how many bytes were.

    OSError when the first one meets it; a later one is met again by who comes back for the rest.
    """
    total = 0
    for piece in pieces:
        if not len(piece):
            continue
        try:
            taken = write(piece)
        except OSError:
            if total:
                break
            raise
        total += taken
        if taken < len(piece):
            break
    return total
