"""Starts and keeps the servers of both kinds, and runs the Rust client."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import gevent.subprocess
import pytest

import razorg

from . import actions, contract
from .cases_api import Clients
from .cases_failover import Nodes
from .cases_stream import Link

BUILD = Path(__file__).resolve().parents[2] / "scripts" / "build-rust-peer"
NO_CARGO = 3
CLIENT_PATIENCE = 300  # seconds for all cases of one Rust client


def build_peer() -> subprocess.CompletedProcess[str]:
    """Build the Rust peer; its path is on stdout.  Takes no time when it is there already."""
    return subprocess.run([sys.executable, str(BUILD)], capture_output=True, text=True)


class RustServer:
    """A running ``peer …-server``; ``url`` is where it listens."""

    def __init__(self, binary: str, role: str, listen: str, name: str) -> None:
        command = [binary, f"{role}-server", listen, "--name", name]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        assert first.startswith("LISTENING "), f"{command} said {first!r}"
        address = first.split()[1]
        self.url = f"unix://{address}" if address.startswith("/") else f"tcp://{address}"

    def stop(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=20)


class World:
    """Every server and client of a test session, each made when it is first asked for."""

    def __init__(self) -> None:
        # First of all: nothing of ours runs while the build keeps this thread for two minutes.
        self._build = build_peer()
        self._directory = tempfile.mkdtemp(prefix="razorg-")  # short: the path of a socket has 107 bytes
        self._made: Dict[Tuple[Any, ...], Any] = {}
        self._endings: List[Callable[[], Any]] = []

    def close(self) -> None:
        for end in reversed(self._endings):
            end()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def binary(self) -> str:
        """The path of the Rust peer; skips the test when there is no cargo to build it."""
        if self._build.returncode == NO_CARGO:
            pytest.skip(self._build.stderr.strip().splitlines()[-1])
        assert self._build.returncode == 0, f"the Rust peer does not build:\n{self._build.stderr[-3000:]}"
        return self._build.stdout.strip()

    def api(self, kind: str, transport: str) -> Nodes:
        """Two API servers, nodes ``a`` and ``b``."""

        def make() -> Nodes:
            nobody = "tcp://127.0.0.1:1" if transport == "tcp" else f"unix://{self._directory}/nobody.sock"
            return Nodes(*(self._server(kind, "api", transport, name) for name in "ab"), nobody)

        return self._once(("api", kind, transport), make)

    def stream_url(self, kind: str, transport: str) -> str:
        return self._once(("url", kind, transport), lambda: self._server(kind, "stream", transport, "node"))

    def clients(self, kind: str, transport: str) -> Clients:
        """The endpoints of one pool, connected to node ``a``."""

        def make() -> Clients:
            pool = razorg.connect(self.api(kind, transport).first)
            self._endings.append(pool.close)
            return Clients.of(pool)

        return self._once(("clients", kind, transport), make)

    def link(self, kind: str, transport: str) -> Link:
        """One stream for all cases; another when a case has broken it."""
        key = ("link", kind, transport)
        if key in self._made and self._made[key].stream.is_closed:
            del self._made[key]

        def make() -> Link:
            url = self.stream_url(kind, transport)
            stream = razorg.ClientStream(url)
            self._endings.append(stream.close)
            return Link(url, stream)

        return self._once(key, make)

    def rust_client(self, role: str, kind: str, transport: str) -> Dict[str, Any]:
        """What the Rust client reports of each case: name to its line."""
        return self._once(("report", role, kind, transport), lambda: self._run_rust_client(role, kind, transport))

    def _run_rust_client(self, role: str, kind: str, transport: str) -> Dict[str, Any]:
        command = [self.binary, f"{role}-client"]
        if role == "api":
            nodes = self.api(kind, transport)
            command += [contract.bare(nodes.first), contract.bare(nodes.second)]
        else:
            command.append(contract.bare(self.stream_url(kind, transport)))
        if kind == "rust":
            command.append("--reference")
        # gevent's, because the server that is asked may live in this process.
        done = gevent.subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=CLIENT_PATIENCE)
        lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
        assert lines, f"{command} reported nothing: {done.stderr.decode()}"
        return {line["case"]: line for line in lines}

    def _server(self, kind: str, role: str, transport: str, name: str) -> str:
        path = f"{self._directory}/{kind}-{role}-{name}.sock"
        if kind == "rust":
            listen = "127.0.0.1:0" if transport == "tcp" else path
            rust = RustServer(self.binary, role, listen, name)
            self._endings.append(rust.stop)
            return rust.url
        listen = "tcp://127.0.0.1:0" if transport == "tcp" else f"unix://{path}"
        server = contract.api_server(listen, name) if role == "api" else actions.stream_server(listen)
        self._endings.append(lambda: server.stop(timeout=5))
        return server.addresses[0]

    def _once(self, key: Tuple[Any, ...], make: Callable[[], Any]) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


def rust_cases(role: str) -> List[str]:
    """The cases of the Rust clients without ``--reference``, as ``rust_cases.txt`` lists them."""
    lines = (Path(__file__).parent / "rust_cases.txt").read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if line.split()[0] == role]
