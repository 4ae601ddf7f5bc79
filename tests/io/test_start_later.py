"""Listeners that come at start, sockets that come from another process, and callers that speak HTTP."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from wsgiref.validate import validator

import gevent
import pytest
from support.peers import ScriptedClient, memory_url

import razorg
from razorg.server import http as refusals

pytestmark = pytest.mark.timeout(20)


@razorg.service
class Echo:
    def echo(self, value: int) -> int:
        return value


def ask(address: str, value: int = 7) -> None:
    with razorg.connect(address) as pool:
        assert pool.client(Echo).echo(value) == value


# listeners at start


def test_listeners_come_with_start(tmp_path: Path) -> None:
    server = razorg.RpcServer(None, [Echo()])
    assert server.addresses == []
    with socket.create_server(("127.0.0.1", 0)) as bound:
        server.start([f"unix://{tmp_path}/s", ("127.0.0.1", 0), bound])
        assert len(server.addresses) == 3
        for address in server.addresses:
            ask(address)
        assert server.read_requests >= 3
        server.stop()
        assert server.read_requests >= 3


def test_they_come_in_addition_to_those_of_the_constructor() -> None:
    first, second = memory_url(), memory_url()
    server = razorg.RpcServer(first, [Echo()])
    server.start(second)
    assert server.addresses == [first, second]
    ask(first)
    ask(second)
    server.stop()


def test_a_server_without_any_does_not_start_and_can_get_one_later() -> None:
    for nothing in (None, []):
        server = razorg.RpcServer(nothing, [Echo()])
        with pytest.raises(razorg.LocalProtocolError, match="no address"):
            server.start()
        with pytest.raises(razorg.LocalProtocolError, match="no address"):
            server.serve_forever()
    address = memory_url()
    server.start(address)
    ask(address)
    server.stop()


def test_one_that_cannot_be_had_closes_the_others(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    server = razorg.RpcServer(f"unix://{tmp_path}/s", [Echo()])
    with pytest.raises(OSError, match="cannot listen"):
        server.start(f"unix://{tmp_path}/file")
    assert not (tmp_path / "s").exists()
    server.start()
    ask(server.addresses[0])
    server.stop()


def test_what_is_no_address_is_a_value_error() -> None:
    server = razorg.RpcServer(None, [Echo()])
    with pytest.raises(ValueError):
        server.start("gopher://x:1")
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams, pytest.raises(ValueError, match="stream"):
        server.start(datagrams)


def test_a_socket_that_listens_keeps_its_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    kind = razorg.transport.registry.system_socket  # type: ignore[attr-defined]
    monkeypatch.setattr(kind, "listen", lambda self, backlog: asked.append(backlog), raising=False)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        socket.SocketType.listen(bound, 3)  # the C method: it is not the one that is recorded
        with razorg.RpcServer(bound, [Echo()]) as server:
            ask(server.addresses[0])
    assert asked == []


# HTTP


@pytest.fixture
def server() -> Iterator[razorg.RpcServer]:
    with razorg.RpcServer("tcp://127.0.0.1:0", [Echo()], read_timeout=0.1) as started:
        yield started


def in_thread(function: Any, *args: Any) -> Any:
    """What a client that knows nothing of gevent gets, while the server's hub runs."""
    return gevent.get_hub().threadpool.apply(function, args)


