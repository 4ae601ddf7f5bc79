"""What is counted of calls, at either side, and what a server tells about itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from gevent.event import Event
from support.peers import memory_url, wait_until

import razorg
from razorg.core.figures import ACTIONS_MAX, BUCKETS, OTHERS, Figures


class Broke(razorg.ErrorCode):
    code = 7


@razorg.service
class Cal:
    def __init__(self) -> None:
        self.gate = Event()

    def add(self, a: int, b: int) -> int:
        return a + b

    @razorg.method(raises=(Broke, OSError))
    def fail(self, how: str) -> None:
        raise Broke if how == "broke" else OSError(2, "x") if how == "os" else ValueError("undeclared")

    def wait(self) -> None:
        self.gate.wait()

    @razorg.method(inline=True)
    def quick(self) -> None: ...


class Raw(razorg.Dispatch):
    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        if request.action == 9:
            raise OSError(5, "no")
        if request.action == 8:
            return  # dropped
        gevent.spawn(respond.ok, request.decode())


@contextmanager
def pair(client: Any = None, server: Any = None, **settings: Any) -> Iterator[tuple[razorg.ClientPool, Cal]]:
    cal = Cal()
    with razorg.RpcServer(memory_url(), [cal], dispatch=Raw(), observer=server) as running:
        with razorg.connect(running.addresses[0], observer=client, **settings) as pool:
            yield pool, cal


def counted(figures: Figures) -> tuple[int, dict[str, int]]:
    assert sum(figures.buckets) == figures.calls
    assert figures.running == 0
    assert 0 <= figures.seconds < 60
    return figures.calls, figures.errors


def drive(pool: razorg.ClientPool, cal: Cal) -> None:
    client = pool.client(Cal)
    for n in range(10):
        assert client.add(n, 1) == n + 1
    assert razorg.submit(client.add, 1, 1).get(10) == 2
    assert pool.call("Cal.add", 1, 1) == 2
    for how, error in (("broke", Broke), ("os", OSError), ("bug", razorg.InternalError)):
        with pytest.raises(error):
            client.fail(how)
        with pytest.raises(error):
            razorg.submit(client.fail, how).get(10)
    client.quick()
    with pytest.raises(razorg.DecodeError):
        pool.call("Cal.add", "x", "y")
    assert pool.send(3, 4).get(10).msg == 4
    for action, raised in ((9, OSError), (8, razorg.InternalError)):
        with pytest.raises(raised):
            pool.send(action).get(10)


def test_a_client_counts_its_calls_by_action_and_error() -> None:
    observer = razorg.Observer()
    with pair(client=observer) as (pool, cal):
        drive(pool, cal)
    seen = {figures.action: counted(figures) for figures in observer.figures}
    assert seen == {
        "Cal.add": (13, {"DecodeError": 1}), "Cal.wait": (0, {}), "Cal.quick": (1, {}),
        "Cal.fail": (6, {"Broke": 2, "FileNotFoundError": 2, "InternalError": 2}),
        "3": (1, {}), "9": (1, {"OSError": 1}), "8": (1, {"InternalError": 1}),
    }
    assert counted(observer.total())[0] == 23
    assert repr(observer) == "<Observer of 7 actions, 23 calls>"


def test_a_server_counts_its_calls_by_action_and_error() -> None:
    observer = razorg.Observer()
    with pair(server=observer) as (pool, cal):
        drive(pool, cal)
    seen = {figures.action: counted(figures) for figures in observer.figures if figures.calls}
    assert seen == {
        "Cal.add": (13, {"DecodeError": 1}), "Cal.quick": (1, {}),
        "Cal.fail": (6, {"Broke": 2, "FileNotFoundError": 2, "ValueError": 2}),
        "3": (1, {}), "9": (1, {"OSError": 1}), "8": (1, {"Dropped": 1}),
    }


def test_what_runs_is_counted_while_it_runs() -> None:
    observer = razorg.Observer()
    with pair(server=observer) as (pool, cal):
        futures = [razorg.submit(pool.client(Cal).wait) for _ in range(5)]
        wait_until(lambda: observer.of("Cal.wait").running == 5)
        cal.gate.set()
        gevent.joinall(futures, timeout=10)
        for future in futures:
            future.get(10)
        assert counted(observer.of("Cal.wait")) == (5, {})


def test_calls_that_get_no_response_are_counted_too() -> None:
    observer = razorg.Observer()
    with pair(client=observer, task_timeout=60) as (pool, cal):
        client = pool.client(Cal)
        with pytest.raises(razorg.CallTimeout):
            razorg.with_options(client, timeout=0.02).wait()
        with pytest.raises(gevent.Timeout):
            with gevent.Timeout(0.02):
                client.wait()
        killed = gevent.spawn(client.wait)
        gevent.sleep(0.01)
        killed.kill()
        future = razorg.submit(client.wait)
        future.cancel()
        cal.gate.set()
        assert counted(observer.of("Cal.wait")) == (
            4, {"CallTimeout": 1, "Timeout": 1, "GreenletExit": 1, "CancelledError": 1},
        )
        assert observer.of("Cal.wait").quantile(1.0) >= 0.01


def test_unreachable_calls_and_retries_are_counted() -> None:
    observer = razorg.Observer()
    with razorg.connect(memory_url(), observer=observer) as pool:
        for call in (pool.client(Cal).quick, lambda: razorg.submit(pool.client(Cal).quick).get(10)):
            with pytest.raises(razorg.Unreachable):
                call()
    assert counted(observer.of("Cal.quick")) == (2, {"Unreachable": 2})
    assert observer.of("Cal.quick").quantile(1.0) < 5


@pytest.mark.parametrize("form", ["call", "submit", "send", "notify"])
def test_a_call_that_finds_no_address_is_counted_once(form: str) -> None:
    observer, ended = razorg.Observer(), list[Any]()
    with razorg.connect([memory_url(), memory_url()], observer=observer) as pool:
        for _ in range(5):
            if form == "notify":
                pool.send("Cal.quick", notify=ended.append)
                continue
            with pytest.raises(razorg.Unreachable):
                if form == "call":
                    pool.client(Cal).quick()
                elif form == "submit":
                    razorg.submit(pool.client(Cal).quick).get(10)
                else:
                    pool.send("Cal.quick").get(10)
        wait_until(lambda: form != "notify" or len(ended) == 5)
    assert counted(observer.of("Cal.quick")) == (5, {"Unreachable": 5})


class Elsewhere(razorg.ErrorText):
    def failover(self) -> Any:
        return razorg.NEXT


@razorg.service
class Sender:
    def __init__(self, sends_on: bool = True) -> None:
        self.sends_on = sends_on

    @razorg.method(raises=Elsewhere)
    def go(self) -> int:
        if self.sends_on:
            raise Elsewhere("x")
        return 1


def test_retries_are_counted() -> None:
    observer = razorg.Observer()
    with razorg.RpcServer(memory_url(), [Sender()]) as one, razorg.RpcServer(memory_url(), [Sender(False)]) as two:
        with razorg.connect([*one.addresses, *two.addresses], observer=observer, mode="leader") as pool:
            assert [pool.client(Sender).go() for _ in range(4)] == [1] * 4
            assert razorg.submit(pool.client(Sender).go).get(10) == 1
    figures = observer.of("Sender.go")
    assert counted(figures) == (5, {})
    assert figures.retries >= 1


def test_there_is_an_end_to_the_actions_that_are_counted() -> None:
    observer = razorg.Observer()
    for action in range(ACTIONS_MAX + 50):
        observer.of(action).ended(0.001)
    assert len(observer.figures) <= ACTIONS_MAX + 1
    assert observer.of(OTHERS).calls == 50


@pytest.mark.parametrize("seconds, place", [
    (0.0, 0), (0.5e-6, 0), (1e-6, 1), (1.9e-6, 1), (2e-6, 2), (1e-3, 10), (1.0, 20), (1e12, BUCKETS - 1),
])
def test_buckets_are_powers_of_two_of_microseconds(seconds: float, place: int) -> None:
    figures = Figures("x")
    figures.ended(seconds)
    assert [i for i, count in enumerate(figures.buckets) if count] == [place]


def test_quantiles_lie_in_their_bucket() -> None:
    figures = Figures("x")
    for _ in range(99):
        figures.ended(0.001)
    figures.ended(1.0)
    assert 0.0005 <= figures.quantile(0.5) <= 0.001024
    assert figures.quantile(0.99) <= 0.001024
    assert 0.5 <= figures.quantile(0.999) <= 1.048577
    assert Figures("y").quantile(0.5) == 0.0


@pytest.mark.parametrize("wrong", [True, print, {}])
def test_what_is_no_observer(wrong: Any) -> None:
    with pytest.raises(TypeError, match="Observer"):
        razorg.connect("tcp://h:1", observer=wrong)
    with pytest.raises(TypeError, match="Observer"):
        razorg.RpcServer(memory_url(), [Cal()], observer=wrong)


# what a server tells

def test_health() -> None:
    with pair() as (pool, _):
        health = pool.call("Razorg.health")
        assert health["status"] == "serving"
        assert health["version"] == razorg.__version__
        assert health["connections"] == 1
        assert health["running"] == 1  # the one that asks
        assert health["addresses"][0].startswith("memory://")
        assert 0 <= health["uptime"] < 60
        assert pool.call("Razorg.health")["read_requests"] > health["read_requests"]


def test_stats_are_counted_while_somebody_asks() -> None:
    with pair() as (pool, _):
        client = pool.client(Cal)
        client.add(1, 2)
        first = pool.call("Razorg.stats")
        assert first["methods"]["Cal.add"]["calls"] == 0
        client.add(1, 2)
        with pytest.raises(Broke):
            client.fail("broke")
        stats = pool.call("Razorg.stats")
        assert stats["methods"]["Cal.add"]["calls"] == 1
        assert stats["methods"]["Cal.fail"]["errors"] == {"Broke": 1}
        assert stats["server"]["status"] == "serving"
        assert stats["seconds"] > first["seconds"]


def test_nothing_is_counted_when_nobody_has_asked_for_a_minute() -> None:
    with razorg.RpcServer(memory_url(), [Cal()]) as server:
        server.stats()
        assert server._watcher is not None
        server.on_tick(server._watched_until + 0.1)
        assert server._watcher is None
        with razorg.connect(server.addresses[0]) as pool:
            pool.client(Cal).add(1, 2)
        assert server.stats()["methods"]["Cal.add"]["calls"] == 0


def test_a_server_with_an_observer_tells_what_that_has_counted() -> None:
    with pair(server=razorg.Observer()) as (pool, _):
        pool.client(Cal).add(1, 2)
        assert pool.send(3, 4).get(10).msg == 4
        stats = pool.call("Razorg.stats")
        assert stats["methods"]["Cal.add"]["calls"] == 1
        assert stats["methods"]["3"]["calls"] == 1


def test_no_reflection_no_word() -> None:
    with razorg.RpcServer(memory_url(), [Cal()], reflection=False) as server:
        with razorg.connect(server.addresses[0]) as pool:
            for action in ("Razorg.describe", "Razorg.health", "Razorg.stats"):
                with pytest.raises(razorg.ServiceNotFound):
                    pool.call(action)
