"""What a Python client asks of the stream server, and what must come back (README.md and the Rust source say)."""

from __future__ import annotations

import errno
import time
import zlib
from dataclasses import dataclass
from typing import Any, Callable, List, Optional, Tuple

import gevent.queue

import razorg

from .actions import DELAY, ECHO, FAIL, FOREIGN, LONG, MIRROR, OPEN, RAW, READ, WRITE, pattern
from .case import Case, Fails, answered, refused

MIB = 1 << 20
I64_MAX, I64_MIN = 2**63 - 1, -(2**63)
PATIENCE = 30  # seconds for any one reply


@dataclass
class Link:
    """An address, and a stream to it that the cases share."""

    address: str
    stream: Any


def ask(stream: Any, action: Any, msg: Any = None, blob: Any = None) -> Tuple[Any, Optional[bytes]]:
    """Message and blob of the reply."""
    reply = stream.send(action, msg, blob=blob).get(timeout=PATIENCE)
    return reply.msg, None if reply.blob is None else bytes(reply.blob)


def asking(action: Any, msg: Any = None, blob: Any = None) -> Callable[[Link], Any]:
    return lambda link: ask(link.stream, action, msg, blob)


def io(offset: int, length: int) -> Any:
    return {"inode": 77, "offset": offset, "len": length}


def text(said: str) -> Any:
    return {"text": said}


