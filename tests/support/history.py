"""What the callers saw, beside what the servers did: the proof that no call is lost or doubled.

The callers' side begins each call here, under an id that nobody else has, and records how it ended.
The servers' side is their ledgers: one line for each execution.  ``check`` compares the two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Literal, NamedTuple

Rule = Literal["outcome", "executed", "value", "sent", "retries", "unknown"]
SENT = ("no", "maybe", "yes")


class Execution(NamedTuple):
    """One line of a ledger: this node has run this call."""

    call_id: int
    node: str


class Violation(NamedTuple):
    """A call that broke a rule."""

    rule: Rule
    call_id: int
    text: str


@dataclass(slots=True)
class Outcome:
    """How a call ended: with a value, or with an error of this kind that says this of ``sent``."""

    at: float
    value: Any = None
    kind: str | None = None
    sent: str | None = None
    text: str = ""

    @property
    def is_ok(self) -> bool:
        return self.kind is None

    def __str__(self) -> str:
        return f"ok({self.value!r})" if self.is_ok else f"{self.kind}(sent={self.sent}, {self.text})"


@dataclass(slots=True)
class Call:
    """One call: what it may cost at most, and how it ended."""

    id: int
    method: str
    idempotent: bool
    retries: int
    started_at: float
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def max_executions(self) -> int:
        """Only what may run twice is repeated when it may have run."""
        return 1 + self.retries if self.idempotent else 1

    @property
    def outcome(self) -> Outcome | None:
        return self.outcomes[0] if self.outcomes else None

    @property
    def is_ok(self) -> bool:
        return bool(self.outcomes) and self.outcomes[0].is_ok

    @property
    def has_failed(self) -> bool:
        return bool(self.outcomes) and not self.outcomes[0].is_ok

    def seconds_after(self, since: float) -> float:
        """How long it took to end after ``since``, or after its start if that was later."""
        ended_at = self.outcomes[0].at if self.outcomes else monotonic()
        return ended_at - max(self.started_at, since)

    def __str__(self) -> str:
        ended = ", then ".join(map(str, self.outcomes)) or "never ended"
        return f"{self.method} {self.id}: {ended}"


class History:
    """The calls of a test and their outcomes; ``answer_of(id)`` is what each must return."""

    def __init__(self, answer_of: Callable[[int], Any]) -> None:
        self.answer_of = answer_of
        self.calls: dict[int, Call] = {}
        #: How many calls have begun and not ended.
        self.pending = 0
        #: How many calls have ended with a value.
        self.succeeded = 0

    def begin(self, method: str, *, idempotent: bool = False, retries: int = 0) -> int:
        """A call is about to be made; the id that it must carry."""
        call = Call(len(self.calls) + 1, method, idempotent, retries, monotonic())
        self.calls[call.id] = call
        self.pending += 1
        return call.id

    def ok(self, call_id: int, value: Any) -> None:
        """The call has returned this."""
        self.succeeded += 1
        self._end(call_id, Outcome(monotonic(), value))

    def failed(self, call_id: int, error: BaseException) -> None:
        """The call has raised this."""
        sent = getattr(error, "sent", None)
        self._end(call_id, Outcome(monotonic(), None, type(error).__name__, sent, str(error)))

    def _end(self, call_id: int, outcome: Outcome) -> None:
        outcomes = self.calls[call_id].outcomes
        self.pending -= not outcomes
        outcomes.append(outcome)

    def open_calls(self) -> list[Call]:
        """The calls that have begun and not ended."""
        return [call for call in self.calls.values() if not call.outcomes]

    def within(self, since: float, until: float = float("inf")) -> list[Call]:
        """The calls that began and ended between these times."""
        return [
            call
            for call in self.calls.values()
            if call.started_at >= since and call.outcomes and call.outcomes[0].at <= until
        ]


def ended(calls: Sequence[Call]) -> Callable[[], bool]:
    """A condition to wait for: each of these has ended."""
    return lambda: all(call.outcomes for call in calls)


def check(history: History, ledgers: Iterable[Iterable[Execution]]) -> list[Violation]:
    """The calls that broke a rule.

    1. A call has exactly one outcome.
    2. One that returned was executed, and its value is the right one.
    3. One that failed says the truth about ``sent``: after "no" it was not executed.
    4. Nothing is executed more often than once, or once and the retries that it was allowed.

    And nothing is executed that nobody has called.
    """
    executed = Counter(line.call_id for ledger in ledgers for line in ledger)
    violations = [
        Violation("unknown", call_id, f"executed {count} times, but nobody has called it")
        for call_id, count in executed.items()
        if call_id not in history.calls
    ]
    for call in history.calls.values():
        for rule, text in _judge(call, executed[call.id], history.answer_of(call.id)):
            violations.append(Violation(rule, call.id, f"{call}; executed {executed[call.id]} times: {text}"))
    return violations


def _judge(call: Call, executions: int, answer: Any) -> Iterable[tuple[Rule, str]]:
    if len(call.outcomes) != 1:
        yield "outcome", f"{len(call.outcomes)} outcomes instead of one"
    if executions > call.max_executions:
        rule: Rule = "retries" if call.max_executions > 1 else "executed"
        yield rule, f"at most {call.max_executions} were allowed"
    for outcome in call.outcomes:
        if outcome.is_ok:
            if not executions:
                yield "executed", "it returned, but nobody has run it"
            if outcome.value != answer or type(outcome.value) is not type(answer):
                yield "value", f"it should have returned {answer!r}"
        elif outcome.sent not in SENT:
            yield "sent", "an error of a call must say whether it was sent"
        elif outcome.sent == "no" and executions:
            yield "sent", "it was sent, though its error denies that"


def assert_sent_is_informative(calls: Sequence[Call], *, all_of_them: bool = False) -> None:
    """Calls made while no server can have heard them: their failures must not all say "maybe".

    ``all_of_them``: not one may, for the client knew beforehand that nobody was there.
    """
    failures = [call for call in calls if call.has_failed]
    assert failures, "no call has failed, so nothing is shown"
    vague = [call for call in failures if call.outcomes[0].sent != "no"]
    assert len(vague) < len(failures), f"not one failure says sent='no', as in: {vague[0]}"
    if all_of_them:
        assert not vague, f"{len(vague)} of {len(failures)} failures are vague, as in: {vague[0]}"


@dataclass(frozen=True)
class Figures:
    """A history in numbers, for reports."""

    calls: int
    succeeded: int
    #: What the failures said of ``sent``, and whether they were executed: the vagueness of "maybe".
    failures: Counter[tuple[str | None, bool]]
    kinds: Counter[str | None]
    repeated: int
    slowest_seconds: float

    @classmethod
    def of(cls, history: History, ledgers: Iterable[Iterable[Execution]]) -> Figures:
        executed = Counter(line.call_id for ledger in ledgers for line in ledger)
        calls = list(history.calls.values())
        failed = [(call, call.outcomes[0]) for call in calls if call.has_failed]
        return cls(
            calls=len(calls),
            succeeded=sum(call.is_ok for call in calls),
            failures=Counter((outcome.sent, executed[call.id] > 0) for call, outcome in failed),
            kinds=Counter(outcome.kind for _, outcome in failed),
            repeated=sum(count > 1 for count in executed.values()),
            slowest_seconds=max((call.seconds_after(0) for call in calls), default=0.0),
        )

    @property
    def success(self) -> float:
        """The share of calls that returned."""
        return self.succeeded / self.calls if self.calls else 0.0

    def __str__(self) -> str:
        failures = ", ".join(
            f"{count} said {sent} and {'were' if was else 'were not'} executed"
            for (sent, was), count in sorted(self.failures.items(), key=str)
        )
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kinds.most_common())
        return (
            f"{self.succeeded} of {self.calls} calls succeeded ({self.success:.4%}), the slowest took "
            f"{self.slowest_seconds:.2f} s, {self.repeated} ran more than once; failures: "
            f"{failures or 'none'} ({kinds})"
        )
