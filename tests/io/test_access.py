"""Who may come in, who may call what, and how much of the server a peer may have."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import gevent
import msgpack
import pytest
from gevent.event import Event
from support.certificates import HOST, authority, server_file
from support.peers import ScriptedClient, memory_url, request, wait_until

import razorg


@razorg.service
class Shop:
    secret = "a plain attribute"

    def __init__(self) -> None:
        self.sold = 0
        self.gate = Event()
        self.running = self.most_running = 0

    def price(self) -> int:
        return 3

    @razorg.method(requires="staff")
    def sell(self) -> int:
        self.sold += 1
        return self.sold

    @razorg.method(requires="staff", inline=True)
    def sell_inline(self) -> int:
        self.sold += 1
        return self.sold

    def who(self) -> Any:
        return razorg.current_peer().identity

    def wait(self) -> int:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            self.gate.wait()
            return self.running
        finally:
            self.running -= 1

    def fill(self, count: int) -> bytes:
        return bytes(count)

    def _private(self) -> int:
        raise AssertionError("nobody may come here")


@razorg.service(requires="admin")
class Vault:
    def open(self) -> str:
        return "open"

    @razorg.method(requires="owner")
    def empty(self) -> str:
        return "empty"


@contextmanager
def served(url: str | None = None, **options: Any) -> Iterator[tuple[razorg.RpcServer, Shop]]:
    shop = Shop()
    with razorg.RpcServer(url or memory_url(), [shop, Vault()], **options) as server:
        yield server, shop


def denied(call: Callable[..., Any], *args: Any) -> None:
    with pytest.raises(razorg.AccessDenied) as caught:
        call(*args)
    assert caught.value.sent == "yes"


# what methods ask for

def test_what_asks_for_something_is_closed_where_nobody_authorizes(caplog: pytest.LogCaptureFixture) -> None:
    with served() as (server, shop), razorg.connect(server.addresses[0]) as pool:
        client, vault = pool.client(Shop), pool.client(Vault)
        assert client.price() == 3
        with caplog.at_level(logging.WARNING, "razorg"):
            for call in (client.sell, client.sell_inline, vault.open, vault.empty):
                denied(call)
        assert shop.sold == 0
        assert caplog.text.count("may not call") == 1  # one line a second
        assert client.price() == 3


def test_authorize_is_asked_before_each_call_and_decides() -> None:
    asked: list[tuple[str, int | str, str | None]] = []

    def authorize(peer: razorg.Peer, action: int | str, requires: str | None) -> bool:
        asked.append((str(peer), action, requires))
        return requires in (None, "staff") and action != 7

    class Raw(razorg.Dispatch):
        def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
            respond.ok(request.action)

    with served(authorize=authorize, dispatch=Raw()) as (server, _):
        with razorg.connect(server.addresses[0]) as pool:
            assert pool.client(Shop).sell() == 1
            assert pool.client(Shop).sell_inline() == 2
            denied(pool.client(Vault).open)
            denied(pool.client(Vault).empty)
            assert pool.send(6).get().msg == 6
            with pytest.raises(razorg.AccessDenied):
                pool.send(7).get().msg
            assert pool.call("Razorg.describe")["Vault"]["methods"]["empty"]["requires"] == "owner"
    actions = [(action, requires) for _, action, requires in asked]
    assert actions == [
        ("Shop.sell", "staff"), ("Shop.sell_inline", "staff"), ("Vault.open", "admin"),
        ("Vault.empty", "owner"), (6, None), (7, None), ("Razorg.describe", None),
    ]


@pytest.mark.parametrize("verdict", [None, 0, "", False])
def test_whatever_is_false_denies(verdict: Any) -> None:
    with served(authorize=lambda *_: verdict) as (server, _), razorg.connect(server.addresses[0]) as pool:
        denied(pool.client(Shop).price)


@pytest.mark.parametrize("error, seen", [
    (ValueError("no"), razorg.InternalError), (gevent.Timeout(1), razorg.InternalError),
    (razorg.AccessDenied("x"), razorg.AccessDenied), (gevent.GreenletExit(), razorg.InternalError),
])
def test_an_authorize_that_fails_denies(error: BaseException, seen: type[Exception]) -> None:
    def authorize(peer: razorg.Peer, action: int | str, requires: str | None) -> bool:
        if requires:
            raise error
        return True

    with served(authorize=authorize) as (server, shop), razorg.connect(server.addresses[0]) as pool:
        with pytest.raises(seen):
            pool.client(Shop).sell()
        assert shop.sold == 0
        assert pool.client(Shop).price() == 3
        assert server.running == 0


def test_nothing_is_decoded_for_who_may_not_call() -> None:
    with served(authorize=lambda *_: False) as (server, _), ScriptedClient(server.addresses[0]) as client:
        client.send(request(1, "Shop.fill", b"\xc1 no message pack"))
        assert client.read_reply().blob == b"rpc_access_denied"


def test_requires_belongs_to_the_interface() -> None:
    @razorg.service
    class Open:
        def enter(self) -> None:
            raise NotImplementedError

    class Locked(Open):
        @razorg.method(requires="key")
        def enter(self) -> None: ...

    with pytest.raises(TypeError, match="belongs on the class that carries @service"):
        razorg.RpcServer(memory_url(), [Locked()])
    for wrong in ("", 3, b"x"):
        with pytest.raises(TypeError, match="requires is a text"):
            razorg.method(requires=wrong)  # type: ignore[call-overload]
        with pytest.raises(TypeError, match="requires is a text"):
            razorg.service(requires=wrong)(type("S", (), {"m": lambda self: None}))


def test_an_implementation_has_what_its_interface_requires() -> None:
    @razorg.service
    class Door:
        @razorg.method(requires="key")
        def enter(self) -> str:
            raise NotImplementedError

    class Oak(Door):
        def enter(self) -> str:
            return "in"

    with razorg.RpcServer(memory_url(), [Oak()]) as server, razorg.connect(server.addresses[0]) as pool:
        denied(pool.client(Door).enter)


def test_a_service_that_extends_another_keeps_its_locks() -> None:
    @razorg.service(requires="admin")
    class Base:
        def drop(self) -> str:
            return "dropped"

        @razorg.method(requires="owner")
        def sell(self) -> str:
            return "sold"

        def rename(self) -> str:
            return "renamed"

    @razorg.service
    class Plain(Base):
        def look(self) -> str:
            return "seen"

        @razorg.method(idempotent=True)
        def rename(self) -> str:
            return "renamed otherwise"

    @razorg.service(requires="staff")
    class Staffed(Plain):
        def look(self) -> str:
            return "seen by staff"

        def rename(self) -> str:
            return "renamed by staff"

    @razorg.service
    class Open:
        def look(self) -> str:
            return "seen"

    @razorg.service(requires="staff")
    class Closed(Open):
        pass

    def locks(cls: type) -> dict[str, str | None]:
        with razorg.RpcServer(memory_url(), [cls()]) as server, razorg.connect(server.addresses[0]) as pool:
            methods = pool.call("Razorg.describe")[cls.__name__]["methods"]
            for name, told in methods.items():
                if told["requires"] is not None:
                    denied(getattr(pool.client(cls), name))
            return {name: told["requires"] for name, told in methods.items()}

    @razorg.service
    class Both(Open, Base):
        pass

    @razorg.service
    class Neither(Open, Plain):
        def look(self) -> str:
            return "seen"

        def drop(self) -> str:
            return "dropped otherwise"

    @razorg.service(requires="guest")
    class Other:
        def look(self) -> str:
            return "seen"

    @razorg.service
    class Late(Open, Other):
        pass

    assert locks(Both) == {"drop": "admin", "sell": "owner", "rename": "admin", "look": None}
    assert locks(Neither) == {"drop": "admin", "sell": "owner", "rename": "admin", "look": None}
    assert locks(Late) == {"look": "guest"}
    assert locks(Plain) == {"drop": "admin", "sell": "owner", "rename": "admin", "look": None}
    assert locks(Staffed) == {"drop": "admin", "sell": "owner", "rename": "staff", "look": "staff"}
    assert locks(Closed) == {"look": "staff"}


@pytest.mark.parametrize("action", [
    "Shop._private", "Shop.__init__", "Shop.__class__", "Shop.secret", "Shop.gate", "Shop.gate.set", "Shop.sold",
    "Shop.price.__call__", "Shop.", ".price", "Vault.price", "Razorg._services", "Razorg.__init__",
])
def test_only_declared_methods_can_be_reached(action: str) -> None:
    with served() as (server, shop), razorg.connect(server.addresses[0]) as pool:
        with pytest.raises((razorg.MethodNotFound, razorg.ServiceNotFound)):
            pool.call(action)
        assert not shop.gate.is_set()


# who comes in

def test_the_identity_is_seen_by_handlers_and_authorize() -> None:
    def authorize(peer: razorg.Peer, action: int | str, requires: str | None) -> bool:
        return requires is None or requires in peer.identity["roles"]

    def authenticate(peer: razorg.Peer) -> dict[str, Any]:
        assert peer.certificate is not None
        name = peer.certificate.common_name
        return {"name": name, "roles": ["staff"] if name == "alice" else []}

    tls = razorg.ServerTls(server_file(), client_ca=authority().file)
    with served(f"tls://{HOST}:0", tls=tls, authenticate=authenticate, authorize=authorize) as (server, _):
        for name in ("alice", "bob"):
            mine = authority().issue(f"{name}.example", common_name=name)
            own = razorg.ClientTls(authority().file, certificate=mine)
            with razorg.connect(server.addresses[0], tls=own) as pool:
                client = pool.client(Shop)
                assert client.who()["name"] == name
                if name == "alice":
                    assert client.sell() == 1
                else:
                    denied(client.sell)


def test_credentials_of_a_unix_peer(tmp_path: Path) -> None:
    seen: list[Any] = []

    def authenticate(peer: razorg.Peer) -> int:
        seen.append(peer.credentials)
        return peer.credentials.uid if peer.credentials else -1

    with served(f"unix://{tmp_path}/s", authenticate=authenticate) as (server, _):
        with razorg.connect(server.addresses[0]) as pool:
            assert pool.client(Shop).who() == os.getuid()
    assert seen == [razorg.Credentials(os.getpid(), os.getuid(), os.getgid())]


def test_authenticate_is_asked_once_for_a_connection() -> None:
    asked: list[str] = []
    with served("tcp://127.0.0.1:0", authenticate=lambda peer: asked.append(peer.address)) as (server, _):
        with razorg.connect(server.addresses[0], max_connections=1) as pool:
            assert [pool.client(Shop).price() for _ in range(10)] == [3] * 10
            assert len(asked) == 1
            assert asked[0].startswith("tcp://127.0.0.1:")
            assert asked[0] != server.addresses[0]


@pytest.mark.parametrize("error, line", [
    (razorg.AccessDenied("not on the list"), "was not let in: not on the list"),
    (ValueError("broken"), "authenticate failed"),
    (gevent.Timeout(0.1), "authenticate failed"),
])
def test_a_peer_that_is_kept_out_is_told(
    error: BaseException, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    def authenticate(peer: razorg.Peer) -> None:
        raise error

    with served("tcp://127.0.0.1:0", authenticate=authenticate) as (server, shop):
        with razorg.connect(server.addresses[0]) as pool, caplog.at_level(logging.WARNING, "razorg"):
            denied(pool.client(Shop).price)
            wait_until(lambda: server.connections == 0)
        assert line in caplog.text
        assert shop.sold == 0


@pytest.mark.parametrize("sent, answer", [
    (b"GET /some/path HTTP/1.1\r\nHost: localhost:7700\r\n\r\n", b"HTTP/1.1 426"),
    (b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.1 426"),
    (b"\x16\x03\x01" + bytes(50), b""),
    (request(1, "Shop.price", b"\x90")[:20], b""),
    (b"", b""),
], ids=["http", "short http", "tls", "half a head", "nothing"])
@pytest.mark.parametrize("half_closes", [True, False])
def test_a_peer_that_is_kept_out_and_speaks_something_else(
    sent: bytes, answer: bytes, half_closes: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    def authenticate(peer: razorg.Peer) -> None:
        raise razorg.AccessDenied

    with served("tcp://127.0.0.1:0", authenticate=authenticate, read_timeout=0.05) as (server, _):
        for _ in range(3):
            with ScriptedClient(server.addresses[0]) as client:
                client.send(sent)
                if half_closes:
                    client.half_close()
                assert client.read_exact(len(answer)) == answer
                if not answer:
                    client.expect_eof()
        wait_until(lambda: server.connections == 0)
    assert capfd.readouterr().err == ""  # where gevent tells of greenlets that fail


def test_of_a_peer_that_is_kept_out_not_much_is_read() -> None:
    def authenticate(peer: razorg.Peer) -> None:
        raise razorg.AccessDenied

    with served("tcp://127.0.0.1:0", authenticate=authenticate, read_timeout=60) as (server, _):
        with ScriptedClient(server.addresses[0]) as client:
            client.send(request(1, "Shop.fill", b"", msg_len=100_000))
            client.expect_eof()


def test_a_peer_that_is_kept_out_and_says_nothing_is_cut() -> None:
    def authenticate(peer: razorg.Peer) -> None:
        raise razorg.AccessDenied

    with served("tcp://127.0.0.1:0", authenticate=authenticate, read_timeout=0.2) as (server, _):
        with ScriptedClient(server.addresses[0]) as client:
            client.expect_eof()


def test_an_authenticate_that_takes_its_time_holds_up_nobody_else() -> None:
    gate = Event()
    first: list[str] = []

    def authenticate(peer: razorg.Peer) -> None:
        if not first:
            first.append(peer.address)
            gate.wait()

    with served("tcp://127.0.0.1:0", authenticate=authenticate) as (server, _):
        with razorg.connect(server.addresses[0]) as one, razorg.connect(server.addresses[0]) as other:
            slow = gevent.spawn(one.client(Shop).price)
            wait_until(lambda: first)
            assert other.client(Shop).price() == 3
            assert not slow.ready()
            gate.set()
            assert slow.get(10) == 3


def test_an_authenticate_that_does_not_answer_keeps_the_peer_out(caplog: pytest.LogCaptureFixture) -> None:
    with served(authenticate=lambda peer: Event().wait(), read_timeout=0.05) as (server, _):
        with razorg.connect(server.addresses[0]) as pool:
            denied(pool.client(Shop).price)
        wait_until(lambda: server.connections == 0)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "has not answered" in caplog.text and "within 0.05 s" in caplog.text


def test_stop_does_not_wait_for_authenticate() -> None:
    gate = Event()
    asked: list[str] = []

    def authenticate(peer: razorg.Peer) -> None:
        asked.append(peer.address)
        gate.wait()

    with served("tcp://127.0.0.1:0", authenticate=authenticate) as (server, _):
        with ScriptedClient(server.addresses[0]):
            wait_until(lambda: asked)
            stopping = gevent.spawn(server.stop)
            gate.set()
            stopping.get(10)


def test_current_peer_is_for_handlers() -> None:
    with pytest.raises(razorg.LocalProtocolError, match="handlers"):
        razorg.current_peer()


def test_current_peer_of_concurrent_connections() -> None:
    with served("tcp://127.0.0.1:0", authenticate=lambda peer: peer.address) as (server, _):
        pools = [razorg.connect(server.addresses[0]) for _ in range(5)]
        try:
            seen = [[pool.client(Shop).who() for _ in range(3)] for pool in pools]
        finally:
            for pool in pools:
                pool.close()
        assert all(len(set(one)) == 1 for one in seen)
        assert len({one[0] for one in seen}) == 5


# how much

def test_connections_of_one_host_are_limited() -> None:
    with served("tcp://127.0.0.1:0", max_connections_per_peer=3) as (server, _):
        held = [ScriptedClient(server.addresses[0]) for _ in range(3)]
        for client in held:
            client.ping(1)
        with ScriptedClient(server.addresses[0]) as fourth:
            fourth.expect_eof()
        held.pop().close()
        wait_until(lambda: server.connections == 2)
        with ScriptedClient(server.addresses[0]) as again:
            again.ping(1)
        other = socket.socket()
        other.bind(("127.0.0.2", 0))  # another host has a limit of its own
        host, _, port = server.addresses[0].removeprefix("tcp://").rpartition(":")
        with other, ScriptedClient(server.addresses[0]):
            other.connect((host, int(port)))
            other.sendall(request(1, 0))
            wait_until(lambda: server.read_requests >= 5)
        for client in held:
            client.close()


def test_running_handlers_of_one_host_are_limited() -> None:
    with served("tcp://127.0.0.1:0", max_running_per_peer=8, max_running=8) as (server, shop):
        clients = [ScriptedClient(server.addresses[0]) for _ in range(4)]
        for client in clients:
            client.ping(1)  # all four are there: each has two places
        for client in clients:
            client.send(b"".join(request(seq, "Shop.wait", msgpack.packb(None)) for seq in range(2, 12)))
        wait_until(lambda: shop.running == 8)
        for client in clients:
            assert not client.has_input()
        shop.gate.set()
        for client in clients:
            assert [reply.seq for reply in client.read_replies(10)] == list(range(2, 12))
            client.close()
        assert shop.most_running == 8


def test_unwritten_bytes_of_one_host_are_limited() -> None:
    size = 100_000
    settings = {"max_unwritten_bytes_per_peer": 4 * size, "max_running": 2, "write_timeout": 60}
    with served("tcp://127.0.0.1:0", **settings) as (server, _):
        clients = [ScriptedClient(server.addresses[0]) for _ in range(4)]
        for client in clients:
            client.ping(1)
        asking = [
            gevent.spawn(client.send, b"".join(request(seq, "Shop.fill", msgpack.packb(size)) for seq in range(2, 202)))
            for client in clients
        ]
        gevent.joinall(asking, timeout=10)
        wait_until(lambda: all(session._unwritten_bytes > size for session in server._sessions))
        for session in server._sessions:
            assert session.share.max_unwritten_bytes == size
            assert session._unwritten_bytes <= size + 2 * (size + 100)
        for client in clients:
            client.close()


def test_the_shares_of_those_who_stay_grow() -> None:
    with served("tcp://127.0.0.1:0", max_running_per_peer=100, max_running=90) as (server, _):
        clients = [ScriptedClient(server.addresses[0]) for _ in range(3)]
        for count, share in ((3, 33), (2, 50), (1, 90)):
            for client in clients:
                client.ping(1)
            wait_until(lambda: server.connections == count)
            assert {session.share.max_running for session in server._sessions} == {share}
            clients.pop().close()
            wait_until(lambda: server.connections == count - 1)
        assert server._quotas._shares == {}


@pytest.mark.parametrize("name", ["authenticate", "authorize"])
def test_what_cannot_be_asked_is_refused_at_once(name: str) -> None:
    hooks: dict[str, Any] = {name: 3}
    with pytest.raises(TypeError, match=f"{name} is called with the peer, and cannot be 3"):
        razorg.RpcServer("memory://hooks", dispatch=razorg.Dispatch(), **hooks)


def test_who_waits_uses_what_others_have_left() -> None:
    """While a handler runs that may last for hours."""
    with served("tcp://127.0.0.1:0", max_running_per_peer=4, max_running=4) as (server, shop):
        with ScriptedClient(server.addresses[0]) as stays, ScriptedClient(server.addresses[0]) as leaves:
            leaves.ping(1)
            stays.ping(1)
            stays.send(b"".join(request(seq, "Shop.wait", msgpack.packb(None)) for seq in range(2, 6)))
            wait_until(lambda: shop.running == 2)
            leaves.close()
            wait_until(lambda: server.connections == 1)
            server.on_tick(monotonic())
            wait_until(lambda: shop.running == 4)
            stays.send(request(6, "Shop.price"))
            shop.gate.set()
            assert sorted(reply.seq for reply in stays.read_replies(5)) == [2, 3, 4, 5, 6]


def test_who_is_not_read_is_read_when_others_have_left() -> None:
    with served("tcp://127.0.0.1:0", max_running_per_peer=2, max_running=2) as (server, shop):
        with ScriptedClient(server.addresses[0]) as stays, ScriptedClient(server.addresses[0]) as leaves:
            leaves.ping(1)
            stays.send(request(2, "Shop.wait", msgpack.packb(None)))
            wait_until(lambda: shop.running == 1)
            leaves.close()
            wait_until(lambda: server.connections == 1)
            server.on_tick(monotonic())
            stays.ping(3)
            stays.send(request(4, "Shop.price"))
            assert stays.read_reply().seq == 4
            shop.gate.set()
            assert stays.read_reply().seq == 2
