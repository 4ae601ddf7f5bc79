"""What every resolver has to do, whatever it asks: one suite, and a world for each kind."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from support.nameserver import Nameserver
from support.nodes import eventually

import razorg
from razorg.discovery import Answer, Node, Snapshot
from razorg.discovery.following import Following
from razorg.discovery.registry import resolver_maker

#: For what takes a second or two, on a machine that has other things to do.
LIMIT = 20.0
KINDS = ["file", "dns+tcp", "dns+srv", "zk", "etcd", "own"]
A, B, C = (f"tcp://127.0.0.{10 + index}:7700" for index in range(3))


class World:
    """What a resolver asks, and what the test does to it."""

    url = ""

    def set(self, *addresses: str) -> None:
        raise NotImplementedError

    def garbage(self) -> None:
        raise NotImplementedError

    def down(self) -> None:
        raise NotImplementedError

    def up(self) -> None:
        raise NotImplementedError

    def end(self) -> None:
        pass


class FileWorld(World):
    def __init__(self, folder: Path) -> None:
        self.path = folder / "cal.json"
        self.url = f"file://{self.path}"

    def write(self, text: str) -> None:
        other = self.path.with_suffix(".new")
        other.write_text(text)
        other.rename(self.path)

    def set(self, *addresses: str) -> None:
        self.write(json.dumps(addresses))

    def garbage(self) -> None:
        self.write('["tcp://127.0.0.1:1", {"addr')

    def down(self) -> None:
        self.path.rename(self.path.with_suffix(".away"))

    def up(self) -> None:
        self.path.with_suffix(".away").rename(self.path)


class DnsWorld(World):
    def __init__(self, scheme: str) -> None:
        self.server = Nameserver()
        name = "cal.example:7700" if scheme == "dns+tcp" else "_razor._tcp.example"
        self.is_srv = scheme == "dns+srv"
        self.url = f"{scheme}://{name}?nameserver={self.server.where}"

    def set(self, *addresses: str) -> None:
        hosts = [address[len("tcp://") : -len(":7700")] for address in addresses]
        if self.is_srv:
            self.server.records = {"SRV": [f"0 1 7700 {host}." for host in hosts]}
        else:
            self.server.records = {"A": hosts}
        self.server.talks_nonsense = False

    def garbage(self) -> None:
        self.server.talks_nonsense = True

    def down(self) -> None:
        self.server.stop()

    def up(self) -> None:
        self.server.restart()

    def end(self) -> None:
        self.server.stop()


class EngineWorld(World):
    def __init__(self, running: Any) -> None:
        self.engine = running
        self.url = running.url()

    def set(self, *addresses: str) -> None:
        names = {address.rpartition("/")[2]: address for address in addresses}
        for name, address in names.items():
            self.engine.put(name, json.dumps({"address": address}).encode())
        for name in set(self.engine.names()) - set(names) - {"leader"}:
            self.engine.delete(name)

    def garbage(self) -> None:
        for name in self.engine.names():
            self.engine.put(name, b"\xff{")

    def down(self) -> None:
        self.engine.kill()

    def up(self) -> None:
        self.engine.start()

    def end(self) -> None:
        self.engine.lead(None)
        for name in set(self.engine.names()) - {"leader"}:
            self.engine.delete(name)


class OwnWorld(World):
    """A resolver of a user's own: the smallest there can be."""

    url = "inhouse://cal"

    def __init__(self) -> None:
        self.now = self.says = Snapshot(())  # type: Answer
        self.tell: Callable[[Answer], None] | None = None
        razorg.register_resolver("inhouse", lambda url: self)

    def watch(self, callback: Callable[[Answer], None]) -> None:
        self.tell = callback
        self._say(self.says)

    def close(self) -> None:
        self.tell = None

    def _say(self, answer: Answer) -> None:
        self.says = answer
        if self.tell is not None:
            self.tell(answer)

    def set(self, *addresses: str) -> None:
        self.now = Snapshot(tuple(map(Node, addresses)))
        self._say(self.now)

    def garbage(self) -> None:
        self._say(ValueError("this is no list of servers"))

    def down(self) -> None:
        self._say(ConnectionError("nobody is there"))

    def up(self) -> None:
        self._say(self.now)


@pytest.fixture(scope="module", params=KINDS)
def started(request: pytest.FixtureRequest, engines: Callable[[str], Any]) -> tuple[str, Any]:
    """The kind, and its engine if it has one: of the module, so that no test seems to leave it."""
    kind = request.param
    return kind, engines(kind) if kind in ("zk", "etcd") else None


@pytest.fixture
def a_world(started: tuple[str, Any], tmp_path: Path) -> Iterator[World]:
    kind, running = started
    made: World
    if kind == "file":
        made = FileWorld(tmp_path)
    elif kind == "own":
        made = OwnWorld()
    else:
        made = EngineWorld(running) if running is not None else DnsWorld(kind)
    yield made
    made.end()


