"""What users of pytest get: servers that end with the test, and faults by script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.certificates import server_file
from support.peers import wait_until
from support.threads import in_thread

import razorg
from razorg.hubs.here import hub_if_any
from razorg.testing.plugin import Served, razorg_server

__all__ = ["razorg_server"]


@razorg.service
class Shop:
    def __init__(self) -> None:
        self.asked = 0
        self.fails = False

    def price(self) -> int:
        self.asked += 1
        if self.fails:
            raise ValueError
        return 3


def retrying(client: Shop) -> int:
    for _ in range(3):
        try:
            return client.price()
        except razorg.ConnectionLost:
            pass
    raise AssertionError


def test_the_price_survives_a_lost_answer(razorg_server: Callable[..., Served]) -> None:
    shop = Shop()
    served = razorg_server(shop)
    served.faults.fail_after("Shop.price", razorg.ConnectionLost(sent="maybe"))
    assert retrying(served.client(Shop)) == 3
    assert len(served.faults.calls) == 2
    assert shop.asked == 2
    assert served.faults.is_done


def test_faults_come_in_order(razorg_server: Callable[..., Served]) -> None:
    shop = Shop()
    served = razorg_server(shop, address="tcp://127.0.0.1:0")
    faults = served.faults
    faults.fail("Shop.price", razorg.Unreachable(sent="no"), times=2)
    faults.answer("Shop.price", 42)
    faults.delay("Shop.price", 0.01)
    for _ in range(2):
        with pytest.raises(razorg.Unreachable):
            served.client(Shop).price()
    assert not faults.is_done
    assert [served.client(Shop).price() for _ in range(3)] == [42, 3, 3]
    assert shop.asked == 2
    assert razorg.submit(served.client(Shop).price).get(10) == 3


@pytest.mark.parametrize("run", [lambda function: function(), in_thread], ids=["here", "in a native thread"])
def test_futures_end_with_what_was_scripted(razorg_server: Callable[..., Served], run: Callable[..., Any]) -> None:
    shop = Shop()
    served = razorg_server(shop)
    price, faults = served.client(Shop).price, served.faults
    faults.fail("Shop.price", razorg.ConnectionLost(sent="maybe"))
    faults.fail_after("Shop.price", razorg.ConnectionLost(sent="maybe"))
    faults.answer("Shop.price", 42)
    lost, lost_after, answered, real = run(lambda: [razorg.submit(price) for _ in range(4)])
    for future in (lost, lost_after):
        with pytest.raises(razorg.ConnectionLost):
            run(lambda future=future: future.result(5))
    assert (run(lambda: answered.result(5)), real.result(5)) == (42, 3)
    assert shop.asked == 2
    called: list[Any] = []
    lost.add_done_callback(called.append)
    wait_until(lambda: called == [lost])


@pytest.mark.parametrize("form", ["call", "submit"])
def test_an_answer_that_is_lost_may_be_an_error(razorg_server: Callable[..., Served], form: str) -> None:
    shop = Shop()
    served = razorg_server(shop)
    lost = razorg.ConnectionLost("scripted", sent="maybe")
    served.faults.fail_after("Shop.price", lost)
    shop.fails = True
    price = served.client(Shop).price
    with pytest.raises(razorg.ConnectionLost, match="scripted"):
        price() if form == "call" else razorg.submit(price).get(timeout=10)
    assert shop.asked == 1 and served.faults.is_done


def test_the_answer_of_a_task_cannot_be_lost(razorg_server: Callable[..., Served]) -> None:
    served = razorg_server(Shop())
    served.faults.fail_after("Shop.price", razorg.ConnectionLost(sent="maybe"))
    with pytest.raises(TypeError, match="goes there, and cannot be lost"):
        served.pool.send("Shop.price", notify=[].append)
    assert served.pool.in_flight == 0 and served.client(Shop).price() == 3


def test_a_delay_makes_no_hub_in_a_native_thread(razorg_server: Callable[..., Served]) -> None:
    served = razorg_server(Shop())
    served.faults.delay("Shop.price", 0.01)
    assert in_thread(lambda: (served.client(Shop).price(), hub_if_any())) == (3, None)
    assert served.faults.is_done


def test_futures_and_tasks_end_as_scripted(razorg_server: Callable[..., Served]) -> None:
    served = razorg_server(Shop())
    lost = razorg.ConnectionLost(sent="maybe")
    price = served.client(Shop).price
    served.faults.fail("Shop.price", lost)
    served.faults.fail_after("Shop.price", lost, times=2)
    served.faults.answer("Shop.price", 42)
    failed, late, cancelled = (razorg.submit(price) for _ in range(3))
    assert cancelled.cancel()
    for future in (failed, late):
        with pytest.raises(razorg.ConnectionLost):
            future.get(timeout=10)
    assert cancelled.cancelled()
    assert razorg.submit(price).get(timeout=10) == 42
    assert served.faults.is_done
    done: list[Any] = []
    served.faults.fail("Shop.price", lost)
    with pytest.raises(razorg.ConnectionLost):
        served.pool.send("Shop.price", notify=done.append)
    served.faults.fail("Shop.price", lost)
    with pytest.raises(razorg.ConnectionLost):
        served.pool.send("Shop.price").get(timeout=10)
    assert done == []


def test_the_pool_has_settings_of_its_own_and_the_codec_of_the_server(
    razorg_server: Callable[..., Served],
) -> None:
    served = razorg_server(
        Shop(),
        address="tls://127.0.0.1:0",
        tls=razorg.ServerTls(server_file()),
        codec="msgspec",
        client={"tls": razorg.ClientTls(verify=False), "task_timeout": 7.0},
    )
    assert served.client(Shop).price() == 3
    assert served.pool.config.task_timeout == 7.0
    assert type(served.pool.codec) is type(served.server.codec)


def test_many_servers(razorg_server: Callable[..., Served]) -> None:
    made: list[Any] = [razorg_server(Shop()) for _ in range(3)]
    assert len({served.address for served in made}) == 3
    assert [served.client(Shop).price() for served in made] == [3, 3, 3]
