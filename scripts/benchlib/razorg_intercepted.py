"""razorg with an interceptor on both sides that does nothing."""

from __future__ import annotations

from collections.abc import Callable

from benchlib import razorg_side
from benchlib.contestants import Client
from benchlib.workloads import Workload


def serve(announce: Callable[[str], None], workload: Workload) -> None:
    """Serve on a free port; never returns."""
    razorg_side.serve(announce, workload, interceptors=[lambda call, proceed: proceed(call)])


def connect(address: str, workload: Workload) -> Client:
    """As without it."""
    return razorg_side.connect(address, workload, interceptors=[lambda call, proceed: proceed(call)])