class Watched(Following):
    """Follows a URL and keeps what it was given to use."""

    def __init__(self, url: str) -> None:
        self.used: list[Snapshot] = []
        super().__init__(url, resolver_maker(url), self.used.append)

    @property
    def addresses(self) -> list[str]:
        return [node.address for node in self.snapshot.nodes] if self.snapshot else []

    def expect(self, *addresses: str) -> None:
        expected = sorted(addresses)
        eventually(lambda: self.addresses == expected, LIMIT, f"{expected}, not {self.describe()}")


@pytest.fixture
def following(a_world: World) -> Iterator[Watched]:
    made = Watched(a_world.url)
    yield made
    made.close()


def test_the_first_answer_is_all_there_is(a_world: World, following: Watched) -> None:
    a_world.set(A, B)
    following.wait(LIMIT)
    assert following.addresses == [A, B]
    assert not following.problem


def test_a_change_is_told(a_world: World, following: Watched) -> None:
    a_world.set(A)
    following.wait(LIMIT)
    a_world.set(A, B, C)
    following.expect(A, B, C)


def test_a_node_that_goes_is_gone(a_world: World, following: Watched) -> None:
    a_world.set(A, B, C)
    following.wait(LIMIT)
    a_world.set(A, C)
    following.expect(A, C)
    a_world.set(B)
    following.expect(B)


def is_trusted_again(a_world: World, following: Watched) -> None:
    a_world.set(C)
    following.expect(C)
    eventually(lambda: not following.problem, LIMIT, "it is trusted")


def test_garbage_is_refused_with_one_line(
    a_world: World, following: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    a_world.set(A)
    following.wait(LIMIT)
    a_world.garbage()
    eventually(lambda: following.problem, LIMIT, "it is noticed")
    assert following.addresses == [A]
    assert len(doubts(caplog, a_world.url)) == 1
    is_trusted_again(a_world, following)


def test_emptiness_is_refused_with_one_line(
    a_world: World, following: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    a_world.set(A, B)
    following.wait(LIMIT)
    a_world.set()
    eventually(lambda: following.problem, LIMIT, "it is noticed")
    eventually(lambda: "stale" in following.describe(), LIMIT, "it is told")
    assert following.used[-1].nodes and following.addresses
    assert len(doubts(caplog, a_world.url)) == 1
    is_trusted_again(a_world, following)


def test_when_it_is_down_the_last_answer_stays_and_is_stale(
    a_world: World, following: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    a_world.set(A, B)
    following.wait(LIMIT)
    a_world.down()
    try:
        eventually(lambda: following.problem, LIMIT, "it is noticed")
        gevent.sleep(1.5)  # further failures say nothing more
        assert following.addresses == [A, B]
        assert "stale" in following.describe()
        assert len(doubts(caplog, a_world.url)) == 1, doubts(caplog, a_world.url)
    finally:
        a_world.up()
    eventually(lambda: not following.problem, LIMIT, "it is noticed that all is well again")
    a_world.set(B, C)
    following.expect(B, C)


def test_when_it_was_never_there_the_call_says_so(a_world: World, following: Watched) -> None:
    a_world.set(A)
    a_world.down()
    try:
        with pytest.raises(razorg.Unreachable, match="no server is known") as caught:
            following.wait(LIMIT)
        assert caught.value.sent == "no"
    finally:
        a_world.up()
    following.expect(A)  # it was asked all the time


def test_after_close_nothing_is_told_and_nothing_is_left(
    a_world: World, following: Watched
) -> None:
    a_world.set(A)
    following.wait(LIMIT)
    following.close()
    following.close()
    used = len(following.used)
    a_world.set(B)
    gevent.sleep(1.2)  # a TTL, twice the time between looks at a file
    assert len(following.used) == used  # the fixture ``leaks`` sees to the rest


def test_a_pool_follows_and_its_calls_go_on(a_world: World) -> None:
    """With addresses that nobody answers at: what counts is which are tried."""
    a_world.set(A, B)
    with razorg.connect([a_world.url], connect_timeout=LIMIT, task_timeout=LIMIT) as pool:
        with pytest.raises(razorg.Unreachable):
            pool.call("Nobody.home")
        assert sorted(pool.addresses) == [A, B]
        assert [node.weight for node in pool.nodes] == [1.0, 1.0]
        a_world.set(C)
        eventually(lambda: pool.addresses == [C], LIMIT, "the pool follows")
        assert a_world.url in repr(pool) and "stale" not in repr(pool)
        a_world.set()
        eventually(lambda: "stale" in repr(pool), LIMIT, "repr tells")
        assert pool.addresses == [C]


def doubts(caplog: pytest.LogCaptureFixture, url: str) -> list[str]:
    """The lines of the log that say that the last answer stays in use."""
    return [
        record.getMessage() for record in caplog.records
        if record.levelno >= logging.WARNING and record.getMessage().startswith(url)
    ]
