"""The proxy that breaks links: each of its faults, and that it leaves nothing behind."""

from __future__ import annotations

import errno
import socket as plain_socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from support.peers import wait_until

import razorg
from razorg.testing import ChaosProxy

PATIENCE = 10


class EchoServer:
    """Sends back what it gets, and notes how each connection ended."""

    def __init__(self, address: Any = ("127.0.0.1", 0), family: int = plain_socket.AF_INET) -> None:
        self._listener = socket.socket(family, plain_socket.SOCK_STREAM)
        self._listener.bind(address)
        self._listener.listen()
        self.where = self._listener.getsockname()
        self.endings: list[str] = []
        self.received = b""
        self.chunks: list[int] = []
        self._acceptor = gevent.spawn(self._accept)
        self._handlers: list[gevent.Greenlet[..., None]] = []

    def _accept(self) -> None:
        while True:
            conn, _ = self._listener.accept()
            self._handlers.append(gevent.spawn(self._handle, conn))

    def _handle(self, conn: Any) -> None:
        with conn:
            try:
                while data := conn.recv(65536):
                    self.received += data
                    self.chunks.append(len(data))
                    conn.sendall(data)
                self.endings.append("fin")
            except ConnectionResetError:
                self.endings.append("rst")
            except OSError as error:
                self.endings.append(repr(error))

    def close(self) -> None:
        self._acceptor.kill()
        gevent.killall(self._handlers)
        self._listener.close()


@contextmanager
def linked() -> Iterator[tuple[EchoServer, ChaosProxy, Any]]:
    echo = EchoServer()
    try:
        with ChaosProxy(("127.0.0.1", echo.where[1]), seed=1) as proxy, client_of(proxy) as client:
            client.sendall(b"hello")
            assert client.recv(10) == b"hello"
            yield echo, proxy, client
    finally:
        echo.close()


def client_of(proxy: ChaosProxy) -> Any:
    host, _, port = proxy.address.removeprefix("tcp://").rpartition(":")
    client = socket.create_connection((host, int(port)))
    client.settimeout(PATIENCE)
    return client


def read(client: Any, count: int) -> bytes:
    data = b""
    while len(data) < count and (part := client.recv(count - len(data))):
        data += part
    return data


def test_it_forwards_both_ways_and_counts() -> None:
    with linked() as (echo, proxy, client):
        data = bytes(range(256)) * 4000
        sending = gevent.spawn(client.sendall, data)
        assert read(client, len(data)) == data
        sending.get(PATIENCE)
        assert (proxy.connections, proxy.open_connections) == (1, 1)
        assert proxy.up.bytes == proxy.down.bytes == len(data) + 5
        assert "1 connections" in repr(proxy)
        client.shutdown(plain_socket.SHUT_WR)
        assert client.recv(10) == b""
        wait_until(lambda: proxy.open_connections == 0)
        assert echo.endings == ["fin"]


def test_delay_and_jitter_keep_the_order_and_do_not_add_up() -> None:
    with linked() as (echo, proxy, client):
        proxy.up.delay, proxy.up.jitter = 0.2, 0.1
        started = time.monotonic()
        for number in range(20):
            client.sendall(b"%02d" % number)
            gevent.sleep(0.001)
        assert read(client, 40) == b"".join(b"%02d" % number for number in range(20))
        assert 0.2 <= time.monotonic() - started < 3.0  # 20 delays one after the other would be 4 s


def test_slices() -> None:
    with linked() as (echo, proxy, client):
        proxy.up.slice_bytes = 3
        echo.chunks.clear()
        client.sendall(b"x" * 100)
        assert read(client, 100) == b"x" * 100
        assert len(echo.chunks) > 1  # the kernel joins what one process sends and reads
        assert proxy.up.bytes == 105


def test_bandwidth() -> None:
    with linked() as (echo, proxy, client):
        proxy.down.bytes_per_second = 100_000
        started = time.monotonic()
        client.sendall(b"x" * 30_000)
        assert len(read(client, 30_000)) == 30_000
        assert time.monotonic() - started >= 0.25


