"""razorg with every default: the pool opens connections as its windows fill."""

from __future__ import annotations

import razorg
from benchlib.contestants import Client
from benchlib.razorg_side import Bench
from benchlib.workloads import Workload


def connect(address: str, workload: Workload) -> Client:
    """One pool for all callers."""
    return Client([razorg.connect(address).client(Bench)])