@pytest.mark.parametrize("method", [item.decode() for item in refusals.METHODS])
def test_a_real_http_client_is_told_what_is_wrong(
    server: razorg.RpcServer, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fetch() -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(urlsplit(server.addresses[0]).netloc, timeout=5)
        try:
            connection.request(method, "/some/path", b"x" * 5000 if method == "POST" else None)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    status, headers, body = in_thread(fetch)
    assert status == 426
    assert headers["Upgrade"] == "razor-rpc"
    assert "close" in headers["Connection"]
    assert headers["Content-Type"].startswith("text/plain")
    assert body == (b"" if method == "HEAD" else refusals.BODY)
    assert [record.getMessage() for record in caplog.records if "protocol" in record.getMessage()] != []


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_curl(server: razorg.RpcServer) -> None:
    url = server.addresses[0].replace("tcp://", "http://")
    ran = in_thread(
        lambda: subprocess.run(["curl", "-sSi", "-m", "5", url], capture_output=True, timeout=10)
    )
    assert ran.returncode == 0 and ran.stderr == b""
    assert ran.stdout.startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
    assert b"gunicorn -k razorg.gunicorn.Worker" in ran.stdout


@pytest.mark.parametrize("half_closes", [False, True])
def test_a_request_shorter_than_a_frame_is_answered_too(
    server: razorg.RpcServer, half_closes: bool
) -> None:
    with ScriptedClient(server.addresses[0]) as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        if half_closes:
            client.half_close()
        assert client.read_exact(12) == b"HTTP/1.1 426"


def test_after_a_request_it_is_no_start_any_more(server: razorg.RpcServer) -> None:
    with ScriptedClient(server.addresses[0]) as client:
        client.ping(1)
        client.send(b"GET / HTTP/1.1\r\nHost: localhost:7700\r\n\r\n")
        client.expect_eof()


def test_the_answer_to_head_has_no_body(server: razorg.RpcServer) -> None:
    with ScriptedClient(server.addresses[0]) as client:
        client.send(b"HEAD / HTTP/1.1\r\nHost: localhost:7700\r\n\r\n")
        head = refusals.refusal(b"HEAD / H")
        assert head is not None and head.endswith(b"\r\n\r\n")
        assert client.read_exact(len(head)) == head
        client.expect_eof()


@pytest.mark.parametrize("start", [b"GETTING ON ", b"get / HTTP/1.1 ", b"PUTIN", b"\x16\x03\x01"])
def test_what_is_no_http_is_closed_silently(server: razorg.RpcServer, start: bytes) -> None:
    with ScriptedClient(server.addresses[0]) as client:
        client.send(start + bytes(40))
        client.expect_eof()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_as_a_wsgi_application_it_says_the_same(method: str) -> None:
    server = razorg.RpcServer(None, [Echo()])
    answer: list[Any] = []
    environ = {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": "",
        "SERVER_NAME": "x", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": _Stream(),
        "wsgi.errors": _Stream(), "wsgi.multithread": False, "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }  # fmt: skip

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        answer.append((status, dict(headers)))
        return lambda data: None

    body = validator(server)(environ, start_response)  # type: ignore[arg-type]
    data = b"".join(body)
    body.close()  # type: ignore[attr-defined]
    status, headers = answer[0]
    assert status == "426 Upgrade Required"
    assert headers == {
        "Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(refusals.BODY))
    }  # fmt: skip
    assert data == (b"" if method == "HEAD" else refusals.BODY)


class _Stream:
    """What the validator wants of an input and an error stream."""

    def _nothing(self, *_: Any) -> bytes:
        return b""

    read = readline = readlines = write = flush = writelines = __iter__ = _nothing


# inherited sockets: in a process of their own, for there they begin at descriptor 3

PRELUDE = """
import os, socket, sys, razorg
def lay_out(*sockets):
    for place, sock in enumerate([sock.detach() for sock in sockets], 3):
        if sock != place:
            os.dup2(sock, place); os.close(sock)
        os.set_inheritable(place, True)
    os.environ.update(LISTEN_FDS=str(len(sockets)), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="a:b")
class Echo:
    def echo(self, value: int) -> int:
        return value
Echo = razorg.service(Echo)
def ask(address):
    with razorg.connect(address) as pool:
        assert pool.call("Echo.echo", 7) == 7
"""


def run(program: str, **environ: str) -> str:
    """What the program prints; its process has no descriptors but the standard ones."""
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", PRELUDE + program],
        capture_output=True, text=True, timeout=15, env={**os.environ, **environ},
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout + ran.stderr
    return ran.stdout


def test_inherited_sockets_are_served(tmp_path: Path) -> None:
    run(f"""
sockets = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
sockets[1].bind({str(tmp_path / "s")!r})
sockets[1].listen()
if socket.has_ipv6:
    try:
        sockets.append(socket.create_server(("::1", 0), family=socket.AF_INET6))
    except OSError:
        pass  # a machine that only could
count = len(sockets)
lay_out(*sockets)
taken = razorg.inherited_sockets()
assert [sock.fileno() for sock in taken] == list(range(3, 3 + count))
assert not any(sock.get_inheritable() for sock in taken)
assert not [name for name in os.environ if name.startswith("LISTEN_")]
assert razorg.inherited_sockets() == []
server = razorg.RpcServer(taken or "tcp://127.0.0.1:0", [Echo()])
server.start()
assert len(server.addresses) == count, server
for address in server.addresses:
    ask(address)
assert all(sock.fileno() == -1 for sock in taken)
host, port = server.addresses[0].removeprefix("tcp://").split(":")
server.stop()
try:
    socket.create_connection((host, int(port))).close()
except ConnectionRefusedError:
    pass
else:
    raise AssertionError("it still listens")
""")
    assert (tmp_path / "s").exists(), "the file is the giver's"


@pytest.mark.parametrize(
    "environ", [{}, {"LISTEN_FDS": "2"}, {"LISTEN_FDS": "2", "LISTEN_PID": "1"}, {"LISTEN_FDS": "x", "LISTEN_PID": "1"}]
)
def test_without_any_for_this_process_there_are_none(environ: dict[str, str]) -> None:
    run("assert razorg.inherited_sockets() == []", **environ)


GARBAGE = {
    "no pid": ('os.environ.update(LISTEN_FDS="1", LISTEN_PID="me")', "LISTEN_PID is 'me'"),
    "no count": ('lay_out(); os.environ["LISTEN_FDS"] = "many"', "LISTEN_FDS is 'many'"),
    "a negative count": ('lay_out(); os.environ["LISTEN_FDS"] = "-1"', "LISTEN_FDS is '-1'"),
    "more than there are": ('lay_out(socket.create_server(("127.0.0.1", 0))); os.environ["LISTEN_FDS"] = "9"', "no socket"),
    "a file": ('os.dup2(os.open("/dev/null", 0), 3); os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))', "descriptor 3, which is no socket"),
    "datagrams": ("lay_out(socket.socket(type=socket.SOCK_DGRAM))", "descriptor 3, which is no stream socket"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_a_value_error(name: str) -> None:
    program, text = GARBAGE[name]
    printed = run(f"""
{program}
try:
    razorg.inherited_sockets()
except ValueError as error:
    print(error)
""")
    assert text in printed