@pytest.mark.parametrize("resets", [True, False])
@pytest.mark.parametrize("count", [0, 1, 37, 70_000])
def test_cut_after_so_many_bytes(resets: bool, count: int) -> None:
    echo = EchoServer()
    with ChaosProxy(("127.0.0.1", echo.where[1])) as proxy, client_of(proxy) as client:
        proxy.up.cut_after_bytes, proxy.up.cut_resets = count, resets
        sending = gevent.spawn(client.sendall, b"y" * 100_000)
        if resets:
            with pytest.raises(ConnectionResetError):
                while client.recv(65536):
                    pass
            wait_until(lambda: proxy.open_connections == 0)
            wait_until(lambda: echo.endings)
        else:
            assert len(read(client, count)) == count
            wait_until(lambda: echo.endings == ["fin"])
            sending.get(timeout=PATIENCE)
            assert proxy.open_connections == 1
            client.close()
            wait_until(lambda: proxy.open_connections == 0)
        sending.kill()
        assert proxy.up.bytes == count
        if not resets or count < 50_000:  # a reset may overtake what the server has not read
            assert len(echo.received) in ((count,) if not resets else range(count + 1))
    echo.close()


def test_reset_ends_both_sides_and_takes_new_ones() -> None:
    with linked() as (echo, proxy, client):
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        wait_until(lambda: echo.endings == ["rst"])
        with client_of(proxy) as again:
            again.sendall(b"x")
            assert again.recv(1) == b"x"


def test_cut_refuses_until_resume() -> None:
    with linked() as (echo, proxy, client):
        proxy.cut()
        for _ in range(2):
            with client_of(proxy) as refused, pytest.raises(ConnectionResetError):
                refused.recv(1)
        proxy.resume()
        with client_of(proxy) as again:
            again.sendall(b"x")
            assert again.recv(1) == b"x"


def test_a_black_hole_swallows_and_gives_back_late() -> None:
    with linked() as (echo, proxy, client):
        proxy.blackhole()
        client.sendall(b"lost?")
        with client_of(proxy) as other:
            other.sendall(b"me too")
            client.settimeout(0.1)
            with pytest.raises(TimeoutError):
                client.recv(1)
            assert proxy.up.is_blackhole
            proxy.resume()
            client.settimeout(PATIENCE)
            assert read(client, 5) == b"lost?"
            assert read(other, 6) == b"me too"


def test_one_way_only() -> None:
    with linked() as (echo, proxy, client):
        proxy.down.is_blackhole = True
        client.sendall(b"up")
        wait_until(lambda: echo.received == b"helloup")
        proxy.down.is_blackhole = False
        assert read(client, 2) == b"up"


def test_half_close() -> None:
    with linked() as (echo, proxy, client):
        proxy.half_close()
        wait_until(lambda: echo.endings == ["fin"])
        assert client.recv(1) == b""  # the server had nothing more to say


def test_after_a_half_close_who_goes_on_to_send_still_gets_the_answer() -> None:
    class Slow(razorg.Dispatch):
        def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
            running.set()
            may_end.wait()
            respond.ok("answered")

    running, may_end = Event(), Event()
    with razorg.RpcServer("tcp://127.0.0.1:0", dispatch=Slow()) as server, ChaosProxy(server.addresses[0]) as proxy:
        with razorg.ClientStream(proxy.address) as stream:
            future = stream.send(1)
            running.wait()
            proxy.half_close()
            for _ in range(20):
                stream.send_ping()
                gevent.sleep(0.001)
            may_end.set()
            assert future.get(timeout=PATIENCE).msg == "answered"
    assert proxy.open_connections == 0


def test_half_close_of_the_way_down() -> None:
    with linked() as (echo, proxy, client):
        proxy.half_close("down")
        assert client.recv(1) == b""
        assert echo.endings == []
        client.shutdown(plain_socket.SHUT_WR)  # up to now it could still speak
        wait_until(lambda: echo.endings == ["fin"])


def test_the_server_is_not_there() -> None:
    gone = socket.socket()
    gone.bind(("127.0.0.1", 0))
    port = gone.getsockname()[1]
    gone.close()
    with ChaosProxy(("127.0.0.1", port)) as proxy, client_of(proxy) as client:
        with pytest.raises(ConnectionResetError):
            client.recv(1)


@pytest.mark.parametrize("wrong", [["memory://x"], ["tcp://127.0.0.1:1", "memory://y"]])
def test_what_is_no_socket_has_no_proxy(wrong: list[str]) -> None:
    with pytest.raises(ValueError, match="memory://.* ChaosProxy is for tcp://"):
        ChaosProxy(*wrong)


