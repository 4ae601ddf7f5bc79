"""Inputs of a hostile peer, by name, and what razorg does with each; scripts/hostile throws them at the Rust crates, too.

Those for servers are sent to one with the actions of tests/interop/README.md (6 mirrors, 2 reads, 5
waits); those for clients answer its first request.  What razorg does is one of

- ``answered X``: with ``ok`` or an error of this text, and the connection goes on or is closed as asked;
- ``closed``: the connection, at once; ``late``: after the read timeout;
- ``waits``: for what was announced, or for ever, as is its right.
"""

from __future__ import annotations

import contextlib
import select
import socket as plain_socket
import struct
from collections.abc import Callable
from random import Random
from time import monotonic
from typing import Any, NamedTuple

import gevent
import gevent.socket
import msgpack

from support.peers import number, reply, request

MIRROR, READ, DELAY = 6, 2, 5
IO = {"inode": 1, "offset": 0, "len": 4}
OK = msgpack.packb({"a": 1})
GIB, MIB = 2**30, 2**20
TLS_HELLO = bytes.fromhex("160301009a010000960303") + bytes(range(147))
NOISE = Random(7).randbytes(2000)


class Hostile(NamedTuple):
    """One input."""

    name: str
    group: str
    data: bytes
    expected: str
    #: Nothing is sent after the data, and this side half-closes.
    ends: bool = False
    #: More than the data: how often it is repeated, on how many connections.
    times: int = 1
    connections: int = 1
    #: Whether answers are read.
    reads: bool = True


def read_request(**changes: Any) -> bytes:
    return request(1, READ, msgpack.packb({**IO, **changes}))


def mirror(seq: int = 1, **changes: Any) -> bytes:
    return request(seq, MIRROR, OK, **changes)


def typed(data: bytes) -> bytes:
    """A message for an action that expects a map of numbers."""
    return request(1, READ, data)


def _start() -> list[Hostile]:
    group = "start of a frame"
    return [
        Hostile("wrong magic", group, mirror(magic=0x4D26), "closed"),
        Hostile("magic in the other byte order", group, mirror(magic=0x254D), "closed"),
        Hostile("version 0", group, mirror(version=0), "closed"),
        Hostile("version 2", group, mirror(version=2), "closed"),
        Hostile("version 255", group, mirror(version=255), "closed"),
        Hostile("unknown format 7", group, mirror(format=7), "answered ok"),
        Hostile("64 zero bytes", group, bytes(64), "closed"),
        Hostile("64 bytes 0xff", group, b"\xff" * 64, "closed"),
        Hostile("HTTP GET", group, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "answered HTTP 426"),
        Hostile("a TLS hello", group, TLS_HELLO, "closed"),
        Hostile("2,000 bytes of noise", group, NOISE, "closed"),
        Hostile("nothing", group, b"", "waits"),
        Hostile("nothing, then the end", group, b"", "closed", ends=True),
        Hostile("one byte", group, mirror()[:1], "late"),
        Hostile("half a head", group, mirror()[:16], "late"),
        Hostile("a good frame, then noise", group, mirror() + NOISE, "answered ok"),
        Hostile("a good frame, then zeros", group, mirror() + bytes(64), "answered ok"),
    ]


