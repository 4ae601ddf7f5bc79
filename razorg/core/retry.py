"""Whether a failed call may go on elsewhere: the rules, and the budget."""

from __future__ import annotations

from collections import deque
from enum import Enum

from razorg.declared import DeclaredError
from razorg.errors import CallTimeout, ConnectionLost, RpcError, Sent, Unreachable


class Step(Enum):
    """What may follow a failed attempt."""

    STOP = "the error is the caller's"
    MOVE = "nothing was sent: elsewhere, at nobody's cost"
    RETRY = "it may have run: elsewhere, if it may run twice and the budget allows"


def step_after(error: RpcError, *, is_repeatable: bool) -> Step:
    """What may follow this error; ``is_repeatable``: the method may run twice."""
    if not isinstance(error, (Unreachable, ConnectionLost, CallTimeout)):
        return Step.STOP  # the next node would say the same
    if error.sent == "no":
        # Without a place in the window until its time was over: there is none left.
        return Step.STOP if isinstance(error, CallTimeout) else Step.MOVE
    return Step.RETRY if is_repeatable else Step.STOP


def was_answered(error: Exception) -> bool:
    """Whether it came in a response; who gave up, or was cancelled, has had none."""
    if isinstance(error, RpcError):
        return error.sent == "yes"
    return isinstance(error, DeclaredError) or (
        isinstance(error, OSError) and error.errno is not None
    )


_STRENGTH: dict[Sent, int] = {"no": 0, "maybe": 1, "yes": 2}


def strongest(one: Sent, other: Sent) -> Sent:
    """What is known of a request after two attempts."""
    return max(one, other, key=_STRENGTH.__getitem__)


class RetryBudget:
    """Retries of the last ten seconds, as a share of the calls: a dying cluster is not stormed.

    A fifth of the calls may be retried; at least ten a second, and one window more, so that the
    calls of a connection that was cut find a new place even when there were few before.
    """

    SECONDS = 10.0
    SHARE = 0.2
    MIN_PER_SECOND = 10

    def __init__(self, window: int) -> None:
        self._least = self.MIN_PER_SECOND * self.SECONDS
        self._window = window
        #: All calls so far; whoever starts one counts it here.
        self.calls = 0
        self._retries = 0
        self._marks: deque[tuple[float, int, int]] = deque()  # when, calls and retries by then

    def roll(self, now: float) -> None:
        """Once a second: remember how many there were, and forget what is too old to matter."""
        marks = self._marks
        if not marks or now - marks[-1][0] >= 0.9:
            marks.append((now, self.calls, self._retries))
        while len(marks) > 1 and marks[1][0] <= now - self.SECONDS:
            marks.popleft()

    def spend(self, now: float) -> bool:
        """Take one retry; False when there is none left."""
        self.roll(now)
        _, calls, retries = self._marks[0]
        allowed = max((self.calls - calls) * self.SHARE, self._least) + self._window
        if self._retries - retries + 1 > allowed:
            return False
        self._retries += 1
        return True
