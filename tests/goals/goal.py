"""A promise of razorg, kept at any size: small at every change, large before a release.

``tests/goals/test_goals.py`` runs each at the small size, ``scripts/soak NAME`` at the large one, in
portions, so that it can tell how far it is and go on where it was stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, ClassVar


class Unable(Exception):
    """This machine is too small for the size that was asked for; raised by ``advance``."""


class Goal:
    """Derive from it, and break the promise in ``advance`` as hard as you can.

    It is entered once, advanced portion by portion, and left.  Nothing may be left behind then: no
    descriptor, greenlet, thread or process.
    """

    #: Its row in the table of docs/reliability.md.
    number: ClassVar[int]
    #: What ``scripts/soak`` takes.
    name: ClassVar[str]
    #: What is promised, in one line.
    promise: ClassVar[str]
    #: What sizes count: calls, seconds, connections, inputs, kills …
    unit: ClassVar[str]
    every_change: ClassVar[int]
    release: ClassVar[int]
    #: How much ``advance`` is asked for at once.
    portion: ClassVar[int]
    #: Whether it is for ``.ci/run`` only: too long, or too much for a machine in use.
    is_heavy: ClassVar[bool] = False

    def __init__(self) -> None:
        #: What was measured so far; plain JSON values only, since a run that goes on begins with
        #: those of the last one.  ``advance`` adds to them.  Those whose names begin with "_" are
        #: what others are computed from, and are not shown.
        self.figures: dict[str, Any] = {}
        #: Whatever is entered here is left when the goal is.
        self.opened = ExitStack()

    @classmethod
    def missing(cls) -> str | None:
        """Why it cannot run on this machine, or None."""
        return None

    def __enter__(self) -> Goal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all that was opened."""
        self.opened.close()

    def advance(self, count: int, seed: int) -> None:
        """Do so many units more; AssertionError, with what a reader needs to see it again, when
        the promise is broken.  The same seed makes the same choices."""
        raise NotImplementedError

    def verdict(self) -> str:
        """The figure that the table asks for; AssertionError when they break the promise."""
        return self.told()

    def told(self) -> str:
        """The figures, for a reader."""
        return ", ".join(
            f"{_shown(value)} {name}" for name, value in self.figures.items() if name[0] != "_"
        )

    @classmethod
    def portions(cls, size: int, done: int = 0, seed: int = 1) -> Iterator[tuple[int, int]]:
        """What ``advance`` is to be called with, one after the other, until ``size`` is reached."""
        while done < size:
            count = min(cls.portion, size - done)
            yield count, seed
            done, seed = done + count, seed + 1

    # for advance

    def count(self, name: str, number: int = 1) -> None:
        """Add to a figure."""
        self.figures[name] = self.figures.get(name, 0) + number

    def keep_largest(self, name: str, value: float) -> None:
        """Note a figure of which the worst is told."""
        self.figures[name] = max(self.figures.get(name, value), value)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}"