def _lengths() -> list[Hostile]:
    group = "lengths"
    return [
        Hostile("a message of 4 GiB − 1 announced", group, request(1, MIRROR, b"x", msg_len=4 * GIB - 1), "closed"),
        Hostile("a message of 2 GiB announced", group, request(1, MIRROR, b"x", msg_len=2 * GIB), "closed"),
        Hostile("a message of 64 MiB + 1 announced", group, request(1, MIRROR, b"x", msg_len=64 * MIB + 1), "closed"),
        Hostile("a message of 64 MiB announced", group, request(1, MIRROR, b"x", msg_len=64 * MIB), "waits"),
        Hostile("a blob of 4 GiB − 1 announced", group, request(1, MIRROR, OK, b"x", blob_len=4 * GIB - 1), "closed"),
        Hostile("a blob of 2 GiB announced", group, request(1, MIRROR, OK, b"x", blob_len=2 * GIB), "closed"),
        Hostile("a blob of 1 GiB announced", group, request(1, MIRROR, OK, b"x", blob_len=GIB), "closed"),
        Hostile("both of 4 GiB − 1", group, request(1, MIRROR, b"", msg_len=4 * GIB - 1, blob_len=4 * GIB - 1), "closed"),
        Hostile("100 messages of 4 GiB − 1", group, request(1, MIRROR, b"", msg_len=4 * GIB - 1), "closed", connections=100),
        Hostile("an action of 2 GiB − 1 announced", group, request(1, "x", name_len=2**31 - 1), "closed"),
        Hostile("an action of 2,000 bytes", group, request(1, "x" * 2000, OK), "closed"),
        Hostile("an action of 0 bytes", group, request(1, "", OK), "answered rpc_decode"),
        Hostile("a head that ends", group, mirror()[:31], "closed", ends=True),
        Hostile("an action that ends", group, request(1, "Service.method", OK)[:38], "closed", ends=True),
        Hostile("a message that ends", group, request(1, MIRROR, OK + OK, msg_len=100)[:36], "closed", ends=True),
        Hostile("a blob that ends", group, request(1, MIRROR, OK, b"x" * 10, blob_len=100), "closed", ends=True),
        Hostile("a message that stops", group, request(1, MIRROR, OK, msg_len=100), "late"),
        Hostile("a blob that stops", group, request(1, MIRROR, OK, b"x", blob_len=100), "late"),
    ]


def _messages() -> list[Hostile]:
    group = "messages"
    bad = "answered rpc_decode"
    return [
        Hostile("an action that is not UTF-8", group, request(1, b"\xff\xfe\xfd", OK), "closed"),
        Hostile("an action with NUL and newlines", group, request(1, "a\0b\r\nc", OK), bad),
        Hostile("an unknown number", group, request(1, 12345, OK), bad),
        Hostile("the highest number", group, request(1, 2**31 - 1, OK), bad),
        Hostile("an unknown name", group, request(1, "no.such", OK), bad),
        Hostile("no message where one is needed", group, typed(b""), bad),
        Hostile("0xc1, which is nothing", group, typed(b"\xc1"), bad),
        Hostile("a message cut in the middle", group, typed(msgpack.packb(IO)[:9]), bad),
        Hostile("a message and more bytes", group, typed(msgpack.packb(IO) + b"\0"), bad),
        Hostile("100,000 nested arrays", group, typed(b"\x91" * 100_000 + b"\xc0"), bad),
        Hostile("50,000 nested maps", group, typed(b"\x81\xa1a" * 50_000 + b"\xc0"), bad),
        Hostile("an array of 4 G announced", group, typed(b"\xdd\xff\xff\xff\xff"), bad),
        Hostile("a map of 4 G announced", group, typed(b"\xdf\xff\xff\xff\xff"), bad),
        Hostile("a text of 4 GiB announced", group, typed(b"\xdb\xff\xff\xff\xff"), bad),
        Hostile("binary of 4 GiB announced", group, typed(b"\xc6\xff\xff\xff\xff"), bad),
        Hostile("an ext type", group, typed(b"\xc7\x04\x05abcd"), bad),
        Hostile("a timestamp", group, typed(b"\xd6\xff\0\0\0\1"), bad),
        Hostile("text that is not UTF-8", group, typed(b"\x81\xa2\xff\xfe\x01"), bad),
        Hostile("a text for a number", group, read_request(inode="x"), bad),
        Hostile("a negative number for an unsigned one", group, read_request(inode=-1), bad),
        Hostile("2**64 − 1 for a signed one", group, read_request(offset=2**64 - 1), bad),
        Hostile("a field is missing", group, typed(msgpack.packb({"inode": 1})), bad),
        Hostile("a read of 2**64 − 1 bytes", group, read_request(len=2**64 - 1), "answered 22"),
    ]


