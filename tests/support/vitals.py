"""What a process holds: counted before and after, in this process or, by a service, in another one."""

from __future__ import annotations

import gc
import os
import resource
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import gevent

from support.nodes import PATIENCE

PAGE = resource.getpagesize()
#: In which /proc counts time.
TICKS = os.sysconf("SC_CLK_TCK")
#: As /proc/net/tcp writes it.
CLOSE_WAIT = "08"


class Vitals(NamedTuple):
    """How much a process holds."""

    descriptors: int
    greenlets: int
    rss_bytes: int


def vitals() -> Vitals:
    """Those of this process.  Looks at every object there is, so call it between two loads."""
    gevent.get_hub().threadpool.apply(int)  # what gevent opens for it is there from here on
    greenlets = sum(isinstance(item, gevent.Greenlet) and not item.dead for item in gc.get_objects())
    descriptors = len(os.listdir("/proc/self/fd")) - 1  # that of the listing
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Vitals(descriptors, greenlets, pages * PAGE)


class Peak:
    """The most memory that a process has had since this was made, above what it had then.

    It is the kernel that keeps it, so nothing is too short to be seen.
    """

    def __init__(self, pid: int | None = None) -> None:
        self._folder = Path(f"/proc/{pid or 'self'}")
        (self._folder / "clear_refs").write_text("5")  # the peak is what there is now
        self._before = self._peak()

    @property
    def grown_bytes(self) -> int:
        return self._peak() - self._before

    def _peak(self) -> int:
        (line,) = (line for line in (self._folder / "status").read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024


class Others:
    """What others have taken of this machine's processors, the host that lends them among these."""

    def __init__(self, *pids: int) -> None:
        self._ours = [Path(f"/proc/{pid}/stat") for pid in (os.getpid(), *pids)]
        self._before = self._seconds()

    def share(self) -> float:
        """Of all that there was since the last time: 0 to 1."""
        before, self._before = self._before, self._seconds()
        all_seconds, idle, ours = (now - then for now, then in zip(self._before, before, strict=True))
        return max(0.0, all_seconds - idle - ours) / (all_seconds or 1.0)

    def _seconds(self) -> tuple[float, float, float]:
        """Of all processors together, of those that had nothing to do, and of ours."""
        times = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        ours = 0
        for path in self._ours:
            ours += sum(map(int, path.read_text().rpartition(")")[2].split()[11:13]))
        return sum(times) / TICKS, (times[3] + times[4]) / TICKS, ours / TICKS


def expect_held(measure: Callable[[], Vitals], before: Vitals, whose: str) -> Vitals:
    """Wait until no more is held than before; AssertionError when that does not come."""
    ends_at = monotonic() + PATIENCE
    while True:
        now = measure()
        more = now.descriptors - before.descriptors, now.greenlets - before.greenlets
        if max(more) <= 0:
            return now
        assert monotonic() < ends_at, f"left behind by {whose}: {more[0]} descriptors, {more[1]} greenlets"
        gc.collect()
        gevent.sleep(0.05)


def in_state(state: str, ports: Iterable[int]) -> int:
    """How many TCP sockets of this machine are in that state, with one of these ports at an end."""
    wanted = {f"{port:04X}" for port in ports}
    count = 0
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        if os.path.exists(path):
            for line in Path(path).read_text().splitlines()[1:]:
                _, local, remote, now, *_ = line.split()
                ends = {local.rpartition(":")[2], remote.rpartition(":")[2]}
                count += now == state and bool(ends & wanted)
    return count


@contextmanager
def many_descriptors() -> Iterator[int]:
    """Let this process have as many descriptors as it may, for a while; how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield sys.maxsize if hard == resource.RLIM_INFINITY else hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
