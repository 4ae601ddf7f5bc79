"""The network of one's own: its link passes, loses, narrows, and is gone at the end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import gevent
import pytest
from gevent import socket
from support.namespaces import Namespace, missing
from support.nodes import PATIENCE, eventually

PORT = 7700
ECHO = f"""
import socket
echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
echo.bind(("0.0.0.0", {PORT}))
print("ready", flush=True)
while True:
    try:
        echo.sendto(*echo.recvfrom(2000))
    except PermissionError:  # lost, says the kernel
        pass
"""


@pytest.fixture
def space() -> Iterator[Namespace]:
    if reason := missing("nft"):
        pytest.skip(reason)
    with Namespace() as space:
        yield space
    assert space.name not in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    assert subprocess.run(["ip", "link", "show", space._link[0]], capture_output=True).returncode != 0


def test_its_link(space: Namespace) -> None:
    command = [*space.inside, sys.executable, "-c", ECHO]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as echo, socket.socket(type=socket.SOCK_DGRAM) as sock:
        assert echo.stdout is not None
        assert gevent.get_hub().threadpool.apply(echo.stdout.readline) == b"ready\n"
        sock.connect((space.there, PORT))
        sock.settimeout(PATIENCE)
        sock.send(b"there?")
        assert sock.recv(100) == b"there?"

        space.lose(1)
        for _ in range(5):
            sock.send(b"lost")
        eventually(lambda: space.lost() >= 5, PATIENCE, "all are lost")

        space.lose(3)
        for number in range(300):
            sock.send(b"%d" % number)
        eventually(lambda: 50 < space.lost() < 250, PATIENCE, "some are lost")

        space.lose(0)
        sock.send(b"again")
        while sock.recv(100) != b"again":  # after those that came through
            pass

        space.narrow(100)
        with pytest.raises(OSError, match="[Mm]essage too long"):
            sock.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER: never in pieces
            sock.send(bytes(101))
        echo.kill()


def test_what_runs_in_it_is_killed_with_it() -> None:
    if reason := missing():
        pytest.skip(reason)
    with Namespace() as space:
        sleeper = subprocess.Popen([*space.inside, "sleep", "600"])
        eventually(lambda: space.run("ip", "netns", "pids", space.name).split(), PATIENCE, "it runs")
    assert sleeper.wait(PATIENCE) == -9
