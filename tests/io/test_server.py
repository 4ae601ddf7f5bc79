"""RpcServer: listeners, answers from anywhere, bounds, start and stop."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import gevent
import pytest
from gevent.event import Event
from support.peers import ScriptedClient, error, memory_url, request, wait_until

import razorg
from razorg import (
    ClientStream,
    EncodeError,
    Limits,
    LocalProtocolError,
    RpcServer,
    connect,
)
from razorg.codec.msgpack import MsgpackCodec
from razorg.server.counted import CountedRespond
from razorg.server.dispatch import Respond


class Echo(razorg.Dispatch):
    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        respond.ok(request.decode(), blob=request.blob)


class Gate(razorg.Dispatch):
    """Handlers wait at the gate; counts how many run at once."""

    def __init__(self) -> None:
        self.gate = Event()
        self.running = self.most = self.total = 0

    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        self.total += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            self.gate.wait()
        finally:
            self.running -= 1
        respond.ok(request.decode())


class Keep(razorg.Dispatch):
    """Keeps its ways to respond for the test."""

    def __init__(self) -> None:
        self.kept: list[razorg.Respond] = []

    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        self.kept.append(respond)


def check_serves(address: Any) -> None:
    with ClientStream(address) as stream:
        assert stream.send(2, 5).get(timeout=5).msg == 5


# listeners


def test_several_listeners_of_every_kind(tmp_path: Path) -> None:
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    path = tmp_path / "s"
    memory = memory_url()
    listen = ["tcp://127.0.0.1:0", "127.0.0.1:0", ("127.0.0.1", 0), bound, f"unix://{path}", memory]
    with RpcServer(listen, dispatch=Echo()) as server:
        assert len(set(server.addresses)) == 6
        assert server.addresses[3] == f"tcp://127.0.0.1:{bound.getsockname()[1]}"
        assert server.addresses[4:] == [f"unix://{path}", memory]
        assert not any(address.endswith(":0") for address in server.addresses)
        for address in server.addresses:
            check_serves(address)
        assert all(address in repr(server) for address in server.addresses)
    assert not path.exists()
    bound.close()
    for listen in (("127.0.0.1", 0), "tcp://127.0.0.1:0"):
        with RpcServer(listen, dispatch=Echo()) as server:
            check_serves(server.addresses[0])


def test_a_socket_that_is_no_stream_is_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with pytest.raises(ValueError, match="stream"):
            RpcServer(sock, dispatch=Echo())


def test_files_in_the_way_of_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with RpcServer(f"unix://{path}", dispatch=Echo()) as server:
        check_serves(server.addresses[0])
        other = RpcServer(["memory://free", f"unix://{path}"], dispatch=Echo())
        with pytest.raises(OSError) as caught:
            other.start()
        assert caught.value.errno == errno.EADDRINUSE
        check_serves(server.addresses[0])
    path.write_text("precious")
    with pytest.raises(OSError) as caught:
        RpcServer(f"unix://{path}", dispatch=Echo()).start()
    assert caught.value.errno == errno.EADDRINUSE
    assert path.read_text() == "precious"
    with RpcServer("memory://free", dispatch=Echo()):  # a failed start lets go of all
        pass


def test_a_replaced_socket_file_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with RpcServer(f"unix://{path}", dispatch=Echo()):
        os.unlink(path)
        path.write_text("another's")
    assert path.read_text() == "another's"


def test_accept_errors_are_survived(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    with RpcServer("tcp://127.0.0.1:0", dispatch=Echo()) as server:
        check_serves(server.addresses[0])
        listener: Any = server._acceptors[0].listener
        accept, failures = listener.accept, []

        def failing() -> Any:
            if len(failures) < 2:
                failures.append(1)
                raise OSError(errno.EMFILE, "too many open files")
            return accept()

        monkeypatch.setattr(listener, "accept", failing)
        for _ in range(3):
            check_serves(server.addresses[0])
        assert len(failures) == 2
        assert caplog.text.count("too many open files") == 1


def test_no_more_than_max_connections() -> None:
    with RpcServer(memory_url(), dispatch=Echo(), max_connections=2) as server:
        clients = [ScriptedClient(server.addresses[0]) for _ in range(3)]
        for client in clients:
            client.send(request(1, 0))
        for client in clients[:2]:
            assert client.read_reply().seq == 1
        assert not clients[2].has_input()
        assert server.connections == 2
        clients[0].close()
        assert clients[2].read_reply().seq == 1
        clients[1].close(), clients[2].close()


# answers


def test_answers_in_any_order_from_anywhere() -> None:
    keep = Keep()
    with RpcServer(memory_url(), dispatch=keep) as server, ScriptedClient(server.addresses[0]) as client:
        client.send(b"".join(request(seq) for seq in range(1, 21)))
        wait_until(lambda: len(keep.kept) == 20)
        assert server.running == 20
        for respond in reversed(keep.kept):
            gevent.spawn(respond.ok, "later").join()
        assert [client.read_reply().seq for _ in range(20)] == list(range(20, 0, -1))
        assert server.running == 0
        for again in (keep.kept[0].ok, lambda: keep.kept[0].error(OSError(1, "x"))):
            with pytest.raises(LocalProtocolError, match="answered already"):
                again()
        client.ping(99)


class Meeting(MsgpackCodec):
    """Nobody has encoded before all are at it."""

    def __init__(self, barrier: Callable[[], Any]) -> None:
        super().__init__()
        self._barrier = barrier

    def encode(self, value: Any) -> bytes:
        self._barrier()
        return super().encode(value)


def attempts(respond: razorg.Respond) -> list[Callable[[], None]]:
    return [lambda: respond.ok("one"), lambda: respond.ok("other"), lambda: respond.error(Sold())]


@dataclass
class Sold(razorg.ErrorValue):
    """Encoded by the codec, too."""

    left: int = 0


def outcome(attempt: Callable[[], None]) -> BaseException | None:
    try:
        attempt()
    except LocalProtocolError as refusal:
        return refusal
    return None


@pytest.mark.parametrize("observer", [None, razorg.Observer()])
def test_of_greenlets_that_answer_at_once_one_does(observer: razorg.Observer | None) -> None:
    keep, meeting = Keep(), Event()
    encoding: list[None] = []

    def meet() -> None:
        encoding.append(None)
        meeting.set() if len(encoding) == 3 else meeting.wait()

    with (
        RpcServer(memory_url(), dispatch=keep, codec=Meeting(meet), observer=observer) as server,
        ScriptedClient(server.addresses[0]) as client,
    ):
        client.send(request(1))
        wait_until(lambda: keep.kept)
        greenlets = [gevent.spawn(outcome, attempt) for attempt in attempts(keep.kept[0])]
        gevent.joinall(greenlets, timeout=5)
        assert [greenlet.value is None for greenlet in greenlets].count(True) == 1
        assert server.running == 0
        assert client.read_reply().seq == 1
        client.ping(2)  # and no other reply before this one
        if observer is not None:
            assert observer.of(2).running == 0 and observer.of(2).calls == 1


@pytest.mark.parametrize("kind", [Respond, CountedRespond])
def test_of_threads_that_answer_at_once_one_does(kind: Any) -> None:
    class Session:
        codec = Meeting(threading.Barrier(3, timeout=5).wait)
        config = razorg.ServerConfig()
        frames: ClassVar[list[Any]] = []

        def answer(self, frame: Any) -> None:
            self.frames.append(frame)

        def failing(self, error: BaseException) -> None:
            pass

    figures = razorg.Observer().of(5)
    session: Any = Session()
    respond = kind(session, 1, 5, figures) if kind is CountedRespond else kind(session, 1, 5)
    refused: list[Any] = []
    threads = [
        threading.Thread(target=lambda item=attempt: refused.append(outcome(item)))  # type: ignore[misc]
        for attempt in attempts(respond)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(session.frames) == 1 and refused.count(None) == 1
    assert respond.is_answered
    if kind is CountedRespond:
        assert (figures.calls, figures.running) == (1, 0)


def test_a_response_dropped_unused_is_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    keep = Keep()
    with RpcServer(memory_url(), dispatch=keep) as server, ScriptedClient(server.addresses[0]) as client:
        client.send(request(1, "Files.read"))
        wait_until(lambda: keep.kept)
        keep.kept.clear()
        assert client.read_reply() == (1, 2, b"", b"rpc_internal_err")
        assert "Files.read" in caplog.text
        assert server.running == 0


def test_answering_when_the_client_is_gone_is_nothing() -> None:
    keep = Keep()
    with RpcServer(memory_url(), dispatch=keep) as server:
        with ScriptedClient(server.addresses[0]) as client:
            client.send(request(1) + request(2) + request(3))
            wait_until(lambda: len(keep.kept) == 3)
        keep.kept.pop(0).ok(1)
        keep.kept.pop(0).error(ValueError())
        keep.kept.clear()
        wait_until(lambda: server.connections == 0)


class Raises(razorg.Dispatch):
    def __init__(self, error: Any) -> None:
        self.error = error

    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        if request.action == 3:
            respond.ok(3)
            return
        raise self.error


class RaisesInline(Raises):
    inline = True


class Base(BaseException):
    pass


@pytest.mark.parametrize("dispatch", [Raises, RaisesInline])
@pytest.mark.parametrize("kind", [ValueError, gevent.Timeout, gevent.GreenletExit, Base])
def test_whatever_a_handler_raises_is_answered(kind: Any, dispatch: Any, caplog: Any) -> None:
    handler = dispatch(kind())
    with RpcServer(memory_url(), dispatch=handler, max_running=2) as server:
        with ScriptedClient(server.addresses[0]) as client:
            client.send(b"".join(request(seq) for seq in range(1, 11)))
            assert client.read_replies(10) == [(seq, 2, b"", b"rpc_internal_err") for seq in range(1, 11)]
            client.send(request(11, 3))
            assert client.read_reply() == (11, 0, b"\x03", b"")
            assert server.running == 0
            assert server._workers._idle >= 0
            assert kind.__name__ in caplog.text  # in the traceback


def test_errors_that_travel() -> None:
    class Text(razorg.ErrorText):
        pass

    for raised, frame in ((Text("bad"), error(1, b"bad")), (Text("rpc_timeout"), error(1, b"rpc_internal_err")),
                          (razorg.CallTimeout(), error(1, b"rpc_timeout")), (OSError("no number"), error(1, b"rpc_internal_err")),
                          (Text("\udcff"), error(1, b"rpc_encode"))):
        with RpcServer(memory_url(), dispatch=Raises(raised)) as server:
            with ScriptedClient(server.addresses[0]) as client:
                client.send(request(1))
                assert client.read_exact(len(frame)) == frame


@razorg.service
class Big:
    @razorg.method(raises=razorg.ErrorText)
    def fail(self, size: int) -> None:
        raise razorg.ErrorText("x" * size)

    def give(self, size: int) -> bytes:
        return bytes(size)

    @razorg.method(inline=True)
    def quick(self, value: int) -> int:
        return value + 1


def test_a_reply_over_the_limit_is_an_encode_error_of_that_call() -> None:
    limits = Limits(max_msg_bytes=1000, max_blob_bytes=500)

    class BigBlob(razorg.Dispatch):
        def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
            respond.ok(None, blob=bytes(501))

    with RpcServer(memory_url(), [Big()], dispatch=BigBlob(), limits=limits) as server:
        with connect(server.addresses[0], limits=limits) as pool:
            big = pool.client(Big)
            other = pool.submit("Big.quick", 1)
            with pytest.raises(EncodeError) as caught:
                big.give(1001)
            assert caught.value.sent == "yes"
            with pytest.raises(EncodeError):
                pool.send(2).get(timeout=5)
            with pytest.raises(EncodeError):
                big.fail(1001)
            assert other.get(timeout=5) == 2
            assert big.quick(2) == 3
