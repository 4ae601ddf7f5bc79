"""The Rust client on a bare stream: tasks come back through a channel; the fastest that the crates can do."""

from __future__ import annotations

from typing import Any

from benchlib import rust_side
from benchlib.workloads import Workload


def run_client(address: str, workload: Workload, **options: Any) -> None:
    """Become the client."""
    rust_side.run_client(address, workload, form="stream", **options)