def _numbers() -> list[Hostile]:
    group = "numbers"
    return [
        Hostile("seq 0", group, mirror(0), "answered ok"),
        Hostile("seq 2**64 − 1", group, mirror(2**64 - 1), "answered ok"),
        Hostile("the same seq twice", group, mirror(5) + mirror(5), "answered ok"),
        Hostile("seqs that go down", group, mirror(9) + mirror(3), "answered ok"),
        Hostile("client_id 2**64 − 1", group, mirror(client_id=2**64 - 1), "answered ok"),
        Hostile("action 0 with a message", group, request(1, 0, OK), "answered rpc_decode"),
        Hostile("action 0 with a blob", group, request(1, 0, b"", b"blob"), "answered ok"),
    ]


def _floods() -> list[Hostile]:
    group = "floods"
    big = request(1, READ, msgpack.packb({**IO, "len": MIB}))
    slow = request(1, DELAY, msgpack.packb({"ms": 1_500, "id": 1}))
    return [
        Hostile("200,000 pings, answers unread", group, request(1, 0), "waits", times=200_000, reads=False),
        Hostile("2,000 × 1 MiB asked for, unread", group, big, "waits", times=2000, reads=False),
        Hostile("20,000 calls that take 1.5 s, unread", group, slow, "waits", times=20_000, reads=False),
        Hostile("10,000 good calls in one go", group, mirror(), "answered ok", times=10_000),
        Hostile("300 connections that say nothing", group, b"", "waits", connections=300),
        Hostile("100 × half a head", group, mirror()[:16], "late", connections=100),
        Hostile("100 × noise", group, NOISE, "closed", connections=100),
    ]


def _endings() -> list[Hostile]:
    group = "endings"
    return [
        Hostile("a call, then the end", group, mirror(), "answered ok", ends=True),
        Hostile("50 calls, then the end", group, mirror(), "answered ok", times=50, ends=True),
    ]


SERVER: list[Hostile] = [*_start(), *_lengths(), *_messages(), *_numbers(), *_floods(), *_endings()]


class Answer(NamedTuple):
    """An answer to the first request of a client; ``{seq}`` is that of the request."""

    name: str
    group: str
    make: Callable[[int], bytes]
    #: What becomes of the call in razorg: ``ok``, the name of its error, or ``waits`` until its timeout.
    expected: str
    ends: bool = False


def _plain(data: bytes) -> Callable[[int], bytes]:
    return lambda seq: data


