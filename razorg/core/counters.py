"""Sums of what many sources count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

Labels = tuple[str, ...]


class Counters:
    """Sums by name and labels; they never go down, and no source is kept alive.

    Of each source is added what it has counted since it was read last, so one may come and go.
    """

    def __init__(self) -> None:
        self._sums: dict[str, dict[Labels, float]] = {}
        self._read: WeakKeyDictionary[Any, Mapping[tuple[str, Labels], float]] = WeakKeyDictionary()

    def read(self, source: Any, counts: Mapping[tuple[str, Labels], float]) -> None:
        """Add what is new in all that the source counts; what it counts no more begins anew."""
        before = self._read.get(source, {})
        for key, value in counts.items():
            name, labels = key
            sums = self._sums.setdefault(name, {})
            more = max(value - before.get(key, 0.0), 0.0)
            sums[labels] = sums.get(labels, 0.0) + more
        self._read[source] = counts

    def of(self, name: str) -> dict[Labels, float]:
        """The sums of this name by labels."""
        return self._sums.get(name, {})
