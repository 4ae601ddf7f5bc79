"""razorg without types: `pool.call` of a method that has no annotations."""

from __future__ import annotations

from types import SimpleNamespace

import razorg
from benchlib.contestants import Client
from benchlib.workloads import Workload


def connect(address: str, workload: Workload) -> Client:
    """One connection."""
    pool = razorg.connect(address, max_connections=1)
    call = pool.call
    return Client([SimpleNamespace(add=lambda a, b: call("Plain.add", a, b))])