def _answers() -> list[Answer]:
    start, lengths, flags, messages = "start of a frame", "lengths", "flags and numbers", "messages"
    delayed = msgpack.packb({"ms": 5, "id": 1})
    lost, late = "ConnectionLost", "CallTimeout"
    return [
        Answer("a right answer", start, lambda seq: reply(seq, delayed), "ok"),
        Answer("wrong magic", start, lambda seq: reply(seq, delayed, magic=1), lost),
        Answer("version 2", start, lambda seq: reply(seq, delayed, version=2), lost),
        Answer("64 zero bytes", start, _plain(bytes(64)), lost),
        Answer("noise", start, _plain(NOISE), lost),
        Answer("an HTTP answer", start, _plain(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 40), lost),
        Answer("a TLS alert", start, _plain(b"\x15\x03\x01\0\x02\x02\x46" * 3), lost),
        Answer("nothing", start, _plain(b""), late),
        Answer("nothing, then the end", start, _plain(b""), lost, ends=True),
        Answer("half a head", start, lambda seq: reply(seq, delayed)[:10], late),
        Answer("half a head, then the end", start, lambda seq: reply(seq, delayed)[:10], lost, ends=True),
        Answer("half a message, then the end", start, lambda seq: reply(seq, delayed)[:-2], lost, ends=True),
        Answer("a right answer, then noise", start, lambda seq: reply(seq, delayed) + NOISE, "ok"),
        Answer("a message of 4 GiB − 1 announced", lengths, lambda seq: reply(seq, b"x", msg_len=4 * GIB - 1), lost),
        Answer("a message of 2 GiB announced", lengths, lambda seq: reply(seq, b"x", msg_len=2 * GIB), lost),
        Answer("a message of 64 MiB announced", lengths, lambda seq: reply(seq, b"x", msg_len=64 * MIB), late),
        Answer("a blob of 2 GiB − 1 announced", lengths, lambda seq: reply(seq, delayed, b"x", blob_len=2 * GIB - 1), lost),
        Answer("a blob of −1 byte", lengths, lambda seq: reply(seq, delayed, blob_len=-1), lost),
        Answer("an error of −1 byte", lengths, lambda seq: reply(seq, flag=2, blob_len=-1), lost),
        Answer("an error of −2 GiB", lengths, lambda seq: reply(seq, flag=2, blob_len=-(2**31)), lost),
        Answer("an error of 2 GiB − 1 announced", lengths, lambda seq: reply(seq, flag=2, blob_len=2 * GIB - 1), lost),
        Answer("a blob that nobody asked for", lengths, lambda seq: reply(seq, delayed, b"blob"), "ok"),
        Answer("flag 3", flags, lambda seq: reply(seq, flag=3), lost),
        Answer("flag 255", flags, lambda seq: reply(seq, flag=255), lost),
        Answer("error number 0", flags, lambda seq: number(seq, 0), "OSError"),
        Answer("error number 2**32 − 1", flags, lambda seq: number(seq, 2**32 - 1), "OSError"),
        Answer("an error of 0 bytes", flags, lambda seq: reply(seq, flag=2), "ErrorText"),
        Answer("an error that is not UTF-8", flags, lambda seq: reply(seq, b"", b"\xff\xfe", flag=2), "DecodeError"),
        Answer("an error of the framework", flags, lambda seq: reply(seq, b"", b"rpc_internal_err", flag=2), "InternalError"),
        Answer("an error nearly of the framework", flags, lambda seq: reply(seq, b"", b"rpc_no_such", flag=2), "ErrorText"),
        Answer("a seq of the future", flags, lambda seq: reply(seq + 5, delayed), lost),
        Answer("seq 2**64 − 1", flags, lambda seq: reply(2**64 - 1, delayed), lost),
        Answer("seq 0", flags, lambda seq: reply(0, delayed), late),
        Answer("the answer twice", flags, lambda seq: reply(seq, delayed) * 2, "ok"),
        Answer("100,000 answers to nobody, then the right one", flags, lambda seq: reply(0, delayed) * 100_000 + reply(seq, delayed), "ok"),
        Answer("0xc1, which is nothing", messages, lambda seq: reply(seq, b"\xc1"), "DecodeError"),
        Answer("a message cut in the middle", messages, lambda seq: reply(seq, delayed[:4]), "DecodeError"),
        Answer("100,000 nested arrays", messages, lambda seq: reply(seq, b"\x91" * 100_000 + b"\xc0"), "DecodeError"),
        Answer("an array of 4 G announced", messages, lambda seq: reply(seq, b"\xdd\xff\xff\xff\xff"), "DecodeError"),
        Answer("an ext type", messages, lambda seq: reply(seq, b"\xc7\x04\x05abcd"), "DecodeError"),
        Answer("a text for a map", messages, lambda seq: reply(seq, b"\xa1x"), "DecodeError"),
        Answer("no message", messages, lambda seq: reply(seq), "None"),
    ]


CLIENT: list[Answer] = _answers()
RESPONSE = struct.Struct("<HBBIQi")


