"""The bare loop for payloads exactly as it is for small calls: 64 KiB `recv`, everything joined."""

from __future__ import annotations

from collections.abc import Callable

from benchlib import bare_blob_server
from benchlib.bare_blob_client import connect_blobs
from benchlib.bare_blob_io import frames_by_joining
from benchlib.bare_io import start_writer
from benchlib.contestants import Client
from benchlib.workloads import Workload


def serve(announce: Callable[[str], None], workload: Workload) -> None:
    """Serve; never returns."""
    bare_blob_server.serve(announce, frames_by_joining, start_writer)


def connect(address: str, workload: Workload) -> Client:
    """Connect."""
    return connect_blobs(address, workload, frames_by_joining, start_writer)
