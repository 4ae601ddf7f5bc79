"""A server hands its listeners to a new process: nobody is refused, and nothing is lost."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.socket import wait_read
from support.history import Execution, Figures, History, check
from support.load import Load, read
from support.node_main import Witness, answer_of
from support.nodes import PATIENCE, eventually
from support.peers import in_hub, memory_url

import razorg

pytestmark = [
    pytest.mark.timeout(40),
    pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="it looks into /proc"),
]


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


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Callable[..., Line]]:
    made: list[Line] = []

    def make(mode: str, *addresses: str) -> Line:
        made.append(Line(tmp_path, mode, *addresses))
        return made[-1]

    yield make
    for item in made:
        item.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def who(address: str) -> int:
    with razorg.connect([address]) as pool:
        return int(pool.client(Witness).who())


class Newcomers:
    """Clients that connect all the time: some say nothing, some make one call; as a context."""

    def __init__(self, address: str, history: History) -> None:
        host, port = address.removeprefix("tcp://").split(":")
        self._target = (host, int(port))
        self._address = address
        self._history = history
        self._is_ending = False
        self.refused: list[OSError] = []
        self.connected = 0
        self._greenlets = [gevent.Greenlet(self._connect)]
        self._greenlets += [gevent.Greenlet(self._call) for _ in range(3)]

    def _connect(self) -> None:
        while not self._is_ending:
            try:
                gevent.socket.create_connection(self._target, timeout=PATIENCE).close()
                self.connected += 1
            except OSError as error:
                self.refused.append(error)
            gevent.sleep(0.001)

    def _call(self) -> None:
        while not self._is_ending:
            call_id = self._history.begin("read", idempotent=True, retries=3)
            with razorg.connect([self._address]) as pool:
                try:
                    self._history.ok(call_id, pool.client(Witness).read(call_id))
                except Exception as error:
                    self._history.failed(call_id, error)
            gevent.sleep(0.002)

    def __enter__(self) -> Newcomers:
        for greenlet in self._greenlets:
            greenlet.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ending = True
        gevent.joinall(self._greenlets, timeout=PATIENCE)


def test_five_hand_overs_in_a_row_under_load(line: Any) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    served = line("good", address)
    history = History(answer_of)
    pools = [razorg.connect([address]) for _ in range(3)]
    loads = [Load(history, [read(pool.client(Witness))], 100) for pool in pools]
    with Newcomers(address, history) as newcomers, loads[0], loads[1], loads[2]:
        for _ in range(5):
            before, connected = history.succeeded, newcomers.connected
            old = served.hand_over()
            assert who(address) != 0
            eventually(
                lambda: history.succeeded > before + 100 and newcomers.connected > connected + 20,
                PATIENCE, f"calls go on: {served}",
            )  # fmt: skip
            served.has_ended(old)
            assert who(address) == served.pid
    for pool in pools:
        pool.close()
    served.end()
    executed = served.executions()
    figures = Figures.of(history, [executed])
    print(f"\n{figures}; {newcomers.connected} connections, {len(newcomers.refused)} refused")
    assert not newcomers.refused, newcomers.refused[:3]
    violations = check(history, [executed])
    assert not violations, violations[:5]
    assert figures.succeeded == figures.calls > 500, figures
    with pytest.raises(ConnectionRefusedError):  # the last one has closed what it had inherited
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])))


def test_every_kind_of_listener_goes_along(line: Any, tmp_path: Path) -> None:
    path = tmp_path / "s"
    addresses = [f"unix://{path}", f"tcp://127.0.0.1:{free_port()}"]
    served = line("good", *addresses)
    for _ in range(2):
        before = path.stat()
        old = served.hand_over()
        served.has_ended(old)
        assert path.stat() == before or path.stat().st_ino == before.st_ino, "the file stays"
        assert [who(address) for address in addresses] == [served.pid, served.pid]


@pytest.mark.parametrize("mode", ["good", "patched, good"])
def test_a_call_that_runs_at_the_hand_over_is_answered_by_the_old_one(line: Any, mode: str) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    served = line(mode, address)
    with razorg.connect(address) as pool:
        call = razorg.submit(pool.client(Witness).slow, 1, 1500)
        eventually(lambda: served.executions(), PATIENCE, "it runs")
        old = served.hand_over()
        # Both accept at first.
        eventually(lambda: who(address) == served.pid, PATIENCE, "the new one serves alone")
        assert not call.ready(), "while the old one drains"
        assert call.get() == answer_of(1)
        served.has_ended(old)


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("dies", "ChildProcessError.*ended with status 3"),
        ("patched, dies", "ChildProcessError.*ended with status 3"),
        ("is not there", "ChildProcessError.*cannot run /no/such/program: No such file"),
        ("never serves", "TimeoutError.*after 1 s.*inherited_sockets"),
        ("closes", "ChildProcessError.*closed its end"),
        ("ignores SIGTERM", "TimeoutError.*after 1 s"),
    ],
)
def test_when_the_successor_fails_the_old_one_goes_on(
    line: Any, tmp_path: Path, mode: str, text: str
) -> None:
    path = tmp_path / "s"
    address = f"unix://{path}"
    served = line(mode, address)
    for _ in range(2 if "dies" in mode else 1):
        os.kill(served.pid, signal.SIGHUP)
        _, pid, seconds, children, no_leak, hub_ran, error = served.hear("failed")
        assert re.search(text, error), error
        assert float(seconds) < 4
        assert (pid, children) == (str(served.pid), "0"), "nothing is left of it, no zombie either"
        assert (no_leak, hub_ran) == ("True", "True")
        assert who(address) == served.pid
    served.end()
    assert not path.exists(), "the file is the old one's again"


def test_what_cannot_be_handed_over() -> None:
    server = razorg.RpcServer(memory_url(), [_Nobody()])
    with pytest.raises(razorg.LocalProtocolError, match="cannot start a successor"):
        server.start_successor(["true"])
    server.start()
    with pytest.raises(razorg.LocalProtocolError, match="cannot be handed"):
        server.start_successor(["true"])
    server.stop()
    with pytest.raises(razorg.LocalProtocolError, match="cannot start a successor"):
        server.start_successor(["true"])


def test_the_hub_cannot_wait_for_a_successor() -> None:
    with razorg.RpcServer("tcp://127.0.0.1:0", [_Nobody()]) as server:
        error = in_hub(lambda: server.start_successor(["true"]))
    assert isinstance(error, razorg.LocalProtocolError) and "for a greenlet" in str(error)


def children() -> list[str]:
    """The processes, also dead ones, that this one has started."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


@pytest.mark.skipif(not os.path.exists(f"/proc/self/task/{os.getpid()}/children"), reason="no list of children here")
def test_one_at_a_time_and_a_killed_caller_leaves_nothing() -> None:
    before = children()
    with razorg.RpcServer("tcp://127.0.0.1:0", [_Nobody()]) as server:
        first = gevent.spawn(server.start_successor, [sys.executable, "-c", "import time; time.sleep(600)"])
        eventually(lambda: server._successor_is_coming, PATIENCE, "it starts")
        with pytest.raises(razorg.LocalProtocolError, match="cannot start a successor"):
            server.start_successor(["true"])
        first.kill(timeout=PATIENCE)
        assert isinstance(first.value, gevent.GreenletExit)
        with gevent.Timeout(0.2, False) as limit:
            server.start_successor([sys.executable, "-c", "import time; time.sleep(600)"])
        assert not limit.pending, "somebody else's Timeout goes through"
    assert not [pid for pid in children() if pid not in before], "nothing is left of them"


@razorg.service
class _Nobody:
    def nothing(self) -> None:
        pass
