"""Whatever a client sends: the server answers what it can, and other connections do not notice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gevent
import pytest
from gevent.event import Event
from support.peers import (
    STRING,
    ScriptedClient,
    error,
    memory_url,
    number,
    reply,
    request,
    wait_until,
)

import razorg
from razorg import Limits, RpcServer

LIMITS = Limits(max_msg_bytes=200_000, max_blob_bytes=300_000, max_action_bytes=50)
HELD = 7  # the action that is answered when the test says so


@razorg.service
class Sum:
    def add(self, a: int, b: int) -> int:
        return a + b

    def size(self, data: bytes) -> int:
        return len(data)

    def nothing(self) -> None:
        return None


class Raw(razorg.Dispatch):
    """Echoes; action 7 waits; action 8 answers with what it got in numbers."""

    def __init__(self) -> None:
        self.go = Event()
        self.seen: list[Any] = []

    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        self.seen.append((request.seq, request.action))
        if request.action == HELD:
            self.go.wait()
        if request.action == 404:
            raise razorg.DecodeError("unknown action")
        if request.action == 5:
            raise OSError(5, "io")
        respond.ok(request.decode(), blob=request.blob)


class World:
    def __init__(self, **settings: Any) -> None:
        self.raw = Raw()
        self.server = RpcServer(memory_url(), [Sum()], dispatch=self.raw, limits=LIMITS, **settings)
        self.server.start()
        self.client = ScriptedClient(self.server.addresses[0])
        self.neighbour = ScriptedClient(self.server.addresses[0])
        self.neighbour.send(request(1, 2, b"\x01"))
        assert self.neighbour.read_reply() == (1, 0, b"\x01", b"")

    @property
    def session(self) -> Any:
        """The server's end of the first connection."""
        return next(iter(self.server._sessions))

    def close(self) -> None:
        self.raw.go.set()
        self.neighbour.send(request(2, 2, b"\x02"))
        assert self.neighbour.read_reply() == (2, 0, b"\x02", b"")
        self.neighbour.close()
        self.client.close()
        self.server.stop(timeout=1)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


@dataclass
class Case:
    name: str
    data: bytes
    then: str = ""  # "eof": the client half-closes
    before: tuple[Any, ...] = ()  # replies that still come


