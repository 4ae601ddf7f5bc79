"""ZooKeeper and etcd for these tests; ``RegisteredNode``: a server in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from gevent.socket import wait_read
from support.engines import engine
from support.nodes import eventually

import razorg


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """ZooKeeper and etcd, started when the first test wants them."""
    running: dict[str, Any] = {}

    def get(kind: str) -> Any:
        if kind not in running:
            running[kind] = engine(kind, tmp_path_factory.mktemp(kind))
        return running[kind]

    yield get
    for made in running.values():
        made.close()


@pytest.fixture(scope="module", params=["zk", "etcd"])
def running(request: pytest.FixtureRequest, engines: Callable[[str], Any]) -> Any:
    """An engine that runs: of the module, so that no test seems to leave its descriptors."""
    return engines(request.param)


class RegisteredNode:
    """A process of ``support.registered_main``; each start has a new port."""

    def __init__(self, url: str, name: str, contends: bool, folder: Path) -> None:
        self._command = [sys.executable, "-m", "support.registered_main", url, name]
        self._command.append("yes" if contends else "no")
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.name = name
        self.address = ""

    def start(self) -> None:
        paths = [str(Path(__file__).parents[1]), str(Path(razorg.__file__).parents[1])]
        with self._log.open("ab") as log:
            process = self._process = subprocess.Popen(
                self._command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
        assert process.stdout is not None
        wait_read(process.stdout.fileno(), 30, AssertionError(f"{self.name} does not start"))
        self.address = process.stdout.readline().decode().strip()
        assert self.address, self._log.read_text()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send the signal and wait for the end; when it was sent."""
        process, self._process = self._process, None
        if process is None:
            return monotonic()
        sent_at = monotonic()
        process.send_signal(number)
        eventually(lambda: process.poll() is not None, 30, f"{self.name} ends")
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        if number == signal.SIGTERM:
            assert process.returncode == 0, self._log.read_text()
        return sent_at


@pytest.fixture
def nodes(running: Any, tmp_path: Path) -> Iterator[Callable[..., list[RegisteredNode]]]:
    """Starts so many nodes, registered in the engine."""
    made: list[RegisteredNode] = []

    def start(count: int, contends: bool = False) -> list[RegisteredNode]:
        for _ in range(count):
            made.append(RegisteredNode(running.url(), f"node{len(made)}", contends, tmp_path))
            made[-1].start()
        return list(made)

    yield start
    for node in made:
        node.stop(signal.SIGKILL)
    if made:
        eventually(lambda: not running.entries(), 30, "the entries of the killed go")
