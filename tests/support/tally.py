"""A history for many calls: one byte for each that ended as it should, and the calls that did not.

``history.check`` judges the latter, so the rules are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from support.history import Call, Execution, History, Outcome, Violation, check

ONCE = 1


class Tally:
    """The calls ``first_id``, ``first_id + 1``, …, none of which may run twice."""

    def __init__(self, answer_of: Callable[[int], Any], first_id: int = 1) -> None:
        self.first_id = first_id
        self.answer_of = answer_of
        #: How many calls have ended.
        self.settled = 0
        self._right = bytearray()  # how often each returned what it should
        self._other: dict[int, list[Outcome]] = {}

    def __len__(self) -> int:
        return len(self._right)

    def begin(self) -> int:
        """A call is about to be made; the id that it must carry."""
        self._right.append(0)
        return self.first_id + len(self._right) - 1

    def ok(self, call_id: int, value: Any) -> None:
        """The call has returned this."""
        if value == self.answer_of(call_id):
            self._right[call_id - self.first_id] += 1
        else:
            self._other.setdefault(call_id, []).append(Outcome(monotonic(), value))
        self.settled += 1

    def failed(self, call_id: int, error: BaseException) -> None:
        """The call has raised this."""
        sent = getattr(error, "sent", None)
        outcome = Outcome(monotonic(), None, type(error).__name__, sent, str(error))
        self._other.setdefault(call_id, []).append(outcome)
        self.settled += 1

    @property
    def succeeded(self) -> int:
        return sum(self._right)

    def errors(self) -> list[str]:
        """What calls have failed with."""
        return [f"{call_id}: {outcome}" for call_id, outcomes in self._other.items() for outcome in outcomes]

    def check(self, executed: bytes) -> list[Violation]:
        """The calls that broke a rule; ``executed``: how often each was, a byte for each."""
        if len(executed) == len(self._right) and not self._other:
            if self._right.count(ONCE) == len(executed) == executed.count(ONCE):
                return []
        history = History(self.answer_of)
        ledger: list[Execution] = []
        for number in range(max(len(self._right), len(executed))):
            call_id = self.first_id + number
            times = executed[number] if number < len(executed) else 0
            ledger += [Execution(call_id, "")] * times
            if number < len(self._right):
                right = [Outcome(0.0, self.answer_of(call_id))] * self._right[number]
                outcomes = right + self._other.get(call_id, [])
                history.calls[call_id] = Call(call_id, "call", False, 0, 0.0, outcomes)
        return check(history, [ledger])
