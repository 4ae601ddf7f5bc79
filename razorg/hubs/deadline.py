"""``with razorg.deadline(0.5):`` bounds all calls inside."""

from __future__ import annotations

from contextvars import Context, ContextVar
from time import monotonic

from razorg.config import check_timeout
from razorg.errors import CallTimeout


class _End(float):
    """When the calls of a block must have ended, on the clock of ``monotonic``."""


#: One for each block that this context is in; the earliest holds.
_ends: ContextVar[tuple[_End, ...]] = ContextVar("razorg.deadline", default=())

#: The deadlines that this context is in; empty nearly always.
current_deadlines = _ends.get


class deadline:  # a context manager: lower case, like those of contextlib
    """Bounds every call made inside to what is then left of so many seconds.

    Calls keep their own timeouts where these are shorter; of nested deadlines the earliest
    holds.  A call that starts too late raises CallTimeout (``sent="no"``) at once.  It holds for
    this context: greenlets and threads that are started inside know of it when they are given a
    copy of the context.  It interrupts nothing but calls, and says nothing to the server.
    """

    def __init__(self, seconds: float) -> None:
        if seconds is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise ValueError("a deadline needs a number of seconds")
        check_timeout(seconds)
        self._seconds = seconds
        self._entered: list[_End] = []

    def __enter__(self) -> deadline:
        end = _End(monotonic() + self._seconds)
        self._entered.append(end)
        _ends.set((*_ends.get(), end))
        return self

    def __exit__(self, *_: object) -> None:
        # A generator may leave its block after one that was entered later, or in another context.
        ends = _ends.get()
        mine = [end for end in self._entered if any(end is other for other in ends)]
        end = mine[-1] if mine else self._entered[-1]
        self._entered.remove(end)
        _ends.set(tuple(other for other in ends if other is not end))

    def __repr__(self) -> str:
        return f"<deadline of {self._seconds:g} s>"


def bounded(timeout: float | None, default: float, method: str) -> float | None:
    """The timeout for a call of this context; CallTimeout when the deadline is over."""
    ends = _ends.get()
    if not ends:
        return timeout
    left = min(ends) - monotonic()
    if left <= 0:
        raise CallTimeout("the deadline of this block is over", sent="no", method=method)
    return min(left, default if timeout is None else timeout)


def forget_deadlines(context: Context) -> None:
    """Let what runs in the context have all the time it wants."""
    context.run(_ends.set, ())
