"""``tls://``: who is let in, who is not and what that says, names, reloading."""

from __future__ import annotations

import logging
import random
import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from support.certificates import HOST, Authority, authority, server_file
from support.narrow import Narrow
from support.peers import ScriptedClient, request, wait_until

import razorg
import razorg.tls
import razorg.transport.tls
from razorg.client.loops import BatchWriter
from razorg.tls import ClientTls, ServerTls
from razorg.transport.memory import memory_pair
from razorg.transport.tls import TlsConnection
from razorg.wire.encoder import request_frame
from razorg.wire.parser import RequestParser

BIG = random.Random(1).randbytes(3_000_000)


@razorg.service
class Mirror:
    def echo(self, data: bytes) -> bytes:
        return data

    def who(self) -> str:
        peer = razorg.current_peer()
        return peer.certificate.common_name if peer.certificate else "nobody"

    def names(self) -> list[tuple[str, str]]:
        peer = razorg.current_peer()
        return peer.certificate.names if peer.certificate else []


class WhoDispatch(razorg.Dispatch):
    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        certificate = request.peer.certificate
        respond.ok(certificate.common_name if certificate else "nobody", blob=request.blob)


@contextmanager
def server(tls: ServerTls | None = None, **settings: Any) -> Iterator[razorg.RpcServer]:
    tls = tls or ServerTls(server_file())
    with razorg.RpcServer(
        f"tls://{HOST}:0", [Mirror()], dispatch=WhoDispatch(), tls=tls, **settings
    ) as running:
        yield running


def trusting(**settings: Any) -> ClientTls:
    return ClientTls(authority().file, **settings)


def connect(running: razorg.RpcServer, tls: ClientTls | None = None, **settings: Any) -> razorg.ClientPool:
    return razorg.connect(running.addresses[0], tls=tls or trusting(), **settings)


# what works

def test_services_futures_and_big_arguments() -> None:
    with server() as running, connect(running) as pool:
        assert running.addresses[0].startswith("tls://127.0.0.1:")
        mirror = pool.client(Mirror)
        assert mirror.echo(b"") == b""
        assert mirror.echo(BIG) == BIG
        futures = [razorg.submit(mirror.echo, bytes([n]) * n * 999) for n in range(200)]
        assert [future.get(20) for future in futures] == [bytes([n]) * n * 999 for n in range(200)]
        assert mirror.who() == "nobody"


def test_streams_blobs_and_pings() -> None:
    with server() as running, razorg.ClientStream(running.addresses[0], tls=trusting()) as stream:
        assert 0 <= stream.ping() < 10
        replies = [stream.send(2, None, blob=BIG) for _ in range(3)]
        assert all(bytes(reply.get(20).blob or b"") == BIG for reply in replies)


def test_callers_that_write_and_read_at_once() -> None:
    def call(number: int) -> bool:
        data = random.Random(number).randbytes(number * 7_000)
        return all(mirror.echo(data) == data for _ in range(3))

    with server() as running, connect(running, max_connections=2, window=8) as pool:
        mirror = pool.client(Mirror)
        callers = [gevent.spawn(call, number) for number in range(50)]
        assert all(caller.get(30) for caller in callers)


def test_an_address_without_a_scheme_is_tls_where_there_are_settings() -> None:
    with razorg.RpcServer(f"{HOST}:0", [Mirror()], tls=ServerTls(server_file())) as running:
        short = running.addresses[0].removeprefix("tls://")
        with razorg.connect(short, tls=trusting()) as pool:
            assert pool.address == running.addresses[0]
            assert pool.client(Mirror).echo(b"x") == b"x"


def test_a_bound_socket_speaks_tls_where_there_are_settings() -> None:
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        with razorg.RpcServer(bound, [Mirror()], tls=ServerTls(server_file())) as running:
            with connect(running) as pool:
                assert pool.client(Mirror).echo(b"x") == b"x"


