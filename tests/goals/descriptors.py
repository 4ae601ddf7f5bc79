"""A server without descriptors: it waits for them without spinning, and accepts again."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from random import Random
from time import monotonic

import gevent
from support.counted import Counted
from support.nodes import PATIENCE, eventually
from support.peers import ScriptedClient

from goals.goal import Goal

AGAIN_SECONDS = 2.0
HUNGRY_SECONDS = 1.0
#: Of the time without descriptors; a loop that spins would take all of it.
CPU_SHARE_MAX = 0.3
TICKS = os.sysconf("SC_CLK_TCK")


class Descriptors(Goal):
    number = 14
    name = "descriptors"
    promise = "a server that is out of descriptors accepts again 2 s after there are some, and does not spin"
    unit = "shortages"
    every_change = 1
    release = 100
    portion = 1

    @classmethod
    def missing(cls) -> str | None:
        return None if hasattr(resource, "prlimit") else f"{sys.platform} has no prlimit"

    def __enter__(self) -> Descriptors:
        self._server = self.opened.enter_context(Counted("tcp://127.0.0.1:0"))
        return self

    def advance(self, count: int, seed: int) -> None:
        rng = Random(seed)
        for _ in range(count):
            self._run_out(rng.randint(1, 8))

    def _run_out(self, spare: int) -> None:
        pid = self._server.pid
        held = len(os.listdir(f"/proc/{pid}/fd"))
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (held + spare, hard))
        clients: list[ScriptedClient] = []
        try:
            for _ in range(spare):
                clients.append(ScriptedClient(self._server.addresses[0]))
                clients[-1].ping(1)
            waiting = [ScriptedClient(self._server.addresses[0]) for _ in range(5)]
            clients += waiting
            gevent.sleep(0.1)
            used = _cpu_seconds(pid)
            gevent.sleep(HUNGRY_SECONDS)
            share = (_cpu_seconds(pid) - used) / HUNGRY_SECONDS
            assert not any(client.has_input() for client in waiting)
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        released_at = monotonic()
        for client in waiting:
            client.ping(1)
        again = monotonic() - released_at
        for client in clients:
            client.close()
        eventually(lambda: self._server.connections == 0, PATIENCE, "all are closed")
        self.count("shortages")
        self.keep_largest("s until it accepts again", round(again, 2))
        self.keep_largest("of a core in the shortage", round(share, 2))
        assert again <= AGAIN_SECONDS, self.told()
        assert share <= CPU_SHARE_MAX, self.told()


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
