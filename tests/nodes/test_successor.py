"""A server hands its listeners to a new process: nobody is refused, and nothing is lost."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from support.line import Line, free_port, pid_on, who
from support.node_main import Witness, answer_of
from support.nodes import PATIENCE, eventually
from support.peers import in_hub, memory_url

import razorg
from razorg.server import successor
from razorg.server.inherit import READY, Giver, InheritedSocket

pytestmark = [
    pytest.mark.timeout(40),
    pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="it looks into /proc"),
]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Callable[..., Line]]:
    made: list[Line] = []

    def make(mode: str, *addresses: str) -> Line:
        made.append(Line(tmp_path, mode, *addresses))
        return made[-1]

    yield make
    for item in made:
        item.close()


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
def test_a_call_that_runs_at_the_hand_over_is_answered_by_the_old_one(line: Any, mode: str, tmp_path: Path) -> None:
    end, address = tmp_path / "end", f"tcp://127.0.0.1:{free_port()}"
    served = line(mode, address)
    with razorg.connect(address) as pool:
        call = razorg.submit(pool.client(Witness).held, 1, str(end))
        eventually(lambda: served.executions(), PATIENCE, "it runs")
        old = served.hand_over()
        # Both accept at first.
        eventually(lambda: who(address) == served.pid, PATIENCE, "the new one serves alone")
        assert not call.ready(), "while the old one drains"
        end.touch()
        assert call.get() == answer_of(1)
        served.has_ended(old)


def test_the_status_page_goes_along_when_the_old_one_has_ended(
    line: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    end, address, page = tmp_path / "end", f"tcp://127.0.0.1:{free_port()}", free_port()
    monkeypatch.setenv("STATUS_PAGE", f"127.0.0.1:{page}")
    served = line("good", address)
    with razorg.connect(address) as pool:
        call = razorg.submit(pool.client(Witness).held, 1, str(end))
        eventually(lambda: served.executions(), PATIENCE, "it runs")
        old = served.hand_over()
        eventually(lambda: who(address) == served.pid, PATIENCE, "the new one serves alone")
        assert pid_on(page) == old, "while the old one drains"
        end.touch()
        assert call.get() == answer_of(1)
        served.has_ended(old)
    eventually(lambda: pid_on(page) == served.pid, PATIENCE, "the new one has the page")
    assert f"the status page waits for 127.0.0.1:{page}" in str(served)


def test_a_server_that_cannot_start_has_not_said_that_it_serves() -> None:
    reading, writing = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as bound:
        given = InheritedSocket(fileno=os.dup(bound.fileno()))
    given.giver = Giver(writing)
    given.giver.untaken.add(given)
    server = razorg.RpcServer([given], [_Nobody()], status="192.0.2.1:1")  # no address of ours
    with pytest.raises(OSError):
        server.start()
    assert server.state == "stopped"
    given.giver.close()
    assert os.read(reading, 1) == b"", "so the giver goes on"
    os.close(reading)
    given.close()


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


@pytest.mark.parametrize("said", [[b"+"], [b"++"], [b"+", b"+"], [b"no", b" way"], []])
def test_several_processes_of_a_successor_may_say_that_it_serves(said: list[bytes]) -> None:
    reading, writing = os.pipe()
    serves = said[:1] in ([b"+"], [b"++"])
    with os.fdopen(reading, "rb"), os.fdopen(writing, "wb", buffering=0) as end:
        for word in said:
            end.write(word)
        if not serves:
            end.close()
        answer = successor._answer(reading, 2.0)
        assert answer.startswith(READY) == serves
        assert answer or not said