def test_a_failover_pool_over_tls() -> None:
    with server() as one, server() as other:
        with razorg.connect([*one.addresses, *other.addresses], tls=trusting()) as pool:
            mirror = pool.client(Mirror)
            assert [mirror.echo(b"x") for _ in range(4)] == [b"x"] * 4
            one.stop(0)
            assert [mirror.echo(b"y") for _ in range(4)] == [b"y"] * 4


class Moved(razorg.ErrorText):
    def failover(self) -> str:
        return str(self)


@razorg.service
class Sender:
    def __init__(self, target: str = "") -> None:
        self.target = target

    @razorg.method(raises=Moved)
    def go(self) -> str:
        if self.target:
            raise Moved(self.target)
        return "arrived"


def test_a_redirect_stays_encrypted() -> None:
    tls = ServerTls(server_file())
    with razorg.RpcServer(f"tls://{HOST}:0", [Sender()], tls=tls) as last:
        with razorg.RpcServer(f"tcp://{HOST}:0", [Sender()]) as in_the_clear:
            sender = Sender(last.addresses[0].removeprefix("tls://"))
            with razorg.RpcServer(f"tls://{HOST}:0", [sender], tls=tls) as first:
                with razorg.connect([first.addresses[0]], tls=trusting()) as pool:
                    assert pool.client(Sender).go() == "arrived"
                sender.target = in_the_clear.addresses[0]
                with razorg.connect([first.addresses[0]], tls=trusting()) as pool:
                    with pytest.raises(Moved):
                        pool.client(Sender).go()
                assert in_the_clear.read_requests == 0


def test_the_first_call_after_a_restart() -> None:
    tls = ServerTls(server_file())
    with server(tls) as running:
        with connect(running) as pool:
            mirror = pool.client(Mirror)
            assert mirror.echo(b"1") == b"1"
            running.stop()
            with razorg.RpcServer(running.addresses[0] if running.addresses else pool.address, [Mirror()], tls=tls):
                assert mirror.echo(b"2") == b"2"


# who is there

def test_the_certificate_of_a_client_is_seen_by_handlers() -> None:
    mine = authority().issue("alice@example.org", "alice.example", common_name="alice")
    tls = ServerTls(server_file(), client_ca=authority().file)
    with server(tls) as running, connect(running, trusting(certificate=mine)) as pool:
        mirror = pool.client(Mirror)
        assert mirror.who() == "alice"
        assert mirror.names() == [("DNS", "alice.example"), ("email", "alice@example.org")] or \
            mirror.names() == [("email", "alice@example.org"), ("DNS", "alice.example")]
        assert pool.send(1).get().msg == "alice"


def test_a_certificate_of_a_client_may_be_optional() -> None:
    tls = ServerTls(server_file(), client_ca=authority().file, is_client_optional=True)
    with server(tls) as running:
        with connect(running) as pool:
            assert pool.client(Mirror).who() == "nobody"
        mine = authority().issue("bob.example", common_name="bob")
        with connect(running, trusting(certificate=mine)) as pool:
            assert pool.client(Mirror).who() == "bob"


def test_a_client_may_be_shown_the_certificate_of_the_name_that_it_asks_for() -> None:
    other = authority().issue("other.example")
    tls = ServerTls(server_file(), by_name={"other.example": (other, None)})
    with server(tls) as running:
        for name in (None, "other.example", "OTHER.example"):
            with connect(running, trusting(server_name=name)) as pool:
                assert pool.client(Mirror).echo(b"x") == b"x"
        with connect(running, trusting(server_name="third.example")) as pool:
            with pytest.raises(razorg.Unreachable, match="not valid for 'third.example'"):
                pool.client(Mirror).echo(b"x")


def test_names_in_other_spellings_than_that_of_the_certificate() -> None:
    tls = ServerTls(server_file(), by_name={"Bücher.example.": (authority().issue("xn--bcher-kva.example"), None)})
    with server(tls) as running:
        for name in ("bücher.example", "xn--bcher-kva.example", "bücher.example."):
            with connect(running, trusting(server_name=name)) as pool:
                assert pool.client(Mirror).echo(b"x") == b"x"
    assert trusting().wrap(ssl.MemoryBIO(), ssl.MemoryBIO(), "host.example.").server_hostname == "host.example"


