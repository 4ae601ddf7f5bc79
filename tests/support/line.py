"""Servers that hand their listeners on, one to the other, and clients that come all the time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import TypeVar

import gevent
from gevent.socket import wait_read

import razorg
from support.history import Execution, History
from support.node_main import Witness
from support.nodes import PATIENCE, eventually

_Self = TypeVar("_Self", bound="UntilTheEnd")


class Line:
    """The processes that hand the listeners on, one after the other; what they say, in order."""

    def __init__(self, folder: Path, mode: str, *addresses: str) -> None:
        self.ledger = folder / "ledger"
        self.ledger.touch()
        self._log = folder / "log"
        paths = [str(Path(__file__).parents[1]), str(Path(razorg.__file__).parents[1])]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.successor_main", mode, str(self.ledger), *addresses],
                bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )  # fmt: skip
        self._rest = b""
        self.heard: list[list[str]] = []
        self.pid = int(self.hear("ready")[1])

    def hear(self, word: str) -> list[str]:
        """The words of the next line that begins so; blocks this greenlet."""
        assert self._process.stdout is not None
        while True:
            line, newline, rest = self._rest.partition(b"\n")
            if newline:
                self._rest = rest
                words = line.decode().split(" ", 6)
                self.heard.append(words)
                if words[0] == word:
                    return words
                continue
            wait_read(self._process.stdout.fileno(), PATIENCE, AssertionError(f"no {word}: {self}"))
            piece = os.read(self._process.stdout.fileno(), 4096)
            assert piece, f"they have all ended: {self}"
            self._rest += piece

    def hand_over(self) -> int:
        """SIGHUP to the one that serves, and wait for the next one; the pid of the old one."""
        old = self.pid
        os.kill(old, signal.SIGHUP)
        self.pid = int(self.hear("ready")[1])
        return old

    def end(self) -> None:
        """SIGTERM, and wait until that one has said goodbye."""
        os.kill(self.pid, signal.SIGTERM)
        self.has_ended(self.pid)

    def has_ended(self, pid: int) -> None:
        """Wait until that one has said goodbye, if it has not yet."""
        while ["ended", str(pid)] not in [words[:2] for words in self.heard]:
            self.hear("ended")

    def executions(self) -> list[Execution]:
        lines = (line.split() for line in self.ledger.read_text().splitlines())
        return [Execution(int(call_id), name) for call_id, name in lines]

    def close(self) -> None:
        """Whoever is left ends with the pipe that all of them read."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        eventually(lambda: self._process.poll() is not None, PATIENCE, "the first one ends")
        while True:
            wait_read(self._process.stdout.fileno(), PATIENCE, AssertionError("one does not end"))
            if not os.read(self._process.stdout.fileno(), 4096):
                break
        self._process.stdout.close()

    def __str__(self) -> str:
        return f"{self.heard}\n{self._log.read_text()}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def who(address: str) -> int:
    with razorg.connect([address]) as pool:
        return int(pool.client(Witness).who())


def pid_on(page: int) -> int:
    """The process that shows itself at this port; 0 while there is none."""
    connection = HTTPConnection("127.0.0.1", page, timeout=PATIENCE)
    try:
        connection.request("GET", "/healthz", headers={"Connection": "close"})
        return int(json.loads(connection.getresponse().read())["pid"])
    except OSError:
        return 0
    finally:
        connection.close()


class UntilTheEnd:
    """Greenlets that go on while ``is_ending`` is not set; as a context."""

    def __init__(self) -> None:
        self.is_ending = False
        #: Not started yet.
        self.greenlets: list[gevent.Greenlet] = []

    def __enter__(self: _Self) -> _Self:
        for greenlet in self.greenlets:
            greenlet.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_ending = True
        gevent.joinall(self.greenlets, timeout=PATIENCE)


class Newcomers(UntilTheEnd):
    """Clients that connect all the time: some say nothing, some make one call; as a context."""

    def __init__(self, address: str, history: History) -> None:
        super().__init__()
        host, port = address.removeprefix("tcp://").split(":")
        self._target = (host, int(port))
        self._address = address
        self._history = history
        self.refused: list[OSError] = []
        self.connected = 0
        self.greenlets = [gevent.Greenlet(self._connect)]
        self.greenlets += [gevent.Greenlet(self._call) for _ in range(3)]

    def _connect(self) -> None:
        while not self.is_ending:
            try:
                gevent.socket.create_connection(self._target, timeout=PATIENCE).close()
                self.connected += 1
            except OSError as error:
                self.refused.append(error)
            gevent.sleep(0.001)

    def _call(self) -> None:
        while not self.is_ending:
            call_id = self._history.begin("read", idempotent=True, retries=3)
            with razorg.connect([self._address]) as pool:
                try:
                    self._history.ok(call_id, pool.client(Witness).read(call_id))
                except Exception as error:
                    self._history.failed(call_id, error)
            gevent.sleep(0.002)