def test_a_failed_accept_is_not_the_last() -> None:
    with linked() as (_, proxy, _):
        listener: Any = proxy._listener
        failures = [OSError(errno.EMFILE, "too many open files"), ConnectionAbortedError()]

        class Failing:
            def accept(self) -> Any:
                if failures:
                    raise failures.pop()
                return listener.accept()

        proxy._listener = Failing()
        for _ in range(2):  # the first one is still taken by the accept that waits
            with client_of(proxy) as client:
                client.sendall(b"hello")
                assert client.recv(10) == b"hello"
        assert not failures
        proxy._listener = listener


def test_unix_sockets(tmp_path: Path) -> None:
    echo = EchoServer(str(tmp_path / "echo"), plain_socket.AF_UNIX)
    with ChaosProxy(f"unix://{tmp_path}/echo", f"unix://{tmp_path}/proxy") as proxy:
        assert proxy.address == f"unix://{tmp_path}/proxy"
        with socket.socket(plain_socket.AF_UNIX, plain_socket.SOCK_STREAM) as client:
            client.connect(str(tmp_path / "proxy"))
            client.sendall(b"x")
            assert client.recv(1) == b"x"
    assert not (tmp_path / "proxy").exists()
    echo.close()


def test_what_is_held_back_is_bounded() -> None:
    with linked() as (echo, proxy, client):
        proxy.up.delay = 60
        client.setblocking(False)
        sent = 0
        for _ in range(2000):
            try:
                sent += client.send(b"z" * 65536)
            except BlockingIOError:
                gevent.sleep(0.001)
        assert sent < 30_000_000
        proxy.up.delay = 0


def test_razorg_over_it() -> None:
    @razorg.service
    class Echo:
        @razorg.method(idempotent=True)
        def say(self, text: str) -> str:
            return text

    with razorg.RpcServer("tcp://127.0.0.1:0", [Echo()]) as server:
        with ChaosProxy(server.addresses[0]) as proxy:
            proxy.up.slice_bytes, proxy.down.slice_bytes = 1, 7
            with razorg.connect(proxy.address, task_timeout=30) as pool:
                echo = pool.client(Echo)
                assert [echo.say(str(n) * n) for n in range(50)] == [str(n) * n for n in range(50)]
                proxy.reset()
                wait_until(lambda: proxy.open_connections == 0)
                assert echo.say("after") == "after"


@contextmanager
def program(echo: EchoServer, *options: str) -> Iterator[tuple[int, list[str]]]:
    """The port at which it runs, and what it says in the end."""
    command = [sys.executable, "-m", "razorg.testing", f"tcp://127.0.0.1:{echo.where[1]}", *options]
    said: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = gevent.get_hub().threadpool.apply(process.stdout.readline)
            yield int(line.split(" ")[0].rpartition(":")[2]), said
        finally:
            process.send_signal(2)
        said.append(gevent.get_hub().threadpool.apply(process.stdout.read))
    assert process.returncode == 0
    echo.close()


def connect_to(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port))
    client.settimeout(PATIENCE)
    return client


def test_the_program() -> None:
    with program(EchoServer(), "--slice", "2") as (port, said), connect_to(port) as client:
        client.sendall(b"abcdef")
        assert read(client, 6) == b"abcdef"
        client.shutdown(plain_socket.SHUT_WR)
        assert client.recv(1) == b""  # and so all was counted
    assert "1 connections, 6 bytes up, 6 bytes down" in said[0]


def test_the_program_cuts_with_fin() -> None:
    echo = EchoServer()
    with program(echo, "--cut-after", "3", "--fin") as (port, _), connect_to(port) as client:
        client.sendall(b"abcdef")
        assert read(client, 3) == b"abc"
        wait_until(lambda: echo.endings == ["fin"])
        assert client.recv(1) == b""


def test_the_program_resets_and_falls_silent() -> None:
    with program(EchoServer(), "--silent-every", "0.2") as (port, _), connect_to(port) as client:
        slowest = 0.0
        while slowest < 0.1:  # for so long nothing gets through, in the end
            began = time.monotonic()
            client.sendall(b"a")
            assert read(client, 1) == b"a"
            slowest = max(slowest, time.monotonic() - began)
    with program(EchoServer(), "--reset-every", "0.01") as (port, _), connect_to(port) as client:
        with pytest.raises(ConnectionResetError):
            client.recv(1)
