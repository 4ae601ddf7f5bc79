"""The Rust contestant: this process becomes the binary that scripts/build-rust-peer made of benchlib/rust."""

from __future__ import annotations

import os
from collections.abc import Callable

from benchlib.workloads import Workload

BINARY = "RAZORG_BENCH_RUST"
"""The environment variable with its path."""


def form_of(workload: Workload) -> str:
    """Through the service, or on a bare stream (which alone has blobs)."""
    return "stream" if workload.kind == "blob" else "api"


def serve(announce: Callable[[str], None], workload: Workload) -> None:
    """Become the server; it announces its address itself."""
    _become("server", "127.0.0.1:0", "--form", form_of(workload))


def run_client(
    address: str, workload: Workload, *, server_pid: int, warmup: float, seconds: float, form: str = ""
) -> None:
    """Become the client; it measures and reports itself. What is a future here is a task that waits there."""
    if workload.connections != 1 or workload.idle:
        raise ValueError("the Rust client has one connection")
    _become(
        *("client", address, "--form", form or form_of(workload)),
        *("--callers", str(workload.in_flight or workload.callers), "--size", str(workload.payload)),
        *("--way", workload.way if workload.payload else "add", "--server-pid", str(server_pid)),
        *("--warmup", str(warmup), "--seconds", str(seconds)),
    )


def _become(*arguments: str) -> None:
    binary = os.environ[BINARY]
    os.execv(binary, [binary, *arguments])
