"""What is counted of calls, where somebody wants to know."""

from __future__ import annotations

#: Bucket ``i`` counts calls that took less than 2**i microseconds, and not less than half of that.
BUCKETS = 36
MICROSECONDS = 1e6
#: Actions beyond so many are counted together: peers must not fill the memory with names.
ACTIONS_MAX = 1000
OTHERS = "(others)"


class Figures:
    """The calls of one action, on one side.

    - ``calls`` that have ended, ``errors`` among them by the name of their class;
    - ``running``: at a server, those that run now;
    - ``retries``: in a pool of several addresses, attempts after the first one;
    - ``seconds``: how long they took, all together, and ``buckets`` how many took how long.

    Counts from several threads may be off by a few: no lock is worth a call's time.
    """

    __slots__ = ("action", "buckets", "calls", "errors", "retries", "running", "seconds")

    def __init__(self, action: str) -> None:
        self.action = action
        self.calls = 0
        self.running = 0
        self.retries = 0
        self.seconds = 0.0
        self.errors: dict[str, int] = {}
        self.buckets = [0] * BUCKETS

    def ended(self, seconds: float) -> None:
        """A call has ended well."""
        self.calls += 1
        self.seconds += seconds
        place = int(seconds * MICROSECONDS).bit_length()
        self.buckets[place if place < BUCKETS else BUCKETS - 1] += 1

    def failed(self, seconds: float, error: str) -> None:
        """A call has ended with an error of this name."""
        self.errors[error] = self.errors.get(error, 0) + 1
        self.ended(seconds)

    def quantile(self, share: float) -> float:
        """About how many seconds this share of the calls took at most; 0 when there were none."""
        return quantile(self.buckets, share)


def upper_bound(place: int) -> float:
    """Up to how many seconds a call of this bucket took."""
    return float(2**place / MICROSECONDS)


def quantile(buckets: list[int], share: float) -> float:
    """About how many seconds this share of the calls in the buckets took at most."""
    wanted = share * sum(buckets)
    seen = 0
    for place, count in enumerate(buckets):
        if count and seen + count >= wanted:
            low = upper_bound(place) / 2 if place else 0.0
            return low + (upper_bound(place) - low) * (wanted - seen) / count
        seen += count
    return 0.0


class Observer:
    """Counts calls: give one to ``connect(…, observer=…)`` or to ``RpcServer(…, observer=…)``.

    One may serve any number of pools, or of servers.  Costs some 0.2 microseconds a call.
    """

    def __init__(self) -> None:
        self._figures: dict[int | str, Figures] = {}

    def of(self, action: int | str) -> Figures:
        """The figures of an action; of all that are too many together.

        A text of digits is named in quotes: the number is another action.
        """
        found = self._figures.get(action)
        if found is None:
            if len(self._figures) >= ACTIONS_MAX:
                action = OTHERS
            name = repr(action) if isinstance(action, int) or action.isdigit() else action
            found = self._figures.setdefault(action, Figures(name))
        return found

    @property
    def figures(self) -> list[Figures]:
        """Those of all actions so far, by name."""
        return sorted(list(self._figures.values()), key=lambda figures: figures.action)

    def total(self) -> Figures:
        """All of them together."""
        total = Figures("")
        for figures in self.figures:
            total.calls += figures.calls
            total.running += figures.running
            total.retries += figures.retries
            total.seconds += figures.seconds
            total.buckets = [a + b for a, b in zip(total.buckets, figures.buckets)]
            for name, count in figures.errors.items():
                total.errors[name] = total.errors.get(name, 0) + count
        return total

    def __repr__(self) -> str:
        calls = sum(figures.calls for figures in self.figures)
        return f"<Observer of {len(self._figures)} actions, {calls} calls>"


def checked_observer(observer: Observer | None) -> Observer | None:
    """TypeError for what is neither None nor an Observer."""
    if observer is not None and not isinstance(observer, Observer):
        raise TypeError(f"observer must be a razorg.Observer, not {observer!r}")
    return observer
