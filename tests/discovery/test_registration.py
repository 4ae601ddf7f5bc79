"""Servers in an engine: there while they serve, gone before they drain, back after a lost session."""

from __future__ import annotations

import logging
import shutil
import socket
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import gevent
import pytest
from gevent.event import Event
from support.certificates import server_file
from support.nodes import eventually

import razorg
from razorg.discovery import NotLeader, Register, election
from razorg.discovery.advertise import advertised

LIMIT = 20.0


@razorg.service
class Slow:
    """Calls that last until the test lets them end."""

    def __init__(self) -> None:
        self.running = Event()
        self.pids = 0
        self.may_end = Event()

    def wait(self) -> str:
        self.running.set()
        self.may_end.wait(LIMIT)
        return "done"

    def pid(self) -> int:
        self.pids += 1
        return 1


def registered(*servers: razorg.RpcServer) -> None:
    """Wait until all their entries are there."""
    all_of = [entry for server in servers for entry in server.registrations]
    assert all_of
    eventually(lambda: all(entry.is_held for entry in all_of), LIMIT, "they are registered")


@pytest.fixture
def serve(running: Any) -> Iterator[Callable[..., razorg.RpcServer]]:
    """Starts servers that are registered, and stops what the test has left."""
    started: list[razorg.RpcServer] = []

    def start(listen: str = "tcp://127.0.0.1:0", service: Any = None, **options: Any) -> razorg.RpcServer:
        options.setdefault("register", running.url())
        server = razorg.RpcServer(listen, [service or Slow()], **options)
        server.start()
        started.append(server)
        registered(server)
        return server

    yield start
    for server in started:
        server.stop(5)
    assert not running.entries()


def test_it_is_there_while_it_serves(running: Any, serve: Callable[..., razorg.RpcServer]) -> None:
    one = serve(register=Register(running.url(), weight=3, attributes={"zone": "a"}))
    two = serve()
    with razorg.connect([running.url()]) as pool:
        assert pool.client(Slow).pid() == 1
        assert sorted(pool.addresses) == sorted(one.addresses + two.addresses)
        by_address = {node.address: node for node in pool.nodes}
        assert by_address[one.addresses[0]].weight == 3
        assert by_address[one.addresses[0]].attributes == {"zone": "a"}
        assert by_address[two.addresses[0]].weight == 1
        two.stop()
        eventually(lambda: pool.addresses == one.addresses, LIMIT, "the pool follows")


def test_it_is_gone_before_the_drain_begins(running: Any, serve: Callable[..., razorg.RpcServer]) -> None:
    slow = Slow()
    server = serve(service=slow)
    seen: list[Any] = []
    drain = server._drain

    def spy(timeout: float) -> None:
        seen.append(running.entries())
        drain(timeout)

    server._drain = spy  # type: ignore[method-assign]
    with razorg.connect(server.addresses[0]) as pool:  # not one that follows: it does not leave
        future = razorg.submit(pool.client(Slow).wait)
        slow.running.wait(LIMIT)
        stopping = gevent.spawn(server.stop)
        eventually(lambda: seen, LIMIT, "it drains")
        assert seen == [[]]
        assert not future.ready() and not stopping.ready()
        slow.may_end.set()
        assert future.get() == "done"
        stopping.get()