def test_both_sides_insist_on_tls_1_2() -> None:
    # OpenSSL may be built or configured for more, so that no handshake would show it.
    for settings in (trusting(), ServerTls(server_file()), ClientTls(verify=False)):
        assert settings._context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_no_less_than_tls_1_2_and_no_compression() -> None:
    with server() as running:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(authority().file)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is old, that is the point
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        host, _, port = running.addresses[0].removeprefix("tls://").rpartition(":")

        def shake_hands() -> str | None:
            with socket.create_connection((host, int(port))) as sock:
                with context.wrap_socket(sock, server_hostname=host) as tls:
                    return tls.version()

        with pytest.raises(ssl.SSLError):
            gevent.get_hub().threadpool.apply(shake_hands)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        assert gevent.get_hub().threadpool.apply(shake_hands) == "TLSv1.2"
        context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
        assert gevent.get_hub().threadpool.apply(shake_hands) == "TLSv1.3"


# mistakes

@cache
def stranger() -> Authority:
    """Somebody whom nobody trusts."""
    return Authority()


CLIENT_MISTAKES = {
    "the server's certificate has expired": (
        lambda: ServerTls(authority().issue(age=3)), trusting, "certificate has expired"),
    "the server's certificate is for another name": (
        lambda: ServerTls(authority().issue("elsewhere.example")), trusting, "IP address mismatch"),
    "the server's certificate is signed by a stranger": (
        lambda: ServerTls(stranger().issue()), trusting, "unable to get local issuer|self-signed certificate"),
    "only the system's authorities are trusted": (
        lambda: ServerTls(server_file()), ClientTls, "unable to get local issuer|self-signed certificate"),
    "no client certificate": (
        lambda: ServerTls(server_file(), client_ca=authority().file), trusting, "asks for a client certificate"),
    "a client certificate of a stranger": (
        lambda: ServerTls(server_file(), client_ca=authority().file),
        lambda: trusting(certificate=stranger().issue("mallory")), "does not trust who signed our certificate"),
    "an expired client certificate": (
        lambda: ServerTls(server_file(), client_ca=authority().file),
        lambda: trusting(certificate=authority().issue("late", age=3)), "our certificate has expired"),
}


@pytest.mark.parametrize("mistake", CLIENT_MISTAKES)
def test_a_mistake_is_named_and_the_server_goes_on(mistake: str) -> None:
    make_server, make_client, text = CLIENT_MISTAKES[mistake]
    with server(make_server()) as running:
        with connect(running, make_client()) as pool:
            for _ in range(2):  # the second call finds the pool in the know
                with pytest.raises((razorg.Unreachable, razorg.ConnectionLost), match=text):
                    pool.client(Mirror).echo(b"x")
        lenient = ClientTls(verify=False, certificate=authority().issue("good"))
        with connect(running, lenient) as pool:
            assert pool.client(Mirror).echo(b"x") == b"x"


def test_a_client_that_is_refused_reads_why_before_its_big_request_was_read() -> None:
    with server(ServerTls(server_file(), client_ca=authority().file)) as running, connect(running) as pool:
        with pytest.raises(razorg.ConnectionLost, match="asks for a client certificate"):
            pool.client(Mirror).echo(bytes(20_000_000))


def test_a_client_that_is_refused_and_stays_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(razorg.transport.tls, "LINGER_SECONDS", 0.05)
    with server() as running:
        with ScriptedClient(running.addresses[0].replace("tls://", "tcp://")) as client:
            client.send(b"no hello")
            wait_until(lambda: running.connections == 1)
            wait_until(lambda: running.connections == 0)


def test_a_plain_client_at_a_tls_port(caplog: pytest.LogCaptureFixture) -> None:
    with server() as running, caplog.at_level(logging.WARNING, "razorg"):
        with razorg.connect(running.addresses[0].replace("tls://", "tcp://")) as pool:
            with pytest.raises(razorg.ConnectionLost, match="the peer speaks TLS: only one of both ends is tls://"):
                pool.client(Mirror).echo(b"x")
        wait_until(lambda: "does not speak TLS" in caplog.text)
        with connect(running) as pool:
            assert pool.client(Mirror).echo(b"x") == b"x"


