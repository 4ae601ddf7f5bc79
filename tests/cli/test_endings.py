"""How the commands end when they are told to, or cannot go on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from time import monotonic
from typing import Any

import click
import gevent
import pytest
from click.testing import CliRunner
from gevent.event import Event
from support.peers import memory_url
from support.typed import PATIENCE, outcome, start

import razorg
from razorg.cli.connecting import Connect, connection_options, ended_by_signals
from razorg.cli.start import interrupt_here


@razorg.service
class Shop:
    """Sells things, of 5 µg each."""

    def __init__(self) -> None:
        self.waiting = Event()

    def echo(self, value: Any) -> Any:
        return value

    def wait(self) -> None:
        self.waiting.set()
        gevent.sleep(600)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def server(shop: Shop) -> Iterator[razorg.RpcServer]:
    running = razorg.RpcServer(["tcp://127.0.0.1:0", memory_url()], [shop], stop_timeout=0)
    with running:
        yield running


def test_ctrl_c_is_no_mistake(server: razorg.RpcServer, shop: Shop) -> None:
    process = start("call", server.addresses[0], "Shop.wait")
    assert shop.waiting.wait(PATIENCE)
    process.send_signal(signal.SIGINT)
    assert outcome(process) == (130, "", "")


def test_ctrl_c_is_for_the_greenlet_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others come through, as those that read and write for all."""
    monkeypatch.setattr(gevent.get_hub(), "NOT_ERROR", gevent.get_hub().NOT_ERROR)
    before = signal.getsignal(signal.SIGINT)
    interrupt_here()
    try:
        other = gevent.spawn(lambda: signal.raise_signal(signal.SIGINT) or "goes on")
        with pytest.raises(KeyboardInterrupt):
            gevent.sleep(PATIENCE)
        assert other.get() == "goes on"
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_waits_for_no_call(server: razorg.RpcServer, shop: Shop) -> None:
    @click.command()
    @connection_options
    def probe(connect: Connect) -> None:
        with connect(server.addresses[1]) as pool:
            calling.append(gevent.spawn(pool.call, "Shop.wait"))
            assert shop.waiting.wait(PATIENCE)
            raise KeyboardInterrupt

    calling: list[Any] = []
    began = monotonic()
    CliRunner().invoke(probe)
    assert monotonic() - began < PATIENCE / 2
    calling[0].kill()


def test_the_second_ctrl_c_does_not_wait() -> None:
    stops: list[int] = []
    with pytest.raises(KeyboardInterrupt), ended_by_signals(lambda: stops.append(1)):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert stops == [1, 1, 1]
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_the_terminal_has_no_letters_for_is_escaped(server: razorg.RpcServer) -> None:
    process = start("ls", server.addresses[0], "Shop", PYTHONIOENCODING="ascii")
    code, out, err = outcome(process)
    assert (code, err) == (0, "")
    assert "Sells things, of 5 \\xb5g each." in out


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [["doctor"], ["--help"]])
def test_what_cannot_be_printed_is_told_in_a_line(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        process = start(*arguments, stdout=full)
        assert outcome(process) == (2, None, "razorg: [Errno 28] No space left on device\n")


def test_a_reader_that_has_had_enough_is_told_nothing(server: razorg.RpcServer) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start("stubgen", server.addresses[0], stdout=writing)
    os.close(writing)
    assert outcome(process) == (0, None, "")