def noise(length: int) -> bytes:
    """Bytes that are not a pattern of READ."""
    return bytes((i * i >> 7 ^ i) & 0xFF for i in range(min(length, 65_537))) * (length // 65_537 + 1)


def number(code: int) -> Fails:
    return Fails(OSError, {"errno": code})


def action_cases() -> List[Case]:
    five = bytes(range(5))
    long = "läng " * 200_000
    return [
        Case("open", asking(OPEN, {"path": "/tmp/file"}), (None, None)),
        Case("open.missing", asking(OPEN, {"path": "/missing"}), number(errno.ENOENT)),
        Case("open.needless_blob", asking(OPEN, {"path": "/tmp"}, b"x" * 100), (None, None)),
        Case("read.100", asking(READ, io(0, 100)), ({"ret_size": 100}, bytes(range(100)))),
        Case("read.0", asking(READ, io(0, 0)), ({"ret_size": 0}, None)),
        Case("read.negative_offset", asking(READ, io(-40, 3)), ({"ret_size": 3}, b"\xd8\xd9\xda")),
        Case("read.offset_i64_max", asking(READ, io(I64_MAX - 1, 2)), ({"ret_size": 2}, b"\xfe\xff")),
        Case("read.offset_i64_min", asking(READ, io(I64_MIN, 2)), ({"ret_size": 2}, b"\x00\x01")),
        Case("write.5", asking(WRITE, io(0, 5), five), ({"ret_size": 5, "checksum": zlib.adler32(five)}, None)),
        Case("write.bytearray", asking(WRITE, io(0, 1), bytearray(b"\1")), ({"ret_size": 1, "checksum": 0x20002}, None)),
        Case(
            "write.memoryview",
            asking(WRITE, io(0, 2), memoryview(five)[1:3]),
            ({"ret_size": 2, "checksum": zlib.adler32(five[1:3])}, None),
        ),
        Case("write.no_blob", asking(WRITE, io(0, 0)), number(errno.EINVAL)),
        Case("write.empty_blob", asking(WRITE, io(0, 0), b""), number(errno.EINVAL)),
        Case("write.wrong_length", asking(WRITE, io(0, 6), five), number(errno.EINVAL)),
        Case("raw_blob.8", asking(RAW, io(1, 8)), (None, bytes(range(1, 9)))),
        Case("raw_blob.0", asking(RAW, io(1, 0)), (None, None)),
        Case("delay.5", asking(DELAY, {"ms": 5, "id": 1}), ({"ms": 5, "id": 1}, None)),
        Case("echo", asking(ECHO, text("hi")), (text("hi"), None)),
        Case("echo.empty", asking(ECHO, text("")), (text(""), None)),
        Case("echo.1_mib", asking(ECHO, text(long)), (text(long), None)),
        Case("foreign_action", asking(FOREIGN, text("hé")), (text("Ünï✓ hé"), None)),
        Case("long_action", asking(LONG, text("hi")), (text("hi"), None)),
    ]


def blob_cases() -> List[Case]:
    cases = []
    # Around the 8 KiB buffer of the crates and the 16-bit and 64 KiB borders.
    for length in (1, 8171, 8172, 8191, 8192, 8193, 12_000, 65_535, 65_536, 8 * MIB):
        blob = noise(length)[:length]
        cases.append(Case(f"mirror.{length}", asking(MIRROR, text("m"), blob), (text("m"), blob)))
    big = noise(8 * MIB)[: 8 * MIB]
    written = {"ret_size": 8 * MIB, "checksum": zlib.adler32(big)}
    return [
        *cases,
        Case("mirror.no_blob", asking(MIRROR, text("small")), (text("small"), None)),
        Case("mirror.no_message", asking(MIRROR, None, b"\7\7\7"), (None, b"\7\7\7")),
        Case("mirror.nothing", asking(MIRROR), (None, None)),
        Case("mirror.nil", asking(MIRROR, razorg.NIL, b"\7"), (None, b"\7")),
        Case("read.8_mib", asking(READ, io(3, 8 * MIB)), ({"ret_size": 8 * MIB}, pattern(3, 8 * MIB))),
        Case("write.8_mib", asking(WRITE, io(0, 8 * MIB), big), (written, None)),
    ]


def error_cases() -> List[Case]:
    texts = {"plain": "no such thing", "empty": "", "unicode": "nö ✗", "rpc_prefix": "rpc_custom"}
    return [
        *(
            Case(f"fail.code_{code}", asking(FAIL, {"code": code}), number(code))
            for code in (0, 1, 256, 65_536, 2**31 - 1, 2**31, 2**32 - 1)
        ),
        *(
            Case(f"fail.text_{name}", asking(FAIL, {"text": said}), Fails(razorg.ErrorText, text=said))
            for name, said in texts.items()
        ),
        # Bytes that are no UTF-8 and no declared value: some error of ours, and the stream goes on.
        Case("fail.bytes", asking(FAIL, {"bytes": b"\xff\x00\x80"}), Fails(razorg.RazorError), reference=True),
        Case("fail.text_spoof", asking(FAIL, {"text": "rpc_timeout"}), answered(razorg.CallTimeout), reference=True),
        Case("unknown.number", asking(99, text("x")), refused()),
        Case("unknown.number_i32_max", asking(2**31 - 1, razorg.NIL), refused()),
        Case("unknown.string", asking("nope", text("x")), refused()),
        Case("bad.argument_type", asking(OPEN, [1, 2]), refused()),
        Case("bad.missing_field", asking(READ, text("x")), refused()),
        Case("bad.no_message", asking(OPEN), refused()),
        Case("bad.action_0_with_message", asking(0, text("x")), refused()),
        Case("bad.then_go_on", asking(ECHO, text("still here")), (text("still here"), None)),
        Case("lenient.struct_as_array", asking(READ, [77, 5, 1]), ({"ret_size": 1}, b"\5")),
        Case(
            "lenient.unknown_field_any_order",
            asking(READ, {"more": [1], "len": 1, "inode": 77, "offset": 6}),
            ({"ret_size": 1}, b"\6"),
        ),
    ]


def pings(link: Link) -> List[Any]:
    """Pings between requests; every pong comes, and nothing gets out of step."""
    got = []
    for i in range(5):
        got.append(0 <= link.stream.ping(timeout=5) < 5)
        got.append(ask(link.stream, ECHO, text(str(i)))[0] == text(str(i)))
    return got


def delays(window: int, count: int) -> Callable[[Link], Any]:
    """Many requests, each with its own delay: whether each got its own reply, and whether some overtook others."""

    def run(link: Link) -> Any:
        arrived = gevent.queue.Queue()
        stream = razorg.ClientStream(link.address, window=window)
        try:
            for i in range(count):
                stream.send(DELAY, {"ms": i * 37 % 100, "id": i}, notify=arrived, tag=i)
            tasks = [arrived.get(timeout=PATIENCE) for _ in range(count)]
        finally:
            stream.close()
        own = all(task.reply.msg == {"ms": task.tag * 37 % 100, "id": task.tag} for task in tasks)
        tags = [task.tag for task in tasks]
        return own, sorted(tags) == list(range(count)), tags != sorted(tags)

    return run


def large_and_small(link: Link) -> List[int]:
    """Blobs of 2 MiB and small requests mixed on one connection; the requests that got a wrong reply."""
    blob = noise(2 * MIB)[: 2 * MIB]
    sent = [(text(str(i)), blob if i % 10 == 0 else None) for i in range(60)]
    futures = [link.stream.send(MIRROR, msg, blob=large) for msg, large in sent]
    wrong = []
    for i, (future, (msg, large)) in enumerate(zip(futures, sent)):
        reply = future.get(timeout=PATIENCE)
        if reply.msg != msg or (None if reply.blob is None else bytes(reply.blob)) != large:
            wrong.append(i)
    return wrong


def close_with_a_reply_pending(link: Link) -> Any:
    stream = razorg.ClientStream(link.address)
    future = stream.send(DELAY, {"ms": 300, "id": 3})
    stream.close()
    return future.get(timeout=PATIENCE).msg


def timeout_then_go_on(link: Link) -> List[Any]:
    """A request that takes too long is given up, its late reply is dropped, and the stream goes on."""
    begun = time.monotonic()
    try:
        link.stream.send(DELAY, {"ms": 2000, "id": 1}, timeout=0.3).get(timeout=PATIENCE)
        late: Any = "an answer"
    except razorg.CallTimeout as error:
        late = error.sent
    in_time = 0.25 < time.monotonic() - begun < 1.6
    at_once = ask(link.stream, ECHO, text("at once"))[0]
    ask(link.stream, DELAY, {"ms": 2200, "id": 2})
    return [late, in_time, at_once, ask(link.stream, ECHO, text("later"))[0]]


def whole_cases() -> List[Case]:
    return [
        Case("ping", pings, [True] * 10),
        Case("concurrent.200_delays", delays(256, 200), (True, True, True)),
        Case("concurrent.window_of_4", delays(4, 40), (True, True, True)),
        Case("concurrent.large_and_small", large_and_small, []),
        Case("close.pending_reply", close_with_a_reply_pending, {"ms": 300, "id": 3}),
        Case("timeout.then_go_on", timeout_then_go_on, ["maybe", True, text("at once"), text("later")]),
    ]


CASES = [*action_cases(), *blob_cases(), *error_cases(), *whole_cases()]
