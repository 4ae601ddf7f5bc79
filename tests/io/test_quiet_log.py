"""What a peer can cause without end is logged once a second, with the number of the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest
from support.peers import ScriptedClient, memory_url, request, wait_until

import razorg
from razorg.link.seldom import Seldom

COUNT = 50


@razorg.service
class Shop:
    def sell(self, count: int) -> int:
        if count < 0:
            raise ValueError("a defect")
        if not count:
            raise KeyError("another one")
        return 2**70  # cannot be sent


class Raw(razorg.Dispatch):
    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        if request.action == 1:
            respond.ok(request.decode(int))
        if request.action == 2:
            raise razorg.ConnectionLost("to another server")
        if request.action == 3:
            raise ValueError("a defect")
        if request.action == 4:
            respond.ok()
            raise ValueError("too late")
        if request.action == 5:
            respond.error(razorg.ErrorText("rpc_timeout"))


def calls(action: int | str, msg: bytes = b"") -> Callable[[str], None]:
    def send(url: str) -> None:
        with ScriptedClient(url) as client:
            client.send(b"".join(request(seq, action, msg) for seq in range(1, COUNT + 1)))
            client.read_replies(COUNT)

    return send


def connections(data: bytes) -> Callable[[str], None]:
    def send(url: str) -> None:
        for _ in range(COUNT):
            with ScriptedClient(url) as client:
                client.send(data)
                client.expect_eof()

    return send


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("do not fit", calls("Shop.sell", b"\x91\xa1x")),
        ("cannot be sent", calls("Shop.sell", b"\x01")),
        ("handler of 'Shop.sell' failed", calls("Shop.sell", b"\xff")),
        ("does not fit", calls(1, b"\xa1x")),
        ("handler of 2 failed", calls(2)),
        ("handler of 3 failed", calls(3)),
        ("failed after its answer", calls(4)),
        ("is a name of the framework", calls(5)),
        ("dropped without an answer", calls(6)),
        ("broke the protocol", connections(b"x" * 32)),
    ],
)  # fmt: skip
def test_a_peer_cannot_flood_the_log(line: str, cause: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "razorg")
    with razorg.RpcServer(memory_url(), [Shop()], dispatch=Raw()) as server:
        cause(server.addresses[0])
        wait_until(lambda: not server.connections)
        assert caplog.text.count(line) >= 1
    assert caplog.text.count(line) <= 4
    told = [record.getMessage() for record in caplog.records]
    assert len(told) <= 6
    assert "lines like this were left out" in told[-1]


def test_what_takes_too_long_is_told_seldom(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "razorg")
    with razorg.RpcServer(memory_url(), [Shop()], idle_timeout=0.01) as server:
        clients = [ScriptedClient(server.addresses[0]) for _ in range(50)]
        wait_until(lambda: server.connections == 50)
        server.on_tick(monotonic() + 1000)
        for client in clients:
            client.expect_eof()
            client.close()
    assert [line.count("was idle") for line in records(caplog)] == [1, 0]


def records(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_each_defect_has_its_own_line(caplog: pytest.LogCaptureFixture) -> None:
    with razorg.RpcServer(memory_url(), [Shop()]) as server, razorg.connect(server.addresses[0]) as pool:
        for count in (-1, -1, 0, 0, -1):
            with pytest.raises(razorg.InternalError):
                pool.call("Shop.sell", count)
    assert caplog.text.count("a defect") == 2  # of a traceback: the line and the message
    assert caplog.text.count("another one") == 2


def test_what_was_left_out_is_told_with_the_next_line_or_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    seldom = Seldom(logging.getLogger("razorg"))
    for number in range(3):
        seldom.warning("%s may not %r", "x" * 1000, number)
    assert records(caplog) == ["x" * 200 + "… may not 0"]
    seldom.tell_rest(monotonic() - 60)
    assert len(caplog.records) == 1
    seldom.tell_rest(monotonic())
    seldom.tell_rest(monotonic())
    assert records(caplog)[1:] == ["… may not … (2 lines like this were left out)"]
    seldom.warning("%s may not %r", "a", 1)
    assert records(caplog)[2:] == ["a may not 1"]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_an_error_that_cannot_say_what_it_is_is_told_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("out of order")

    Seldom(logging.getLogger("razorg")).warning("it failed: %s", Mute())
    assert records(caplog) == ["it failed: Mute"]