def test_a_tls_client_at_a_plain_port(caplog: pytest.LogCaptureFixture) -> None:
    with razorg.RpcServer(f"tcp://{HOST}:0", [Mirror()]) as running:
        address = running.addresses[0].replace("tcp://", "tls://")
        with caplog.at_level(logging.WARNING, "razorg"), razorg.connect(address, tls=trusting()) as pool:
            with pytest.raises(razorg.Unreachable, match="does it speak TLS"):
                pool.client(Mirror).echo(b"x")
        assert "the peer speaks TLS" in caplog.text


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", request(1, 2, b"\xc0"), b"\0" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 100,
    b"\x16", b"",
])
def test_bytes_that_are_no_handshake(data: bytes) -> None:
    with server(read_timeout=0.3) as running:
        with ScriptedClient(running.addresses[0].replace("tls://", "tcp://")) as client:
            client.send(data)
            with gevent.Timeout(10):
                try:
                    while client.conn.read(1000) != b"":
                        client.conn.wait_readable()
                except ConnectionResetError:
                    pass
        with connect(running) as pool:
            assert pool.client(Mirror).echo(b"x") == b"x"
        wait_until(lambda: running.connections == 0)


def test_a_slow_handshake_keeps_nobody_else_waiting(caplog: pytest.LogCaptureFixture) -> None:
    with server(read_timeout=0.5) as running:
        plain = running.addresses[0].replace("tls://", "tcp://")
        idlers = [ScriptedClient(plain) for _ in range(20)]
        with connect(running) as pool:
            assert pool.client(Mirror).echo(b"x") == b"x"
        wait_until(lambda: running.connections == 0)  # they were cut
        assert 1 <= caplog.text.count("no handshake with") <= 2  # of twenty
        for idler in idlers:
            idler.close()


def test_stop_does_not_wait_for_handshakes() -> None:
    with server(read_timeout=60) as running:
        with ScriptedClient(running.addresses[0].replace("tls://", "tcp://")):
            wait_until(lambda: running.connections == 1)
            with gevent.Timeout(5):
                running.stop()


@pytest.mark.parametrize("make, error, text", [
    (lambda: ClientTls("/nowhere/ca.pem"), FileNotFoundError, "/nowhere/ca.pem"),
    (lambda: ClientTls(__file__), ValueError, "holds no certificates"),
    (lambda: ClientTls(key="k.pem"), ValueError, "a key goes with its certificate"),
    (lambda: ServerTls("/nowhere/own.pem"), FileNotFoundError, "/nowhere/own.pem"),
    (lambda: ServerTls(server_file(), "/nowhere/key.pem"), FileNotFoundError, "/nowhere/key.pem"),
    (lambda: ServerTls(authority().file), ValueError, "no certificate with its key"),
    (lambda: ServerTls(server_file(), authority().issue("x")), ValueError, "no certificate with its key"),
    (lambda: ServerTls(server_file(), is_client_optional=True), ValueError, "client_ca"),
    (lambda: ServerTls(server_file(), by_name={"*.example": (server_file(), None)}), ValueError, "name of a host"),
    (lambda: ClientTls(server_name="two..dots"), ValueError, "name of a host"),
    (lambda: ClientTls(server_name="nul\0"), ValueError, "name of a host"),
    (lambda: razorg.connect("tcp://h:1", tls=ClientTls()), ValueError, "not encrypted"),
    (lambda: razorg.connect("unix:///tmp/s", tls=ClientTls()), ValueError, "not encrypted"),
    (lambda: razorg.connect(["tls://h:1", "tcp://h:1"], tls=ClientTls()), ValueError, "not encrypted"),
    (lambda: razorg.connect("tls://h:1", tls=True), TypeError, "ClientTls"),
    (lambda: razorg.connect("tls://h:1", tls=ServerTls(server_file())), TypeError, "ClientTls"),
    (lambda: razorg.RpcServer("tls://h:1", [Mirror()], tls=ClientTls()), TypeError, "ServerTls"),
    (lambda: razorg.RpcServer(f"tls://{HOST}:0", [Mirror()]).start(), ValueError, "needs a certificate"),
    (lambda: razorg.register_transport("tls", object()), ValueError, "tls"),
])
def test_wrong_settings_are_told_at_once(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


def test_verification_is_on_unless_it_is_switched_off() -> None:
    with server(ServerTls(stranger().issue("elsewhere.example"))) as running:
        with connect(running, ClientTls(verify=False)) as pool:
            assert pool.client(Mirror).echo(b"x") == b"x"
        assert "trusts ANY" in repr(ClientTls(verify=False))


# reloading

def test_the_authorities_of_the_system_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: read.append(1))
    razorg.tls.default_tls.cache_clear()
    with server() as running:
        for _ in range(2):
            with razorg.connect(running.addresses[0]) as pool:
                with pytest.raises(razorg.Unreachable, match="unable to get local issuer|self-signed certificate"):
                    pool.client(Mirror).echo(b"x")
    razorg.tls.default_tls.cache_clear()
    assert len(read) == 1


