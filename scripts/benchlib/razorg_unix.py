"""razorg over a Unix socket."""

from __future__ import annotations

import os
from collections.abc import Callable

from benchlib import razorg_side
from benchlib.contestants import Client
from benchlib.workloads import Workload


def serve(announce: Callable[[str], None], workload: Workload) -> None:
    """Serve on a socket file in the directory that the parent made for this pair; never returns."""
    razorg_side.serve(announce, workload, listen=f"unix://{os.environ['RAZORG_BENCH_DIR']}/s")


def connect(address: str, workload: Workload) -> Client:
    """As over TCP."""
    return razorg_side.connect(address, workload)
