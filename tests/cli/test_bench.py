"""``razorg bench``: as many calls as it was asked for, and how it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from click.testing import CliRunner, Result
from support.peers import memory_url, wait_until

import razorg
from razorg.cli import bench as command
from razorg.cli.main import cli


class NotFound(razorg.ErrorText):
    pass


@razorg.service
class Shop:
    """Counts what it sells."""

    def __init__(self) -> None:
        self.sold: list[Any] = []

    @razorg.method(raises=NotFound)
    def sell(self, name: str, count: int = 1) -> None:
        self.sold.append((name, count))
        if name == "x":
            raise NotFound("there is no x")

    def slow(self) -> None:
        self.sold.append("soon")
        gevent.sleep(600)

    @razorg.method(raises=OSError)
    def number(self) -> None:
        raise OSError(2, "")

    def bug(self) -> None:
        raise ValueError


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def address(shop: Shop) -> Iterator[str]:
    with razorg.RpcServer(memory_url(), [shop], stop_timeout=0) as running:
        yield running.addresses[0]


def bench(address: str, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["bench", address, *arguments])


@pytest.mark.parametrize("arguments, calls", [
    (["--calls", "1"], 1),
    (["--calls", "77"], 77),
    (["--calls", "333", "--rate", "2000"], 333),
    (["--seconds", "0.2", "--rate", "500"], 100),
    (["--seconds", "0.3", "--rate", "10"], 3),
])
def test_there_are_as_many_calls_as_were_asked_for(address: str, shop: Shop, arguments: list[str], calls: int) -> None:
    result = bench(address, "Shop.sell", "name=5", *arguments, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert told["calls"] == len(shop.sold) == calls
    assert set(shop.sold) == {("5", 1)}
    if "--rate" in arguments:
        assert told["calls_per_second"] <= float(arguments[-1]) + 1e-6


@pytest.mark.parametrize("arguments, code, words", [
    (["Shop.sell", "x"], 1, "Shop.sell failed: there is no x"),
    (["Shop.number"], 1, "Shop.number failed: error 2: ENOENT, No such file or directory"),
    (["Shop.sell"], 2, "missing name"),
    (["Shop.bug"], 5, "InternalError"),
    (["Shop.nothing"], 5, "MethodNotFound"),
    (["Shop.sell", "x", "--rate", "50"], 1, "there is no x"),  # and waits for no caller whose time comes
    (["--plot", "/nowhere/p.svg"], 2, "razorg: /nowhere/p.svg cannot be written: there is no folder /nowhere\n"),
])
def test_how_it_fails(address: str, arguments: list[str], code: int, words: str) -> None:
    result = bench(address, *arguments, "--calls", "1000")
    assert result.exit_code == code, result.output
    assert words in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("arguments, begun", [(["Shop.sell", "a"], 100), (["Shop.slow"], 1)])
def test_ctrl_c_ends_its_callers(address: str, shop: Shop, arguments: list[str], begun: int) -> None:
    """Those of a pool that is closed would go on for ever, and let nobody else run."""
    here = gevent.getcurrent()

    def interrupt() -> None:
        wait_until(lambda: len(shop.sold) >= begun)
        gevent.get_hub().loop.run_callback(here.throw, KeyboardInterrupt)

    gevent.spawn(interrupt)
    result = bench(address, *arguments, "--json")
    assert result.exit_code == 130
    assert result.output == ""


def test_the_slowest_of_very_many_calls_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the latencies that are kept are a sample."""
    monkeypatch.setattr(command, "_KEPT", 10)
    calls = iter([0.05] + [0.0] * 199)
    run = command._Run(lambda: gevent.sleep(next(calls)), 200, 1.0)
    run.in_turn()
    assert len(run.latencies) == 10 and run.calls == 200
    told = command._told(run, 1.0, 0)
    assert told["latency"]["max"] >= 0.05 > told["latency"]["p50"]
    assert list(told["latency"]) == ["p50", "p90", "p99", "p99.9", "max"]