def test_clients_leave_before_it_stops_to_listen(
    running: Any, serve: Callable[..., razorg.RpcServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("razorg.api.rpcserver._LEAVE_SECONDS", LIMIT)
    leaving, staying = serve(), serve()
    with razorg.connect([running.url()]) as pool:
        client = pool.client(Slow)
        while not (leaving.connections and staying.connections):
            client.pid()
        started = monotonic()
        leaving.stop()
        assert monotonic() - started < LIMIT / 2, "it waited in vain for its clients to leave"
        assert leaving.read_requests and client.pid() == 1


def test_a_lost_session_is_renewed(running: Any, serve: Callable[..., razorg.RpcServer]) -> None:
    """The engine forgets everything: all sessions, leases and nodes."""
    server = serve()
    before = running.entries()
    running.kill()
    shutil.rmtree(running.folder / running.scheme)
    running.start()
    eventually(lambda: running.entries(), LIMIT, "it is there again")
    eventually(lambda: server.registrations[0].is_held, LIMIT, "it knows")
    assert len(before) == len(running.entries()) == 1


def test_an_entry_that_somebody_deletes_comes_back(
    running: Any, serve: Callable[..., razorg.RpcServer]
) -> None:
    serve()
    name, = running.entries()
    running.delete(name)
    eventually(lambda: running.entries() == [name], LIMIT, "it is there again")


def test_what_is_advertised_may_differ(running: Any, serve: Callable[..., razorg.RpcServer]) -> None:
    serve(advertise="tcp://cal.example:99")
    with razorg.connect([running.url()], connect_timeout=LIMIT) as pool:
        pool._wait_for_nodes(LIMIT)
        assert pool.addresses == ["tcp://cal.example:99"]


@pytest.mark.parametrize("garbage", ["nobody", '{"a":' * 2000, "\0"], ids=["words", "deep", "zero"])
def test_garbage_in_the_leaders_place_hides_no_node(
    running: Any, serve: Callable[..., razorg.RpcServer], garbage: str, caplog: pytest.LogCaptureFixture
) -> None:
    serve()
    running.lead(garbage)
    try:
        with razorg.connect([running.url()]) as pool:
            assert pool.client(Slow).pid() == 1
            assert pool.leader is None
            assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    finally:
        running.lead(None)


def test_what_is_advertised_is_encrypted_where_the_server_is() -> None:
    tls = razorg.ServerTls(server_file())
    for told in ("cal.example:99", ["cal.example:99"]):
        server = razorg.RpcServer("127.0.0.1:0", [Slow()], tls=tls, advertise=told)
        assert server._advertise == ["tls://cal.example:99"]
    server = razorg.RpcServer("127.0.0.1:0", [Slow()], advertise=["cal.example:99", "tls://cal.example:98"])
    assert server._advertise == ["tcp://cal.example:99", "tls://cal.example:98"]


def test_bound_to_all_it_advertises_its_own_host(running: Any, serve: Callable[..., razorg.RpcServer]) -> None:
    server = serve("tcp://0.0.0.0:0")
    with razorg.connect([running.url()]) as pool:
        assert pool.client(Slow).pid() == 1
        address, = pool.addresses
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("127.0.0.2", running.port))
        host = probe.getsockname()[0]
    assert address == server.addresses[0].replace("0.0.0.0", host)


def test_sockets_of_files_are_not_advertised_beside_tcp() -> None:
    register = Register("etcd://127.0.0.1/cal")
    assert advertised(["unix:///a", "tcp://10.0.0.1:1"], register) == ["tcp://10.0.0.1:1"]
    assert advertised(["unix:///a"], register) == ["unix:///a"]


def test_several_processes_at_one_address_add_up(running: Any, serve: Callable[..., razorg.RpcServer]) -> None:
    """As the workers of gunicorn, each registered by itself."""
    for _ in range(3):
        serve(advertise="tcp://cal.example:99")
    assert len(running.entries()) == 3
    with razorg.connect([running.url()]) as pool:
        pool._wait_for_nodes(LIMIT)
        eventually(lambda: [node.weight for node in pool.nodes] == [3.0], LIMIT, "the weights add up")


def test_once_there_is_one_entry_and_another_process_takes_it_over(
    running: Any, serve: Callable[..., razorg.RpcServer]
) -> None:
    once = Register(running.url(), once=True)
    servers = [serve(register=once, advertise="tcp://cal.example:99") for _ in range(3)]
    name, = running.entries()
    for server in servers[:2]:
        server.stop()
        eventually(lambda: running.entries() == [name], 5.0, "another one has it at once")
    servers[2].stop()
    assert not running.entries()


def test_a_stop_does_not_wait_for_an_engine_that_is_dead(
    running: Any, serve: Callable[..., razorg.RpcServer], caplog: pytest.LogCaptureFixture
) -> None:
    server = serve()
    running.kill()
    try:
        started = monotonic()
        server.stop()
        assert monotonic() - started < 5
    finally:
        running.start()
    text = "\n".join(record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
    assert server.addresses[0] in text and running.url() in text
    eventually(lambda: not running.entries(), LIMIT, "the engine takes it out by itself")


def test_a_start_does_not_wait_for_an_engine_that_is_dead(running: Any) -> None:
    running.kill()
    try:
        started = monotonic()
        server = razorg.RpcServer("tcp://127.0.0.1:0", [Slow()], register=running.url())
        server.start()
        assert monotonic() - started < 2
        with razorg.connect(server.addresses[0]) as pool:
            assert pool.client(Slow).pid() == 1
        assert not server.registrations[0].is_held
    finally:
        running.start()
    registered(server)
    assert len(running.entries()) == 1
    server.stop()
    assert not running.entries()


def test_stop_0_waits_for_nothing(running: Any, serve: Callable[..., razorg.RpcServer]) -> None:
    server = serve()
    started = monotonic()
    server.stop(0)
    assert monotonic() - started < 1.5
    eventually(lambda: not running.entries(), LIMIT, "it is taken out nevertheless")


def test_a_mistake_ends_neither_entry_nor_claim(
    running: Any, serve: Callable[..., razorg.RpcServer], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Of razorg or a client library: it is logged, and what follows the engine begins anew."""
    server, told = serve(), list[bool]()
    with election(running.url(), "tcp://127.0.0.1:1", told.append) as claim:
        eventually(lambda: told == [True], LIMIT, "it leads")
        (registration,) = server.registrations
        for keeper in (registration._keeper, claim._keeper):
            fails(keeper, 1, monkeypatch)
        eventually(lambda: caplog.text.count("begins anew") == 2, LIMIT, "both have failed")
        registered(server)
        eventually(lambda: claim.leads and told[-1], LIMIT, "it leads again")
        told.clear()
    assert told == [False]
    server.stop()
    assert not running.entries()


def test_between_two_mistakes_it_can_be_taken_out(
    running: Any, serve: Callable[..., razorg.RpcServer], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (registration,) = serve().registrations
    fails(registration._keeper, 100, monkeypatch)
    eventually(lambda: "begins anew" in caplog.text, LIMIT, "it has failed")
    assert registration.withdraw(LIMIT)
    assert not running.entries()


def fails(keeper: Any, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it fail so often, from now on."""
    name = "step" if hasattr(keeper, "step") else "_turn"
    usual, mistakes = getattr(keeper, name), [ZeroDivisionError("a mistake")] * count

    def step(*args: Any) -> Any:
        if mistakes:
            raise mistakes.pop()
        return usual(*args)

    monkeypatch.setattr(keeper, name, step)
    keeper._loop.wake()


def test_one_leads_and_the_next_follows(running: Any) -> None:
    url = running.url(timeout=10)  # so that no lead ends but by a close
    told: list[tuple[str, bool]] = []
    addresses = ["tcp://127.0.0.1:1", "tcp://127.0.0.1:2"]
    one = election(url, addresses[0], lambda leads: told.append(("one", leads)))
    eventually(lambda: one.leads, LIMIT, "the only one leads")
    two = election(url, addresses[1], lambda leads: told.append(("two", leads)))
    try:
        eventually(lambda: two.leader == addresses[0], LIMIT, "the other one knows")
        one.check()
        with pytest.raises(NotLeader) as caught:
            two.check()
        assert caught.value.failover() == addresses[0]
        eventually(lambda: told == [("one", True)], LIMIT, "it is told: a lead that is over is not")
        one.close()
        assert not one.leads
        eventually(lambda: two.leads, 5.0, "the other one leads at once")
        eventually(lambda: told == [("one", True), ("one", False), ("two", True)], LIMIT, f"{told}")
    finally:
        one.close()
        two.close()


def test_who_cannot_be_sure_does_not_lead(running: Any) -> None:
    """Within the time after which the engine could let another one lead."""
    claim = election(running.url(), "tcp://127.0.0.1:1")
    try:
        eventually(lambda: claim.leads, LIMIT, "the only one leads")
        running.kill()
        try:
            seconds = eventually(lambda: not claim.leads, LIMIT, "it steps down")
            assert seconds < 2.6  # the timeout of Engine.url, and what the looking takes on a busy machine
            with pytest.raises(NotLeader) as caught:
                claim.check()
            assert caught.value.failover() is razorg.NEXT
        finally:
            running.start()
        eventually(lambda: claim.leads, LIMIT, "it leads again")
    finally:
        claim.close()


def test_a_pool_in_leader_mode_goes_where_the_engine_says(
    running: Any, serve: Callable[..., razorg.RpcServer]
) -> None:
    services = [Slow() for _ in range(3)]
    servers = [serve(service=service) for service in services]
    running.lead(servers[2].addresses[0])
    try:
        with razorg.connect([running.url()], mode="leader") as pool:
            client = pool.client(Slow)
            eventually(lambda: client.pid() and pool.leader, LIMIT, "it knows who leads")
            for number in (2, 0, 1):
                address, service = servers[number].addresses[0], services[number]
                running.lead(address)
                eventually(lambda: pool.leader == address, LIMIT, "it knows who leads")
                asked = service.pids  # not its server's requests: pings are among them
                eventually(lambda: client.pid() and service.pids > asked, 2.0, "calls go there")
                before = service.pids
                for _ in range(20):
                    client.pid()
                assert service.pids - before == 20
    finally:
        running.lead(None)
