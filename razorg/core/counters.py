"""Sums of what many sources count."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from razorg.core.figures import OTHERS

Labels = tuple[str, ...]


class Counters:
    """Sums by name and labels; they never go down, and no source is kept alive.

    Of each source is added what it has counted since it was read last, so one may come and go.
    """

    def __init__(self) -> None:
        self._sums: dict[str, dict[Labels, float]] = {}
        self._read: WeakKeyDictionary[Any, Mapping[tuple[str, Labels], float]] = WeakKeyDictionary()

    def read(
        self, source: Any, counts: Mapping[tuple[str, Labels], float], most: float = math.inf
    ) -> None:
        """Add what is new in all that the source counts; what it counts no more begins anew.

        When a name has ``most`` labels, those that come later count together, as OTHERS.
        """
        before = self._read.get(source, {})
        for key, value in counts.items():
            name, labels = key
            sums = self._sums.setdefault(name, {})
            more = max(value - before.get(key, 0.0), 0.0)
            labels = labels_among(sums, labels, most)
            sums[labels] = sums.get(labels, 0.0) + more
        self._read[source] = counts

    def of(self, name: str) -> dict[Labels, float]:
        """The sums of this name by labels."""
        return self._sums.get(name, {})


def labels_among(known: Mapping[Labels, Any], labels: Labels, most: float) -> Labels:
    """The labels, or OTHERS for those that would be too many beside the known ones."""
    return labels if labels in known or len(known) < most else (OTHERS,) * len(labels)