ADD = request(1, "Sum.add", b"\x92\x01\x02")
ECHO = request(1, 2, b"\x05")
CLOSED = [
    Case("wrong magic", request(1, 2, magic=0x4D26)),
    Case("magic the other way round", request(1, 2, magic=0x254D)),
    Case("version 0", request(1, 2, version=0)),
    Case("version 2", request(1, 2, version=2)),
    Case("a good request, then http", ECHO + b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "",
         ((1, 0, b"\x05", b""),)),
    Case("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50)),
    Case("zeros", bytes(64)),
    Case("an action that is no utf-8", request(1, b"\xff\xfe")),
    Case("an action over the limit", request(1, b"a" * 51)),
    Case("an action of 2 GiB", request(1, 0, name_len=STRING - 1)),
    Case("a message over the limit", request(1, 2, msg_len=200_001)),
    Case("a message of 4 GiB", request(1, 2, msg_len=2**32 - 1)),
    Case("a blob over the limit", request(1, 2, blob_len=300_001)),
    Case("a blob of 4 GiB", request(1, 2, blob_len=2**32 - 1)),
    Case("a ping of 4 GiB", request(1, 0, blob_len=2**32 - 1)),
    Case("half a magic", ECHO[:1], "eof"),
    Case("half a head", ECHO[:31], "eof"),
    Case("half an action", request(1, "Sum", name_len=7), "eof"),
    Case("half a message", request(1, 2, b"\x92\x01", msg_len=3), "eof"),
    Case("half a blob", request(1, 2, b"\x01", b"x", blob_len=2), "eof"),
    Case("a big body cut off", request(1, 2, b"\x01", bytes(70_000), blob_len=80_000), "eof"),
    Case("nothing", b"", "eof"),
    Case("a good request, then garbage", ECHO + bytes(32), "", ((1, 0, b"\x05", b""),)),
    Case("a good request, then half a head", ECHO + ECHO[:9], "eof", ((1, 0, b"\x05", b""),)),
    Case("a ping, then garbage", request(1, 0) + bytes(32), "", ((1, 0, b"", b""),)),
    Case("a half-close after three", ECHO + request(2, 0) + request(3, 404), "eof",
         ((1, 0, b"\x05", b""), (2, 0, b"", b""), (3, 2, b"", b"rpc_decode"))),
]


def cases(table: list[Any]) -> Any:
    return pytest.mark.parametrize("case", table, ids=[case.name for case in table])


@cases(CLOSED)
def test_closed(world: World, case: Case, caplog: pytest.LogCaptureFixture) -> None:
    world.client.send(case.data)
    if case.then == "eof":
        world.client.half_close()
    assert world.client.read_replies(len(case.before)) == list(case.before)
    world.client.expect_eof()
    world.client.close()
    wait_until(lambda: world.server.connections == 1)
    broke = [record for record in caplog.records if "broke the protocol" in record.getMessage()]
    assert len(broke) == (0 if case.name in ("nothing", "a half-close after three") else 1)
    assert all(world.server.addresses[0] in record.getMessage() for record in broke)


@dataclass
class Answered:
    name: str
    data: bytes
    replies: tuple[bytes, ...]


def decode_error(name: str, data: bytes) -> Answered:
    return Answered(name, data, (error(1, b"rpc_decode"),))


ANSWERED = [
    Answered("a call", ADD, (reply(1, b"\x03"),)),
    Answered("a strange format", request(1, 2, b"\x05", format=255), (reply(1, b"\x05"),)),
    Answered("a ping", request(1, 0), (reply(1),)),
    Answered("a ping with a blob", request(1, 0, b"", b"blob"), (reply(1),)),
    Answered("action 0 with a message", request(1, 0, b"\x05"), (reply(1, b"\x05"),)),
    Answered("the last action", request(1, 2**31 - 1, b"\x05"), (reply(1, b"\x05"),)),
    Answered("an empty action", request(1, b"", b"\x05"), (reply(1, b"\x05"),)),
    Answered("an action without a dot", request(1, "Sum", b"\x05"), (reply(1, b"\x05"),)),
    Answered("an action at the limit", request(1, b"a" * 50, b"\x05"), (reply(1, b"\x05"),)),
    Answered("no message", request(1, 2), (reply(1),)),
    Answered("a blob", request(1, 2, b"", b"xy"), (reply(1, b"", b"xy"),)),
    Answered("a blob at the limit", request(1, 2, b"", bytes(300_000)), (reply(1, b"", bytes(300_000)),)),
    Answered("an unknown method", request(1, "Sum.sub", b"\x92\x01\x02"), (error(1, b"rpc_method_notfound"),)),
    Answered("no method", request(1, "Sum."), (error(1, b"rpc_method_notfound"),)),
    Answered("a method of object", request(1, "Sum.__class__"), (error(1, b"rpc_method_notfound"),)),
    Answered("an error number", request(1, 5), (number(1, 5),)),
    decode_error("an unknown action", request(1, 404)),
    decode_error("a raw message that is no msgpack", request(1, 2, b"\xc1")),
    decode_error("arguments that are no msgpack", request(1, "Sum.add", b"\xc1")),
    decode_error("half of the arguments", request(1, "Sum.add", b"\x92\x01")),
    decode_error("bytes after the arguments", request(1, "Sum.add", b"\x92\x01\x02\x03")),
    decode_error("too few arguments", request(1, "Sum.add", b"\x91\x01")),
    decode_error("too many arguments", request(1, "Sum.add", b"\x93\x01\x02\x03")),
    decode_error("an argument of another type", request(1, "Sum.add", b"\x92\x01\xa1x")),
    decode_error("a bool for an int", request(1, "Sum.add", b"\x92\x01\xc3")),
    decode_error("a map of arguments", request(1, "Sum.add", b"\x82\xa1a\x01\xa1b\x02")),
    decode_error("no arguments at all", request(1, "Sum.add")),
    decode_error("nil for two arguments", request(1, "Sum.add", b"\xc0")),
    decode_error("no argument for one", request(1, "Sum.size")),
    decode_error("an array for none", request(1, "Sum.nothing", b"\x90")),
    decode_error("an ext", request(1, "Sum.size", b"\xd4\x01\x00")),
    decode_error("nested without end", request(1, "Sum.size", b"\x91" * 100_000 + b"\xc0")),
    Answered("nil for none", request(1, "Sum.nothing", b"\xc0"), (reply(1, b"\xc0"),)),
    Answered("nothing for none", request(1, "Sum.nothing"), (reply(1, b"\xc0"),)),
    Answered("the same seq twice", ECHO + ECHO, (reply(1, b"\x05"),) * 2),
    Answered("seqs from anywhere", request(2**64 - 1, 2, b"\x01") + request(0, 2, b"\x02"),
             (reply(2**64 - 1, b"\x01"), reply(0, b"\x02"))),
]


@cases(ANSWERED)
def test_answered(world: World, case: Answered) -> None:
    world.client.send(case.data)
    for expected in case.replies:
        assert world.client.read_exact(len(expected)) == expected
    world.client.send(request(100, "Sum.add", b"\x92\x03\x04"))
    assert world.client.read_reply() == (100, 0, b"\x07", b"")


@pytest.mark.parametrize("portion", [1, 31, 32, 33])
def test_requests_in_portions(world: World, portion: int) -> None:
    data = ADD + request(2, 2, b"\x06", b"blob") + request(3, 0)
    for start in range(0, len(data), portion):
        world.client.send(data[start : start + portion])
        gevent.sleep(0)
    assert world.client.read_replies(3) == [
        (1, 0, b"\x03", b""), (2, 0, b"\x06", b"blob"), (3, 0, b"", b"")
    ]


@pytest.mark.parametrize("ending", ["garbage", "eof"])
def test_what_is_pending_is_still_answered(
    world: World, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("razorg.server.session.LINGER_SECONDS", 1000)  # its end is said before
    world.client.send(request(1, HELD, b"\x01") + request(2, HELD, b"\x02"))
    if ending == "garbage":
        world.client.send(bytes(100))
    else:
        world.client.half_close()
    assert not world.client.has_input()
    world.raw.go.set()
    assert world.client.read_replies(2) == [(1, 0, b"\x01", b""), (2, 0, b"\x02", b"")]
    world.client.expect_eof()


@pytest.mark.parametrize("begun", [1, 16, 31, 40])
def test_a_request_that_stalls_is_cut_at_read_timeout(world: World, begun: int) -> None:
    world.client.send(request(1, 2, bytes(50))[:begun])
    session = world.session
    wait_until(lambda: session._reader._frame_since is not None)
    now = time.monotonic()
    session.on_tick(now + world.server.config.read_timeout - 1)
    assert not world.client.has_input()
    session.on_tick(now + world.server.config.read_timeout + 1)
    world.client.expect_eof()


def test_a_big_body_has_the_time_that_its_size_takes(world: World) -> None:
    world.client.send(request(1, 2, b"\x01", b"x", blob_len=300_000))
    session = world.session
    wait_until(lambda: session._reader._frame_since is not None)
    now, extra = time.monotonic(), 300_000 / LIMITS.min_bytes_per_second
    session.on_tick(now + 5 + extra - 1)
    assert not world.client.has_input()
    session.on_tick(now + 5 + extra + 1)
    world.client.expect_eof()


@pytest.mark.parametrize("flood", ["echoes", "pings"])
def test_a_client_that_never_reads_is_cut_with_bounded_memory(flood: str) -> None:
    world = World(max_unwritten_bytes=50_000, max_running=4)
    try:
        one = request(1, 2, b"\x01", bytes(1000)) if flood == "echoes" else request(1, 0) * 50
        sending = gevent.spawn(world.client.send, one * 2000)
        session = world.session
        wait_until(lambda: session._unwritten_bytes > 50_000)
        for _ in range(100):
            gevent.sleep(0)
        assert not sending.ready()  # it is not read any more
        assert session._unwritten_bytes < 50_000 + 64 * 1100
        assert session.running <= 4 + 70  # one read of the reader, and no more
        now = time.monotonic()
        session.on_tick(now + 4)
        assert not session._is_dead
        session.on_tick(now + 10)
        with pytest.raises(OSError, match="closed"):
            sending.get(timeout=5)
        wait_until(lambda: world.server.connections == 1)
    finally:
        world.close()


def test_a_client_that_resets_while_its_request_runs() -> None:
    raw = Raw()
    with RpcServer("tcp://127.0.0.1:0", dispatch=raw) as server:
        with ScriptedClient(server.addresses[0]) as client:
            client.send(request(1, HELD, b"\x01"))
            wait_until(lambda: raw.seen)
            client.reset()
        raw.go.set()
        wait_until(lambda: server.connections == 0)
        with ScriptedClient(server.addresses[0]) as client:
            client.ping(1)
