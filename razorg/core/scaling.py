"""How many connections an address is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """One open connection that answers: its calls in flight, and since when it had none."""

    in_flight: int
    idle_seconds: float


def connections_to_open(
    uses: Sequence[Use],
    *,
    opening: int,
    silent: int,
    waiting: int,
    window: int,
    minimum: int,
    maximum: int,
) -> int:
    """How many more to open: up to the minimum, and above it while every window is full.

    ``uses`` are those that answer, ``silent`` ones do not; ``opening`` are on their way already;
    ``waiting`` calls have no place in a window.
    """
    coming = len(uses) + opening + silent
    missing = minimum - coming
    if waiting and all(use.in_flight >= window for use in uses):
        wanted = -(-waiting // window) - opening
        missing = max(missing, min(wanted, maximum - coming))
    return max(missing, 0)


def connections_to_close(uses: Sequence[Use], minimum: int, idle_timeout: float) -> list[int]:
    """Which of them have been idle for too long, by index: the last ones first."""
    idle = [
        index
        for index, use in enumerate(uses)
        if not use.in_flight and use.idle_seconds >= idle_timeout
    ]
    return idle[::-1][: max(len(uses) - minimum, 0)]
