"""A steady load for long: nothing lost, doubled or mixed up, and nothing grows."""

from __future__ import annotations

import itertools
from time import monotonic
from typing import Any

import gevent
from support.counted import COUNT, Counted, answer_of, payload
from support.nodes import PATIENCE, eventually
from support.tally import Tally
from support.vitals import Others, vitals

import razorg
from goals.goal import Goal

STREAMS = 8
PER_SECOND = 20_000
#: Of that rate, what must be reached for the rest to count.
RATE_SHARE = 0.95
#: Of all calls of a run that is JUDGED_SECONDS long. Of the quietest portion of a shorter one, where a stall of a
#: third of a second, of the machine, delays more than a hundredth of all: what razorg does wrong, it does in each.
P99_MS = 50.0
QUIET = "ms at p99 of the quietest portion"
#: Of the machine; where others take more, a portion tells nothing of latencies.
OTHERS_SHARE = 0.1
#: Seconds between two batches of calls.
PAUSE = 0.002
#: Latencies are counted in steps of so many of a second …
STEP = 0.0001
#: … the last of which stands for all that is slower.
STEPS = 50_000
MIB = 1024 * 1024
GROWTH_MIB = 1.0
#: Growth is judged in runs of this length, …
JUDGED_SECONDS = 1800.0
#: … without their beginning, while caches fill.
WARM_SECONDS = 300.0


class Steady(Goal):
    number = 1
    name = "steady"
    promise = "at 20,000 calls/s over 8 streams nothing is lost, doubled or mixed up, and nothing grows"
    unit = "seconds"
    every_change = 30
    release = 7_200
    portion = 5
    is_heavy = True

    def __enter__(self) -> Steady:
        self._server = self.opened.enter_context(Counted("tcp://127.0.0.1:0"))
        self._streams = [razorg.ClientStream(self._server.addresses[0], window=256) for _ in range(STREAMS)]
        for stream in self._streams:
            self.opened.callback(stream.close)
            stream.ping()
        self._before = vitals(), self._server.vitals()
        self._others = Others(self._server.pid)
        self._tally = Tally(answer_of)
        self._latencies = [0] * (STEPS + 1)
        self._ended = self._end  # one object: a stream keeps a channel for each target
        #: When, and the bytes of client and server then.
        self._samples: list[tuple[float, int, int]] = []
        return self

    def advance(self, count: int, seed: int) -> None:
        tally = self._tally
        self._others.share()
        began = monotonic()
        self._due_at = began - tally.first_id / PER_SECOND
        turns = itertools.cycle(self._streams)
        made, target, ended = 0, count * PER_SECOND, self._ended
        while made < target and monotonic() < began + count:
            due = min(int((monotonic() - began) * PER_SECOND), target)
            for _ in range(made, due):
                call_id = tally.begin()
                next(turns).send(COUNT, None, payload(call_id), notify=ended, tag=call_id)
            made = due
            gevent.sleep(PAUSE)
        seconds, others = monotonic() - began, self._others.share()
        eventually(lambda: tally.settled >= made, PATIENCE, f"{made} calls end, and {tally.settled} have")
        self._tally = self._server.check(tally)
        client, server = self._server.expect_held(self._before)
        self.count("calls", made)
        self.count("_seconds", seconds)  # type: ignore[arg-type]
        self.figures["calls/s"] = round(self.figures["calls"] / self.figures["_seconds"])
        if others <= OTHERS_SHARE:
            p99 = percentile(dict(enumerate(self._latencies)), 0.99)
            self.figures[QUIET] = min(p99, self.figures.get(QUIET, p99))
        self.keep_largest("% of the machine for others", round(100 * others, 1))
        self.figures["ms at p99"] = self._percentile(0.99)
        self.figures["lost, doubled or mixed up"] = 0  # or it would not have come here
        self.figures["descriptors and greenlets more"] = 0
        self._samples.append((monotonic(), client.rss_bytes, server.rss_bytes))
        self._judge_growth()

    def _end(self, task: Any) -> None:
        call_id = task.tag
        try:
            reply = task.get()
        except Exception as error:
            self._tally.failed(call_id, error)
        else:
            self._tally.ok(call_id, bytes(reply.blob or b""))
        # From when it was due, not from when it was sent: nobody is spared who had to wait for that.
        late = monotonic() - (self._due_at + call_id / PER_SECOND)
        self._latencies[min(int(late / STEP), STEPS)] += 1

    def _percentile(self, share: float) -> float:
        """In ms, of all calls since the first run; the figures keep the counts of the slower ones."""
        counts: dict[str, int] = self.figures.setdefault("_latencies", {})
        for step, count in enumerate(self._latencies):
            if count:
                counts[str(step)] = counts.get(str(step), 0) + count
        self._latencies = [0] * (STEPS + 1)
        return percentile({int(step): count for step, count in counts.items()}, share)

    def _judge_growth(self) -> None:
        """Of this process and this server: those of a run that was stopped are not comparable."""
        first = self._samples[0]
        warm = [sample for sample in self._samples if sample[0] - first[0] >= WARM_SECONDS]
        for index, side in ((1, "client"), (2, "server")):
            more = self._samples[-1][index] - first[index]
            self.figures[f"MiB more in the {side}"] = round(more / MIB, 2)
            if len(warm) > 2:
                slope = growth([(sample[0] / 3600, sample[index] / MIB) for sample in warm])
                self.figures[f"MiB/h in the {side}"] = round(slope, 2)
        if warm and warm[-1][0] - warm[0][0] >= JUDGED_SECONDS:
            self.figures["_growth"] = [self.figures[f"MiB/h in the {side}"] for side in ("client", "server")]

    def verdict(self) -> str:
        figures = self.told()
        rate = self.figures["calls/s"]
        assert rate >= RATE_SHARE * PER_SECOND, f"this machine made {rate:,} calls/s of {PER_SECOND:,}: {figures}"
        is_long = self.figures["_seconds"] >= JUDGED_SECONDS
        p99 = self.figures["ms at p99"] if is_long else self.figures.get(QUIET)
        assert p99 is None or p99 <= P99_MS, figures
        if p99 is None:
            figures += "; latencies not judged: others were busy on this machine all the time"
        for slope in self.figures.get("_growth", ()):
            assert slope <= GROWTH_MIB, f"a process grows: {figures}"
        judged = "judged" if "_growth" in self.figures else "not judged: too short"
        return f"{figures} (growth {judged})"


def percentile(counts: dict[int, int], share: float) -> float:
    """In ms, of so many calls at each step."""
    left = (1 - share) * sum(counts.values())
    for step in sorted(counts, reverse=True):
        left -= counts[step]
        if left <= 0:
            return round((step + 1) * STEP * 1000, 1)
    return 0.0


def growth(points: list[tuple[float, float]]) -> float:
    """The slope of the line that fits best."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
