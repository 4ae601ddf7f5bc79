"""``with razorg.deadline(0.5):`` bounds all calls inside."""

from __future__ import annotations

from contextvars import ContextVar, Token
from time import monotonic

from razorg.config import check_timeout
from razorg.errors import CallTimeout

_ends_at: ContextVar[float | None] = ContextVar("razorg.deadline", default=None)

#: When the calls of this context must have ended, on the clock of ``monotonic``; None: no matter.
current_deadline = _ends_at.get


class deadline:  # a context manager: lower case, like those of contextlib
    """Bounds every call made inside to what is then left of so many seconds.

    Calls keep their own timeouts where these are shorter; of nested deadlines the earliest
    holds.  A call that starts too late raises CallTimeout (``sent="no"``) at once.  It holds for
    this context: greenlets and threads that are started inside know of it when they are given a
    copy of the context.  It interrupts nothing but calls, and says nothing to the server.
    """

    def __init__(self, seconds: float) -> None:
        if seconds is None:
            raise ValueError("a deadline needs a number of seconds")
        check_timeout(seconds)
        self._seconds = seconds
        self._tokens: list[Token[float | None]] = []

    def __enter__(self) -> deadline:
        ends_at = monotonic() + self._seconds
        outer = current_deadline()
        self._tokens.append(_ends_at.set(ends_at if outer is None else min(ends_at, outer)))
        return self

    def __exit__(self, *_: object) -> None:
        _ends_at.reset(self._tokens.pop())

    def __repr__(self) -> str:
        return f"<deadline of {self._seconds:g} s>"


def bounded(timeout: float | None, default: float, method: str) -> float | None:
    """The timeout for a call of this context; CallTimeout when the deadline is over."""
    ends_at = current_deadline()
    if ends_at is None:
        return timeout
    left = ends_at - monotonic()
    if left <= 0:
        raise CallTimeout("the deadline of this block is over", sent="no", method=method)
    return min(left, default if timeout is None else timeout)
