"""What is particular to ZooKeeper: the time that it grants, and names that do not resolve."""

from __future__ import annotations

import socket
from collections.abc import Callable
from time import monotonic
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.socket
import pytest
from support.nodes import eventually

import razorg
from razorg.discovery import election
from razorg.discovery import zookeeper_keep as keep
from razorg.discovery import zookeeper_session as session

LIMIT = 20.0


@pytest.fixture(scope="module")
def zookeeper(engines: Callable[[str], Any]) -> Any:
    return engines("zk")


@razorg.service
class Cal:
    def nothing(self) -> None:
        pass


class Answered:
    """An answer that is there already."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def get(self, timeout: float) -> Any:
        return self.value


class Asked:
    """A client of a server that grants two seconds; its clock moves on by one with each answer."""

    def __init__(self, claim: keep.ZooKeeperClaim, clock: list[float]) -> None:
        self._connection = SimpleNamespace(granted=2.0)
        self.client_id = (7, b"")
        self._name = f"{claim._prefix}0000000001"
        self._clock = clock

    def _answer(self, value: Any) -> Answered:
        self._clock[0] += 1
        return Answered(value)

    def get_children_async(self, path: str, watch: Any) -> Answered:
        return self._answer([self._name])

    def sync_async(self, path: str) -> Answered:
        return self._answer(path)

    def get_async(self, path: str, watch: Any) -> Answered:
        return self._answer((b"tcp://127.0.0.1:1", SimpleNamespace(ephemeralOwner=7)))


def test_it_leads_for_the_granted_time_from_the_question_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep.ZooKeeperClaim, "begin", lambda self: None)
    clock = [100.0]
    monkeypatch.setattr(keep, "monotonic", lambda: clock[0])
    told: list[tuple[Any, ...]] = []
    fake: Any = SimpleNamespace(told=lambda *args: told.append(args), leader=None)
    claim = keep.ZooKeeperClaim("zk://engine/services/cal?timeout=20", "tcp://127.0.0.1:1", fake)
    client: Any = Asked(claim, clock)
    claim.step(client)
    assert told == [(True, 103.0)]  # the names came at 101
    assert claim.look_seconds(client) == 0.5


def test_the_server_may_grant_less_than_the_url_asks_for(zookeeper: Any) -> None:
    """ZooKeeper of the tests: a minute at most."""
    url = zookeeper.url().partition("?")[0]
    with election(f"{url}?timeout=3600", "tcp://127.0.0.1:1") as claim:
        eventually(lambda: claim.leads, LIMIT, "it leads")
        assert 50 < claim._until - monotonic() <= 60


def test_names_are_resolved_beside_the_io_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver of the C library blocks its thread, which has the calls of all native threads."""

    def blocks(*args: Any) -> Any:
        raise AssertionError("it would block")

    def known(host: str, port: int, *args: Any) -> Any:
        if host == "unknown.example":
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.5", port))]

    monkeypatch.setattr(socket, "getaddrinfo", blocks)
    monkeypatch.setattr(gevent.socket, "getaddrinfo", known)
    client = session.client_of("known.example:1,unknown.example:2", 10.0)
    assert client._connection._expand_client_hosts() == [("known.example", "127.0.0.5", 1)]
    client.close()


def test_an_end_that_was_not_acknowledged_is_told(zookeeper: Any, caplog: pytest.LogCaptureFixture) -> None:
    server = razorg.RpcServer("tcp://127.0.0.1:0", [Cal()], register=zookeeper.url())
    server.start()
    (registration,) = server.registrations
    eventually(lambda: registration.is_held, LIMIT, "it is there")
    zookeeper.pause()
    stopping = gevent.spawn(server.stop)
    eventually(lambda: registration._keeper._loop.is_closing, LIMIT, "it is to be taken out")
    zookeeper.kill()
    try:
        stopping.get()
        lines = [record.getMessage() for record in caplog.records if record.name == "razorg"]
        assert [server.addresses[0] in line and zookeeper.url() in line for line in lines] == [True]
        assert not registration._ended.wait(0)
    finally:
        zookeeper.start()
    eventually(lambda: not zookeeper.entries(), LIMIT, "ZooKeeper takes it out by itself")
    with razorg.RpcServer("tcp://127.0.0.1:0", [Cal()], register=zookeeper.url()) as other:
        eventually(lambda: other.registrations[0].is_held, LIMIT, "it is there")
    assert [record.getMessage() for record in caplog.records if record.name == "razorg"] == lines
