"""Whatever a server sends: the calls end as they should, and nothing is left behind."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from support.peers import ScriptedServer, error, number, reply

from razorg import (
    CallTimeout,
    ClientStream,
    ConnectionLost,
    DecodeError,
    EncodeError,
    ErrorText,
    InternalError,
    Limits,
    MethodNotFound,
    RemoteProtocolError,
    RpcError,
    ServiceNotFound,
    Unreachable,
    VersionError,
)

LIMITS = Limits(max_msg_bytes=200_000, max_blob_bytes=300_000, max_action_bytes=100)


@dataclass
class Fatal:
    """After these bytes the connection is closed; both calls are lost, or the first was answered."""

    name: str
    data: bytes
    text: str  # in the reason
    then: str = ""  # "eof" or "rst" follows
    first_answered: bool = False
    kind: type[BaseException] = RemoteProtocolError


GOOD = reply(1, b"\x01")
FATAL = [
    Fatal("wrong magic", reply(1, magic=0x4D26), "magic"),
    Fatal("magic the other way round", reply(1, magic=0x254D), "magic"),
    Fatal("version 0", reply(1, version=0), "version 0"),
    Fatal("version 2", reply(1, version=2), "version 2"),
    Fatal("http", b"HTTP/1.1 400 Bad Request\r\n\r\n", "magic"),
    Fatal("zeros", bytes(64), "magic"),
    Fatal("flag 3", reply(1, flag=3), "flag 3"),
    Fatal("flag 255", reply(1, flag=255), "flag 255"),
    Fatal("the next seq", reply(3, b"\x01"), "request 3"),
    Fatal("the last seq", reply(2**64 - 1, b"\x01"), "18446744073709551615"),
    Fatal("an error for a future seq", error(9, b"no"), "request 9"),
    Fatal("a message over the limit", reply(1, msg_len=200_001), "max_msg_bytes"),
    Fatal("a message of 4 GiB", reply(1, msg_len=2**32 - 1), "max_msg_bytes"),
    Fatal("a blob over the limit", reply(1, blob_len=300_001), "max_blob_bytes"),
    Fatal("a blob of 2 GiB", reply(1, blob_len=2**31 - 1), "max_blob_bytes"),
    Fatal("error bytes over the limit", reply(1, flag=2, blob_len=200_001), "max_msg_bytes"),
    Fatal("a blob of -1", reply(1, blob_len=-1), "-1"),
    Fatal("a blob of -2 GiB", reply(1, blob_len=-(2**31)), "-2147483648"),
    Fatal("error bytes of -1", reply(1, flag=2, blob_len=-1), "-1"),
    Fatal("a number with a blob", reply(1, b"", b"x", flag=1, msg_len=5), "number"),
    Fatal("a number with a negative blob", reply(1, flag=1, blob_len=-1), "number"),
    Fatal("error bytes with a message", reply(1, b"m", b"e", flag=2), "message"),
    Fatal("half a head, then the end", GOOD[:10], "inside a frame", "eof"),
    Fatal("half a magic, then the end", GOOD[:1], "inside a frame", "eof"),
    Fatal("half a message, then the end", reply(1, b"\xa5he", msg_len=6), "inside a frame", "eof"),
    Fatal("half a blob, then the end", reply(1, b"\x01", b"x", blob_len=9), "inside", "eof"),
    Fatal("half error bytes, then the end", reply(1, b"", b"x", flag=2, blob_len=9), "inside", "eof"),
    Fatal("a big body cut off", reply(1, b"", bytes(70_000), blob_len=90_000), "inside", "eof"),
    Fatal("the end", b"", "closed the connection", "eof", kind=ConnectionError),
    Fatal("rst", b"", "", "rst", kind=OSError),
    Fatal("rst inside a frame", GOOD[:7], "", "rst", kind=OSError),
    Fatal("a good reply, then garbage", GOOD + b"\0" * 20, "magic", first_answered=True),
    Fatal("a good reply, then a future seq", GOOD + reply(3), "request 3", first_answered=True),
    Fatal("a good reply, then half", GOOD + GOOD[:5], "inside", "eof", first_answered=True),
    Fatal("a good reply, then the end", GOOD, "closed", "eof", True, ConnectionError),
]


def names(cases: list[Any]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


@names(FATAL)
def test_fatal(case: Fatal) -> None:
    with ScriptedServer("tcp://127.0.0.1:0" if case.then == "rst" else None) as server:
        stream = ClientStream(server.address, limits=LIMITS)
        peer = server.accept()
        first, second = stream.send(2), stream.send(3)
        assert [peer.read_request().seq for _ in range(2)] == [1, 2]
        peer.send(case.data)
        if case.then == "rst":
            peer.reset()
        elif case.then == "eof":
            peer.half_close()
        for future in (first, second):
            if future is first and case.first_answered:
                assert future.get(timeout=5).msg == 1
                continue
            with pytest.raises(ConnectionLost) as caught:
                future.get(timeout=5)
            assert caught.value.sent == "maybe"
            assert isinstance(caught.value.__cause__, case.kind)
            assert case.text in str(caught.value)
        assert stream.is_closed
        assert stream.in_flight == 0
        if case.then != "rst":
            peer.expect_eof()
        with pytest.raises(ConnectionLost) as caught:
            stream.send(4)
        assert caught.value.sent == "no"
        stream.close()


@dataclass
class Harmless:
    """After these bytes the first call has ended so, and the connection goes on."""

    name: str
    data: bytes
    check: Callable[[Any], Any] | None = None  # of the Reply
    error: type[BaseException] | None = None
    checks_error: Callable[[Any], Any] = lambda error: True


def failing(name: str, data: bytes, kind: type[BaseException]) -> Harmless:
    return Harmless(f"{name} as error text", error(1, data), error=kind,
                    checks_error=lambda error: error.sent == "yes")


def unreadable(got: Any) -> bool:
    with pytest.raises(DecodeError) as caught:
        got.msg
    return caught.value.sent == "yes"


def nested(depth: int) -> bytes:
    return b"\x91" * depth + b"\xc0"


UNREADABLE = {
    "a message that is no msgpack": b"\xc1",
    "half a value": b"\x92\x01",
    "bytes after the value": b"\x01\x02",
    "an ext": b"\xd4\x01\x00",
    "text that is no utf-8": b"\xa1\xff",
    "an array of 4 Gi": b"\xdd\xff\xff\xff\xff",
    "nested without end": nested(100_000),
    "a list as a key": b"\x81\x91\x01\x01",
    "a map as a key": b"\x81\x80\x01",
}
HARMLESS = [
    Harmless("the same reply twice", GOOD + GOOD, lambda got: got.msg == 1),
    Harmless("another answer to the same", GOOD + error(1, b"no"), lambda got: got.msg == 1),
    Harmless("a reply to nobody", reply(0, b"\x09") + GOOD, lambda got: got.msg == 1),
    Harmless("a pong unasked", reply(0) + GOOD + reply(0), lambda got: got.msg == 1),
    Harmless("an error to nobody", error(0, b"no") + number(0, 1) + GOOD, lambda got: got.msg == 1),
    Harmless("no message", reply(1), lambda got: (got.msg, got.blob) == (None, None)),
    Harmless("nil", reply(1, b"\xc0"), lambda got: got.msg is None and got.decode(type(None)) is None),
    Harmless("a blob alone", reply(1, b"", b"xy"), lambda got: (got.msg, bytes(got.blob)) == (None, b"xy")),
    Harmless("a message at the limit", reply(1, b"\xc6" + (199_995).to_bytes(4, "big") + bytes(199_995)),
             lambda got: got.msg == bytes(199_995)),
    Harmless("a blob at the limit", reply(1, b"\x02", bytes(300_000)),
             lambda got: got.msg == 2 and got.blob == bytes(300_000)),
    *(Harmless(name, reply(1, msg), unreadable) for name, msg in UNREADABLE.items()),
    failing("unreachable", b"rpc_unreachable", Unreachable),
    failing("io", b"rpc_io_err", ConnectionLost),
    failing("timeout", b"rpc_timeout", CallTimeout),
    failing("method", b"rpc_method_notfound", MethodNotFound),
    failing("service", b"rpc_service_notfound", ServiceNotFound),
    failing("encode", b"rpc_encode", EncodeError),
    failing("decode", b"rpc_decode", DecodeError),
    failing("internal", b"rpc_internal_err", InternalError),
    failing("version", b"rpc_invalid_ver", VersionError),
    Harmless("an unknown rpc_ text", error(1, b"rpc_other"), error=ErrorText,
             checks_error=lambda error: str(error) == "rpc_other" and not isinstance(error, RpcError)),
    Harmless("a framework text with a space", error(1, b"rpc_timeout "), error=ErrorText),
    Harmless("no error bytes", error(1, b""), error=ErrorText, checks_error=lambda error: str(error) == ""),
    Harmless("error bytes that are no utf-8", error(1, b"\xff\x00"), error=DecodeError,
             checks_error=lambda error: (error.raw, error.sent) == (b"\xff\x00", "yes")),
    Harmless("an error number", number(1, errno.ENOENT), error=FileNotFoundError,
             checks_error=lambda error: error.errno == errno.ENOENT),
    Harmless("error number 0", number(1, 0), error=OSError, checks_error=lambda error: error.errno == 0),
    Harmless("the last error number", number(1, 2**32 - 1), error=OSError,
             checks_error=lambda error: error.errno == 2**32 - 1),
    Harmless("a connection's own errno", number(1, errno.EPIPE), error=BrokenPipeError,
             checks_error=lambda error: not isinstance(error, RpcError)),
]


@names(HARMLESS)
@pytest.mark.parametrize("portion", [1_000_000, 7], ids=["whole", "in sevens"])
def test_harmless(case: Harmless, portion: int) -> None:
    if portion < len(case.data) // 1000:
        portion = len(case.data) // 1000
    with ScriptedServer() as server:
        stream = ClientStream(server.address, limits=LIMITS, window=2)
        peer = server.accept()
        first, second = stream.send(2), stream.send(3)
        assert [peer.read_request().seq for _ in range(2)] == [1, 2]
        for start in range(0, len(case.data), portion):
            peer.send(case.data[start : start + portion])
        if case.error is None:
            assert case.check is not None and case.check(first.get(timeout=5))
        else:
            with pytest.raises(case.error) as caught:
                first.get(timeout=5)
            assert type(caught.value) is case.error
            assert case.checks_error(caught.value)
        peer.send(reply(2, b"\x02"))
        assert second.get(timeout=5).msg == 2
        for _ in range(2):  # the whole window is free
            future = stream.send(4), stream.send(4)
            peer.send(b"".join(reply(peer.read_request().seq, b"\x03") for _ in future))
            assert [each.get(timeout=5).msg for each in future] == [3, 3]
        stream.close()
        peer.expect_eof()
