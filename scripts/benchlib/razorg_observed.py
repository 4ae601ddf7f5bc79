"""razorg with an Observer on both sides, which counts every call."""

from __future__ import annotations

from collections.abc import Callable

import razorg
from benchlib import razorg_side
from benchlib.contestants import Client
from benchlib.workloads import Workload


def serve(announce: Callable[[str], None], workload: Workload) -> None:
    """Serve on a free port; never returns."""
    razorg_side.serve(announce, workload, observer=razorg.Observer())


def connect(address: str, workload: Workload) -> Client:
    """As without it."""
    return razorg_side.connect(address, workload, observer=razorg.Observer())
