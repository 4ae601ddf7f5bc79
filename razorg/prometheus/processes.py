"""Metrics of several processes: brought once a second to where prometheus_client joins them."""

from __future__ import annotations

from typing import Any

import gevent
import prometheus_client

from razorg.core.counters import Labels, labels_among
from razorg.prometheus.collector import ADDRESSES_MAX, BOUNDS, Collector, Watched

_SYNC_SECONDS = 1.0


class Synced:
    """Metrics of prometheus_client, shared between processes, and what they hold already."""

    def __init__(self) -> None:
        self._collector = Collector()
        self._metrics: dict[str, Any] = {}
        self._told: dict[tuple[str, ...], float] = {}
        self._gauges: dict[str, dict[Labels, Any]] = {}
        self._syncing: Any = None

    def watch(self, *watched: Watched) -> None:
        """Bring what these have counted, too, from now on once a second."""
        self._collector.watch(*watched)
        if not self._syncing:
            self._syncing = gevent.spawn(self._sync)

    def _sync(self) -> None:
        try:
            while True:
                self.bring()
                gevent.sleep(_SYNC_SECONDS)
        finally:
            self.bring()

    def bring(self) -> None:
        """Add what has happened since the last time."""
        for family in self._collector.collect():
            if family.type == "histogram":
                self._bring_histogram(family)
            elif family.type == "gauge":
                self._bring_gauge(family)
            else:
                for sample in family.samples:
                    labels = tuple(sample.labels.values())
                    metric = self._metric(family, list(sample.labels)).labels(*labels)
                    metric.inc(self._since((family.name, *labels), sample.value))

    def _bring_gauge(self, family: Any) -> None:
        join, gone = (min, 1.0) if family.name.endswith("healthy") else (sum, 0.0)
        known = self._gauges.setdefault(family.name, {})
        there: dict[Labels, list[float]] = {}
        for sample in family.samples:
            labels = labels_among(known, tuple(sample.labels.values()), ADDRESSES_MAX)
            if labels not in known:
                known[labels] = self._metric(family, list(sample.labels)).labels(*labels)
            there.setdefault(labels, []).append(sample.value)
        for labels, metric in known.items():  # a series cannot be taken back: of what is gone too
            metric.set(join(there[labels]) if labels in there else gone)

    def _bring_histogram(self, family: Any) -> None:
        below: dict[str, float] = {}
        for sample in family.samples:
            method = sample.labels["method"]
            metric = self._metric(family, ["method"]).labels(method)
            # prometheus_client has no public way to add many observations at once.
            if sample.name.endswith("_bucket"):
                bound = sample.labels["le"]
                count = sample.value - below.get(method, 0.0)
                below[method] = sample.value
                place = len(BOUNDS) if bound == "+Inf" else BOUNDS.index(float(bound))
                metric._buckets[place].inc(self._since((family.name, method, bound), count))
            elif sample.name.endswith("_sum"):
                metric._sum.inc(self._since((family.name, method, "sum"), sample.value))

    def _metric(self, family: Any, labels: list[str]) -> Any:
        made = self._metrics.get(family.name)
        if made is None:
            text = family.documentation
            if family.type == "histogram":
                made = prometheus_client.Histogram(family.name, text, labels, buckets=BOUNDS)
            elif family.type == "gauge":
                mode: Any = "min" if family.name.endswith("healthy") else "livesum"
                made = prometheus_client.Gauge(family.name, text, labels, multiprocess_mode=mode)
            else:
                made = prometheus_client.Counter(family.name, text, labels)
            self._metrics[family.name] = made
        return made

    def _since(self, key: tuple[str, ...], value: float) -> float:
        before, self._told[key] = self._told.get(key, 0.0), value
        return value - before
