"""razorg with an interface that has no annotations: what the types cost is the difference."""

from __future__ import annotations

import razorg
from benchlib.contestants import Client
from benchlib.razorg_side import PlainServer
from benchlib.workloads import Workload


def connect(address: str, workload: Workload) -> Client:
    """One connection."""
    pool = razorg.connect(address, max_connections=1)
    return Client([pool.client(PlainServer)])