def answers_in(data: bytes) -> list[str]:
    """What a server has answered: ``ok``, error texts and numbers, ``HTTP 426``."""
    if data.startswith(b"HTTP/1.1 "):
        return [f"HTTP {data[9:12].decode()}"]
    found = []
    while len(data) >= RESPONSE.size:
        _, _, flag, msg_len, _, blob_len = RESPONSE.unpack_from(data)
        msg_len, value = (0, msg_len) if flag == 1 else (msg_len, 0)
        size = RESPONSE.size + msg_len + max(blob_len, 0)
        found.append("ok" if flag == 0 else str(value) if flag == 1 else data[size - blob_len : size].decode("latin-1"))
        data = data[size:]
    return found


class Seen(NamedTuple):
    """What a server did with an input."""

    answers: list[str]
    #: When the first of its connections was closed by the server; None: it was not.
    closed_after: float | None
    with_reset: bool

    @property
    def outcome(self) -> str:
        if self.answers:
            return "answered " + " ".join(dict.fromkeys(self.answers))
        if self.closed_after is None:
            return "waits"
        return "reset" if self.with_reset else "closed"


def throw(address: str, item: Hostile, seconds: float) -> Seen:
    """Send the input and watch what the server does, for so long or until it has closed.

    Who answers as was asked, and has nothing to close for, is not watched any longer.
    """
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    socks = [gevent.socket.create_connection((host, int(port))) for _ in range(item.connections)]
    sending = [gevent.spawn(_send, sock, item) for sock in socks]
    watcher = _Watcher(socks[0], item)
    try:
        with gevent.Timeout(seconds, False):
            watcher.watch()
        return Seen(answers_in(bytes(watcher.received)), watcher.closed_after, watcher.with_reset)
    finally:
        gevent.killall(sending)
        for sock in socks:
            sock.close()


class _Watcher:
    def __init__(self, sock: Any, item: Hostile) -> None:
        self._sock, self._item = sock, item
        self._started = monotonic()
        self.received = bytearray()
        self.closed_after: float | None = None
        self.with_reset = False

    def watch(self) -> None:
        if not self._item.reads:
            ended = select.poll()
            ended.register(self._sock.fileno(), select.POLLRDHUP)
            while not ended.poll(0):
                gevent.sleep(0.02)
            self.closed_after = monotonic() - self._started
            return
        is_good = self._item.expected.startswith("answered") and not self._item.ends
        try:
            while data := self._sock.recv(65536):
                self.received += data
                if is_good and self._is_answered():
                    gevent.sleep(0.1)  # it may close, too
                    return
        except OSError:
            self.with_reset = True
        self.closed_after = monotonic() - self._started

    def _is_answered(self) -> bool:
        return len(self.received) >= RESPONSE.size * self._item.times


def _send(sock: Any, item: Hostile) -> None:
    portion = max(1, min(item.times, 65536 // max(len(item.data), 1)))
    with contextlib.suppress(OSError):
        for done in range(0, item.times, portion):
            sock.sendall(item.data * min(portion, item.times - done))
        if item.ends:
            sock.shutdown(plain_socket.SHUT_WR)


class Answering:
    """A server that gives the first request of each connection one hostile answer."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._listener = gevent.socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._conns: list[Any] = []
        self._acceptor = gevent.spawn(self._accept)

    def _accept(self) -> None:
        while True:
            conn, _ = self._listener.accept()
            self._conns.append(conn)
            gevent.spawn(self._serve, conn)

    def _serve(self, conn: Any) -> None:
        with contextlib.suppress(OSError):
            head = conn.recv(65536)
            while len(head) < 16:
                more = conn.recv(65536)
                if not more:
                    return
                head += more
            (seq,) = struct.unpack_from("<Q", head, 8)
            conn.sendall(self._answer.make(seq))
            if self._answer.ends:
                conn.close()

    def close(self) -> None:
        self._acceptor.kill()
        self._listener.close()
        for conn in self._conns:
            conn.close()

    def __enter__(self) -> Answering:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
