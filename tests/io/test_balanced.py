"""``mode="balanced"``: who is slow gets less, who fails is left alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from support.peers import ScriptedServer, memory_url, wait_until
from support.pools import part_of

import razorg
from razorg.client import opening


@razorg.service
class Node:
    def __init__(self, name: str, seconds: float = 0.0, fails: bool = False) -> None:
        self.name, self.seconds, self.fails = name, seconds, fails

    def who(self) -> str:
        if self.fails:
            raise ValueError("out of order")
        gevent.sleep(self.seconds)
        return self.name


@pytest.fixture
def nodes() -> list[Node]:
    return [Node("slow", 0.02), Node("quick"), Node("swift")]


@pytest.fixture
def servers(nodes: list[Node]) -> Iterator[list[razorg.RpcServer]]:
    servers = [razorg.RpcServer(memory_url(), [node]) for node in nodes]
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.stop(0)


def asked(pool: razorg.FailoverPool, count: int, callers: int = 6) -> Counter[str]:
    names: Counter[str] = Counter()

    def call() -> None:
        for _ in range(count // callers):
            try:
                names[pool.client(Node).who()] += 1
            except razorg.InternalError:
                names["failed"] += 1

    gevent.joinall([gevent.spawn(call) for _ in range(callers)], timeout=30, raise_error=True)
    return names


def test_the_slow_one_gets_fewer_calls(nodes: list[Node], servers: list[razorg.RpcServer]) -> None:
    with razorg.connect([server.addresses[0] for server in servers], mode="balanced") as pool:
        asked(pool, 60)
        names = asked(pool, 600)
        assert names["slow"] < 0.5 * min(names["quick"], names["swift"])
        assert sum(names.values()) == 600
        futures = [razorg.submit(pool.client(Node).who) for _ in range(90)]
        assert Counter(future.get(10) for future in futures)["slow"] < 45


def test_the_one_that_fails_is_left_alone_and_tried_again(nodes: list[Node], servers: list[razorg.RpcServer]) -> None:
    with razorg.connect([server.addresses[0] for server in servers], mode="balanced") as pool:
        asked(pool, 60)
        nodes[1].fails = True
        part = pool._in_use()[0]
        part._ticker.discard(part)  # it is looked when the test says so
        assert asked(pool, 300)["failed"] >= 10
        part._routing.look(1_000_000.0)
        assert [place.address for place in part._routing.ejected()] == servers[1].addresses
        assert asked(pool, 120)["failed"] == 0
        nodes[1].fails = False
        part._routing.look(1_000_011.0)
        assert part._routing.ejected() == []
        assert asked(pool, 900, callers=60)["quick"] > 0


def test_a_node_that_is_gone_costs_no_call(nodes: list[Node], servers: list[razorg.RpcServer]) -> None:
    with razorg.connect([server.addresses[0] for server in servers], mode="balanced") as pool:
        asked(pool, 60)
        servers[2].stop(0)
        wait_until(lambda: servers[2].connections == 0)
        names = asked(pool, 120)
        assert names["swift"] == names["failed"] == 0
        pool.update_addresses([servers[0].addresses[0]])
        assert set(asked(pool, 12)) == {"slow"}


def test_who_finds_no_room_waits_at_the_good_nodes(nodes: list[Node], servers: list[razorg.RpcServer]) -> None:
    for node in nodes:
        node.seconds = 0.05
    urls = [server.addresses[0] for server in servers]
    with razorg.connect(urls, mode="balanced", window=2, max_connections=1) as pool:
        asked(pool, 30)
        part = pool._in_use()[0]
        part._ticker.discard(part)
        ejected = part._places[next(at for at in part._places if str(at) == urls[1])]
        for place in part.places():
            assert place.meter is not None
            for _ in range(20):
                place.meter.failed() if place is ejected else place.meter.succeeded(0.05)
        part._routing.look(1_000_000.0)
        assert part._routing.ejected() == [ejected]
        names = asked(pool, 60, callers=20)
        assert names["quick"] == 0 and sum(names.values()) == 60


@pytest.mark.parametrize("how", ["call", "submit", "send"])
def test_the_time_to_connect_speaks_against_no_node(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = opening.ClientStream

    def slowly(*args: Any, **settings: Any) -> Any:
        gevent.sleep(0.5)
        return connect(*args, **settings)

    monkeypatch.setattr(opening, "ClientStream", slowly)
    with razorg.RpcServer(memory_url(), [Node("a")]) as server:
        with razorg.connect(server.addresses, mode="balanced") as pool:
            done: list[Any] = []
            if how == "call":
                done.append(pool.call("Node.who"))
            elif how == "submit":
                done.append(pool.submit("Node.who").get(5))
            else:
                pool.send("Node.who", notify=done.append)
                wait_until(lambda: done)
            (place,) = part_of(pool)._places.values()
            assert 0 < place.meter.latency < 0.45


class Unknown(razorg.ErrorText):
    pass


@razorg.service
class Catalogue:
    """Knows nothing, and says so in all the ways there are; one call in ten goes wrong."""

    def __init__(self) -> None:
        self.asked = 0

    @razorg.method(raises=(Unknown, OSError))
    def find(self, how: str) -> int:
        self.asked += 1
        if self.asked % 10 == 0:
            raise ValueError("out of order")
        raise {"text": Unknown("x"), "number": OSError(2, "x")}[how]


@pytest.mark.parametrize("form", ["call", "submit"])
@pytest.mark.parametrize("how", ["text", "number", "method"])
def test_an_error_that_was_meant_is_an_answer(form: str, how: str) -> None:
    with razorg.RpcServer([one := memory_url(), two := memory_url()], [Catalogue()]):
        with razorg.connect([one, two], mode="balanced") as pool:
            part = part_of(pool)
            part._ticker.discard(part)  # which takes what was counted
            action, raises = "Catalogue.nothing" if how == "method" else "Catalogue.find", (Unknown, OSError)
            for _ in range(40):
                with pytest.raises((razorg.RpcError, razorg.ErrorText, OSError)):
                    if form == "call":
                        pool.call(action, how, raises=raises)
                    else:
                        pool.submit(action, how, raises=raises).get()
            meters = [node.meter for node in part._routing._nodes.values()]
            assert sum(meter.failures for meter in meters) == (0 if how == "method" else 4)
            assert sum(meter.successes for meter in meters) == (40 if how == "method" else 36)


@pytest.mark.parametrize("how", ["cancel", "timeout", "error of the timeout"])
def test_who_gave_up_says_nothing_of_the_node(how: str) -> None:
    with ScriptedServer() as silent, razorg.connect([silent.address], mode="balanced") as pool:
        part = part_of(pool)
        part._ticker.discard(part)
        for _ in range(5):
            if how == "cancel":
                assert pool.submit("Node.who").cancel()
                continue
            with pytest.raises((gevent.Timeout, TimeoutError)):
                with gevent.Timeout(0.001, TimeoutError if how != "timeout" else None):
                    pool.call("Node.who")
        (node,) = part._routing._nodes.values()
        assert node.meter.take() == (0, 0)
        wait_until(lambda: pool.in_flight == 0)