def test_a_reload_shows_the_new_certificate_and_drops_no_connection(tmp_path: Path) -> None:
    file = authority().issue(path=tmp_path / "own.pem")
    tls = ServerTls(file)
    with server(tls) as running, connect(running) as old, connect(running) as new:
        assert old.client(Mirror).echo(b"1") == b"1"
        before = shown_by(running)
        authority().issue(path=file)
        assert shown_by(running) == before
        tls.reload()
        assert shown_by(running) != before
        assert old.client(Mirror).echo(b"2") == b"2"
        assert running.connections == 1
        assert new.client(Mirror).echo(b"3") == b"3"


def test_a_reload_that_fails_leaves_all_as_it_was(tmp_path: Path) -> None:
    file = authority().issue(path=tmp_path / "own.pem")
    tls = ServerTls(file)
    with server(tls) as running:
        before = shown_by(running)
        file.write_text("nonsense")
        with pytest.raises(ValueError, match="no certificate with its key"):
            tls.reload()
        assert shown_by(running) == before


def shown_by(running: razorg.RpcServer) -> bytes:
    with razorg.ClientStream(running.addresses[0], tls=trusting()) as stream:
        conn: Any = stream._conn
        stream.ping()
        return conn.certificate().der  # type: ignore[no-any-return]


# the connection itself

@pytest.mark.parametrize("seed", range(5))
def test_a_connection_that_takes_and_gives_a_few_bytes_at_a_time(seed: int) -> None:
    rng = random.Random(seed)
    narrow = Narrow(None, lambda: rng.choice([0, 1, 1, 7, 100, 5_000]))  # type: ignore[arg-type]
    ends = tls_pair(*map(narrow._narrowed, memory_pair()))
    data = rng.randbytes(300_000)

    def send(end: Any) -> None:
        rest = memoryview(data)
        while rest:
            count = end.write(rest[: rng.randint(1, 70_000)])
            rest = rest[count:]
            if not count:
                gevent.sleep(0)

    def receive(end: Any) -> bytes:
        received = bytearray()
        while len(received) < len(data):
            part = end.read(rng.randint(1, 40_000))
            if part is None:
                gevent.sleep(0)
            else:
                received += part
        return bytes(received)

    work = [gevent.spawn(action, end) for end in ends for action in (send, receive)]
    gevent.joinall(work, timeout=30, raise_error=True)
    assert [work[1].value == data, work[3].value == data] == [True, True]


def test_a_reader_of_what_never_ends_lets_others_run() -> None:
    client, server = tls_pair(*memory_pair())
    data = random.Random(1).randbytes(200_000)
    rest = memoryview(data)
    while written := client.write(rest):
        rest = rest[written:]
    received = bytearray()
    for _ in range(2):  # it has to wait, and goes on with what is there
        while (part := server.read(1000)) is not None:
            received += part
        assert 0 < len(received) < 40_000
        server.wait_readable()
    while len(received) < len(data):
        received += server.read(100_000) or b""
    assert received == data


