"""The bare loop: which of its two forms a workload needs, small calls or blobs."""

from __future__ import annotations

from collections.abc import Callable

from benchlib.contestants import Client
from benchlib.workloads import Workload


def serve(announce: Callable[[str], None], workload: Workload) -> None:
    """Serve the form that the workload needs; never returns."""
    if workload.payload:
        from benchlib import bare_blob_server as server
    else:
        from benchlib import bare_server as server  # type: ignore[no-redef]
    server.serve(announce)


def connect(address: str, workload: Workload) -> Client:
    """Connect with that form."""
    if workload.payload:
        from benchlib.bare_blob_client import connect_blobs

        return connect_blobs(address, workload)
    from benchlib import bare_client

    return bare_client.connect(address, workload)
