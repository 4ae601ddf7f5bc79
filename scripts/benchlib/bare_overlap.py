"""The bare loop with one thing more: its client's reader takes few answers at a time and lets the others run between.

The plain bare loop works in lockstep: a client that reads all that has come, then sends all at once, sleeps while the
server works, and the server sleeps while it does. Taking about fifty answers at a time keeps both processes busy,
which shows only where two cores are free. It is the same work a call; only the cores' waiting goes.
"""

from __future__ import annotations

from benchlib import bare_client
from benchlib.contestants import Client
from benchlib.workloads import Workload

PART_BYTES = 1024


def connect(address: str, workload: Workload) -> Client:
    """As the bare client, in parts."""
    return bare_client.connect(address, workload, receive_bytes=PART_BYTES)
