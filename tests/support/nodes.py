"""Servers in processes of their own, to be killed, stopped and started again by a test."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import gevent
from gevent.socket import wait_read

import razorg
from support.history import Execution, Figures, History, check
from support.namespaces import Namespace
from support.node_main import LINE_BYTES

PATIENCE = 20.0  # seconds; for what takes less than one on an idle machine
#: Linux connects to it from 127.0.0.1: the port of a node that is down can neither be lent to
#: somebody's outgoing connection nor be connected to itself.  Other systems have but one address.
HOST = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"


def eventually(condition: Callable[[], Any], within: float, what: str) -> float:
    """Let other greenlets run until the condition holds; the seconds that took.

    AssertionError when it does not hold ``within`` so many seconds.
    """
    started = monotonic()
    while not condition():
        if monotonic() - started > within:
            raise AssertionError(f"not within {within:g} s: {what}")
        gevent.sleep(0.002)
    return monotonic() - started


class Node:
    """A server in a process of its own; address and ledger stay the same when it starts again.

    Whatever waits here blocks this greenlet only.
    """

    def __init__(self, name: str, folder: Path, fault: str = "none", space: Namespace | None = None) -> None:
        self.name = name
        host, inside = (space.there, space.inside) if space else (HOST, [])
        port, self._reserved = _reserve_port()  # inside a namespace nobody else has any
        self.address = f"tcp://{host}:{port}"
        self._inside = inside
        self._ledger = folder / f"{name}.ledger"
        self._ledger.touch()
        self._log = folder / f"{name}.log"
        self._fault = fault
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until it serves."""
        assert self._process is None, f"{self} runs already"
        command = [*self._inside, sys.executable, "-m", "support.node_main", "--name", self.name]
        command += ["--address", self.address, "--ledger", str(self._ledger), "--fault", self._fault]
        paths = [str(Path(__file__).parents[1]), str(Path(razorg.__file__).parents[1])]
        with self._log.open("ab") as log:
            process = self._process = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,  # it ends when this does
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
        assert process.stdout is not None
        wait_read(process.stdout.fileno(), PATIENCE, AssertionError(f"{self} does not start"))
        line = process.stdout.readline()
        assert line == b"ready\n", f"{self} did not start: {line!r}\n{self._log.read_text()}"

    def kill(self) -> float:
        """SIGKILL, and wait until nothing is left of the process; when the signal was sent."""
        killed_at = monotonic()
        self._signal(signal.SIGKILL)
        self._reap()
        return killed_at

    def terminate(self) -> None:
        """SIGTERM: it finishes what it has accepted; waits until the process has ended."""
        self._signal(signal.SIGTERM)
        status = self._reap()
        assert status == 0, f"{self} ended with {status}:\n{self._log.read_text()}"

    def restart(self) -> None:
        """Stop gracefully and start again."""
        self.terminate()
        self.start()

    def stop(self) -> None:
        """SIGSTOP: it keeps its connections and does nothing, until ``cont``."""
        self._signal(signal.SIGSTOP)

    def cont(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill it if it runs, for good."""
        if self._process is not None:
            self.kill()
        self._reserved.close()

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def executed(self) -> int:
        """How many lines its ledger has."""
        return self._ledger.stat().st_size // LINE_BYTES

    def executions(self) -> list[Execution]:
        """What it has executed, all its lives together, in order."""
        data = self._ledger.read_text()
        assert len(data) % LINE_BYTES == 0, f"{self._ledger} is torn: {data[-LINE_BYTES:]!r}"
        lines = (line.split() for line in data.splitlines())
        return [Execution(int(call_id), name) for call_id, name in lines]

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, f"{self} does not run"
        self._process.send_signal(number)

    def _reap(self) -> int:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        eventually(lambda: process.poll() is not None, PATIENCE, f"{self} ends")
        process.stdin.close()
        process.stdout.close()
        self._process = None
        return int(process.returncode)

    def __repr__(self) -> str:
        return f"<Node {self.name} {self.address}>"


class Nodes(contextlib.ExitStack):
    """The nodes of a test, as a context: whatever is left of them is killed at its end."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def start(self, names: str, fault: str = "none", space: Namespace | None = None) -> list[Node]:
        """One running node for each letter, in a namespace or here."""
        made = [Node(name, self._folder, fault, space) for name in names]
        for node in made:
            self.callback(node.close)
        start_all(made)
        return made


def start_all(nodes: Sequence[Node]) -> None:
    """Start all at once; returns when each is ready."""
    starting = [gevent.spawn(node.start) for node in nodes]
    for greenlet in starting:
        greenlet.get()


def verdict(history: History, nodes: Sequence[Node]) -> Figures:
    """Let the nodes finish what they have, and compare their ledgers with the history.

    AssertionError with the first violations.
    """
    for node in nodes:
        if node.is_running:
            node.terminate()
    ledgers = [node.executions() for node in nodes]
    violations = check(history, ledgers)
    figures = Figures.of(history, ledgers)
    print(figures)
    first = "\n".join(map(str, violations[:10]))
    assert not violations, f"{len(violations)} violations, as in:\n{first}\n{figures}"
    return figures


def _reserve_port() -> tuple[int, socket.socket]:
    """A port that nobody else has, and the socket that keeps it: a server may bind it as well.

    Only Linux lets two sockets have it; elsewhere it is closed, and the port hopefully left alone.
    """
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind((HOST, 0))
    port: int = probe.getsockname()[1]
    if sys.platform != "linux":
        probe.close()
    return port, probe