def test_the_end_is_seen_behind_something_of_tls_itself() -> None:
    client, server = tls_pair(*memory_pair())
    while client.read(10) is not None:  # what the server sent last in the handshake
        pass
    server.write(b"x")
    assert client.read(10) == b"x"
    server._inner.write(b"\x17\x03\x03")  # a part of a record, and then nothing more
    server._inner.close()
    assert client.end_of_stream()


def test_what_tls_itself_answers_is_bounded() -> None:
    client, server = tls_pair(*memory_pair())
    while server.write(bytes(100_000)):  # the client does not read
        pass

    class Asked:
        def read(self, *_: Any) -> bytes:
            server._outgoing.write(bytes(1000))  # as to a peer that wants other keys
            raise ssl.SSLWantReadError

    server._tls = Asked()
    reads = 0
    with pytest.raises(ConnectionError, match="does not read"):
        while reads < 1000:
            server.read(1000)
            reads += 1
    assert 0 < reads < 100


def test_who_is_refused_and_floods_lets_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(razorg.transport.tls, "LINGER_SECONDS", 0.05)
    reads = 0

    class Flood:
        def read(self, max_bytes: int) -> bytes:
            nonlocal reads
            reads += 1
            assert reads < 100, "others cannot run"
            return b"GET / HTTP/1.1\r\n"

        def wait_readable(self) -> None:
            nonlocal reads
            reads = 0
            gevent.sleep(0)

        def write(self, data: Any) -> int:
            return len(data)

        def shutdown_write(self) -> None:
            pass

    bios = (ssl.MemoryBIO(), ssl.MemoryBIO())
    inner: Any = Flood()
    conn = TlsConnection(inner, ServerTls(server_file()).wrap(*bios), bios, "tls://flood")
    with pytest.raises(ConnectionError, match="HTTP without TLS"):
        conn.handshake()


@pytest.mark.parametrize("room", [0, 1, 20_000, 35_000])
@pytest.mark.parametrize("blob_at", [None, 0, 20])
def test_what_the_other_end_may_have_is_not_said_to_be_unsent(room: int, blob_at: int | None) -> None:
    """The connection breaks after so many encrypted bytes; calls whose frames are given back move,
    and run twice where the other end has them."""
    inner = memory_pair()
    client, server = tls_pair(*inner)
    write, left = inner[0].write, room

    def write_some(data: Any) -> int:
        nonlocal left
        if not left:
            raise ConnectionResetError("reset")
        written = write(memoryview(data)[:left])
        left -= written
        return written

    inner[0].write = write_some
    calls = [
        SimpleNamespace(
            frame=request_frame((5, b""), seq, 0, b"m" * 1000, b"b" * 50_000 if seq == blob_at else None)
        )
        for seq in range(40)
    ]
    writer = BatchWriter(client)
    with pytest.raises(OSError):
        writer.write_batch(calls)
    writer.put_back()
    unsent = {seq for seq, call in enumerate(calls) if call.frame is not None}
    parser, arrived = RequestParser(razorg.Limits()), set()
    while data := server.read(100_000):
        arrived |= {fields[0] for fields in parser.feed(data)}
    assert not unsent & arrived
    assert arrived or room < 20_000 or blob_at == 0
    assert (len(unsent) == len(calls)) == (room == 0)
    client.close()
    server.close()


def tls_pair(*inner: Any) -> list[Any]:
    client_bios, server_bios = ((ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in range(2))
    client = TlsConnection(inner[0], trusting().wrap(*client_bios, HOST), client_bios, "tls://client")
    server = TlsConnection(inner[1], ServerTls(server_file()).wrap(*server_bios), server_bios, "tls://server")
    shaking = gevent.spawn(server.handshake)
    client.handshake()
    shaking.get(10)
    return [client, server]
