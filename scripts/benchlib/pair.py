"""One measurement in the parent: start the server process, then the client process, get the report, kill both."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from benchlib.contestants import CONTESTANTS
from benchlib.workloads import Workload

START_SECONDS = 20.0
SPARE_SECONDS = 30.0
SCRIPTS = Path(__file__).resolve().parent.parent


COMPILED_TREE = "RAZORG_BENCH_COMPILED"
"""The environment variable with the directory of the compiled razorg."""


class PairFailed(Exception):
    """A side died, reported an error, gave a wrong answer or took too long."""


class Child:
    """A child process that reports in JSON lines. Leaving its `with` block kills and reaps it."""

    def __init__(self, *arguments: str, tree: Path | None = None, directory: str = "") -> None:
        """`tree`: the checkout whose razorg it imports (this one); `directory`: where it may make files."""
        tree = tree or SCRIPTS.parent
        path = os.pathsep.join(filter(None, (str(SCRIPTS), str(tree), os.environ.get("PYTHONPATH"))))
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in __exit__)
        self._unread = b""
        self._name = " ".join(arguments[:2])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchlib.child", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=tree,  # `-m` looks there first
            env={**os.environ, "PYTHONPATH": path, "RAZORG_BENCH_DIR": directory},
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then kills
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def report(self, timeout: float) -> dict[str, Any]:
        """The next line it reports (blocks up to `timeout`); PairFailed if there is none or it is an error."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._unread:
            ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise PairFailed(f"{self._name}: no report within {timeout:g} s\n{self._error_tail()}")
            data = os.read(pipe, 65536)
            if not data:
                raise PairFailed(f"{self._name}: ended without a report\n{self._error_tail()}")
            self._unread += data
        line, self._unread = self._unread.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        if "error" in message:
            raise PairFailed(f"{self._name}: {message['error']}\n{self._error_tail()}")
        return message

    def _error_tail(self) -> str:
        self._errors.seek(0)
        return "\n".join(self._errors.read().decode(errors="replace").splitlines()[-8:])

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                pipe.close()
        self._process.wait(timeout=10)


PLACEMENTS = ("apart", "together", "free")


def core_arguments(placement: str) -> tuple[list[str], list[str]]:
    """Command-line arguments that put (server, client) on two cores, on one, or where the scheduler likes.

    Free, a ping-pong has two speeds three times apart, by whether the scheduler happened to put both on one core.
    """
    if placement == "free" or not hasattr(os, "sched_getaffinity"):
        return [], []
    cores = sorted(os.sched_getaffinity(0))
    server_core = cores[-1] if placement == "apart" else cores[0]
    return ["--core", str(server_core)], ["--core", str(cores[0])]


def as_argument(workload: Workload) -> str:
    """The workload as the child takes it."""
    return json.dumps(asdict(workload))


def measure_pair(
    contestant: str,
    workload: Workload,
    *,
    warmup: float,
    seconds: float,
    placement: str,
    tree: Path | None = None,
    task: str = "",
) -> dict[str, Any]:
    """Run one contestant once on one workload (blocks, bounded); the fields of `drive.Measurement`.

    `task`: a module whose `run_server` and `run_client` are run instead; then what its client reports.
    """
    if tree is None and CONTESTANTS[contestant].compiled:
        tree = Path(os.environ[COMPILED_TREE])
    server_core, client_core = core_arguments(placement)
    options = ["--task", task] if task else []
    with tempfile.TemporaryDirectory(prefix="rzb-") as directory:  # short: the path of a socket has 107 bytes
        what = (contestant, as_argument(workload))
        with Child("server", *what, *server_core, *options, tree=tree, directory=directory) as server:
            address = server.report(START_SECONDS)["address"]
            with Child(
                *("client", *what, "--address", address, "--server-pid", str(server.pid)),
                *("--warmup", str(warmup), "--seconds", str(seconds), *client_core, *options),
                tree=tree,
                directory=directory,
            ) as client:
                return client.report(START_SECONDS + warmup + seconds + SPARE_SECONDS)
