"""Frames built by struct alone, and what wire.md says has to come out of them."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple, Optional, Union

from razorg.config import Limits
from razorg.errors import RemoteProtocolError
from razorg.wire.parser import FrameParser

LIMITS = Limits(max_msg_bytes=100, max_blob_bytes=200, max_action_bytes=10)
WIDE = Limits()
MAGIC = 19749
I32_MAX, U32_MAX, U64_MAX = 2**31 - 1, 2**32 - 1, 2**64 - 1
PARTIAL = object()


def request(
    action: Union[int, bytes] = 1,
    seq: int = 1,
    client: int = 0,
    msg: bytes = b"",
    blob: bytes = b"",
    **head: Any,
) -> bytes:
    name = action if isinstance(action, bytes) else b""
    field = 2**31 | len(name) if isinstance(action, bytes) else action
    values = {
        "magic": MAGIC,
        "ver": 1,
        "format": 0,
        "field": field,
        "seq": seq,
        "client": client,
        "msg_len": len(msg),
        "blob_len": len(blob),
        **head,
    }
    return struct.pack("<HBBIQQII", *values.values()) + name + msg + blob


def response(
    seq: int = 1, flag: int = 0, msg: bytes = b"", blob: bytes = b"", **head: Any
) -> bytes:
    values = {
        "magic": MAGIC,
        "ver": 1,
        "flag": flag,
        "msg_len": len(msg),
        "seq": seq,
        "blob_len": len(blob),
        **head,
    }
    return struct.pack("<HBBIQi", *values.values()) + msg + blob


class Case(NamedTuple):
    name: str
    data: bytes
    frames: list[Any]  # what comes out …
    ending: Any = None  # … and then: None (nothing is left), PARTIAL, or a part of the error's text


Q, P = request, response
GOOD_Q, GOOD_Q_OUT = Q(7, 5, 9, b"m", b"bb"), (5, 7, 9, b"m", b"bb")
GOOD_P, GOOD_P_OUT = P(5, 0, b"m", b"bb"), (5, 0, b"m", b"bb")

REQUESTS = [
    Case("nothing", b"", []),
    Case("ping", Q(0, 3), [(3, 0, 0, b"", None)]),
    Case("ping_action_with_msg", Q(0, 3, msg=b"\xc0"), [(3, 0, 0, b"\xc0", None)]),
    Case("ping_action_with_blob", Q(0, 3, blob=b"x"), [(3, 0, 0, b"", b"x")]),
    Case("all_zero_lengths", Q(1, 0), [(0, 1, 0, b"", None)]),
    Case("all_parts", Q(b"A.b", 2, 4, b"msg", b"blob"), [(2, "A.b", 4, b"msg", b"blob")]),
    Case("blob_only", Q(1, blob=b"\0"), [(1, 1, 0, b"", b"\0")]),
    Case("action_max", Q(I32_MAX), [(1, I32_MAX, 0, b"", None)]),
    Case("seq_and_client_max", Q(1, U64_MAX, U64_MAX), [(U64_MAX, 1, U64_MAX, b"", None)]),
    Case("empty_text_action", Q(b""), [(1, "", 0, b"", None)]),
    Case("two_byte_letters", Q("é".encode() * 5), [(1, "ééééé", 0, b"", None)]),
    Case("action_with_nul", Q(b"a\0b"), [(1, "a\0b", 0, b"", None)]),
    Case("format_1_ignored", Q(format=1), [(1, 1, 0, b"", None)]),
    Case("format_255_ignored", Q(msg=b"m", format=255), [(1, 1, 0, b"m", None)]),
    Case("two_frames", Q() + GOOD_Q, [(1, 1, 0, b"", None), GOOD_Q_OUT]),
    Case("action_at_limit", Q(b"a" * 10), [(1, "a" * 10, 0, b"", None)]),
    Case("action_over_limit", Q(b"a" * 11), [], "max_action_bytes"),
    Case("action_announced_huge", Q(field=U32_MAX), [], "max_action_bytes"),
    Case("msg_at_limit", Q(msg=b"m" * 100), [(1, 1, 0, b"m" * 100, None)]),
    Case("msg_over_limit", Q(msg=b"m" * 101), [], "max_msg_bytes"),
    Case("msg_announced_max", Q(msg_len=U32_MAX), [], "max_msg_bytes"),
    Case("blob_at_limit", Q(blob=b"b" * 200), [(1, 1, 0, b"", b"b" * 200)]),
    Case("blob_over_limit", Q(blob=b"b" * 201), [], "max_blob_bytes"),
    Case("blob_negative_as_i32", Q(blob_len=2**31), [], "a blob of 2147483648 bytes"),
    Case("blob_announced_max", Q(blob_len=U32_MAX), [], "max_blob_bytes"),
    Case("over_limit_before_its_bytes", Q(msg_len=101)[:32], [], "max_msg_bytes"),
    Case("all_three_over", Q(field=U32_MAX, msg_len=U32_MAX, blob_len=U32_MAX), [], "announced"),
    Case("magic_first_byte", Q(magic=MAGIC ^ 0x01), [], "magic"),
    Case("magic_second_byte", Q(magic=MAGIC ^ 0x0100), [], "magic"),
    Case("magic_swapped", Q(magic=0x254D), [], "magic"),
    Case("magic_zero", Q(magic=0), [], "magic"),
    Case("http", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", [], "magic"),
    Case("version_0", Q(ver=0), [], "version 0"),
    Case("version_2", Q(ver=2), [], "version 2"),
    Case("version_255", Q(ver=255), [], "version 255"),
    Case("action_not_utf8", Q(b"\xff\xfe"), [], "UTF-8"),
    Case("action_utf8_cut", Q("é".encode()[:1], msg=b"\xa9"), [], "UTF-8"),
    Case("action_surrogate", Q(b"\xed\xa0\x80"), [], "UTF-8"),
    Case("action_overlong", Q(b"\xc0\x80"), [], "UTF-8"),
    Case("one_byte", GOOD_Q[:1], [], PARTIAL),
    Case("head_less_one", Q()[:31], [], PARTIAL),
    Case("head_alone", GOOD_Q[:32], [], PARTIAL),
    Case("half_an_action", Q(b"A.b", msg=b"m")[:33], [], PARTIAL),
    Case("body_less_one", GOOD_Q[:-1], [], PARTIAL),
    Case("good_then_partial", GOOD_Q + GOOD_Q[:9], [GOOD_Q_OUT], PARTIAL),
    Case("good_then_garbage", GOOD_Q + b"\0" * 32, [GOOD_Q_OUT], "magic"),
    Case("good_then_wrong_version", GOOD_Q + Q(ver=3), [GOOD_Q_OUT], "version 3"),
    Case("good_then_bad_action", GOOD_Q + Q(b"\xff"), [GOOD_Q_OUT], "UTF-8"),
    Case("nothing_after_an_error", Q(ver=2) + GOOD_Q, [], "version 2"),
    Case("first_error_stays", GOOD_Q + Q(ver=2) + Q(magic=1), [GOOD_Q_OUT], "version 2"),
]

RESPONSES = [
    Case("nothing", b"", []),
    Case("empty", P(3), [(3, 0, b"", None)]),
    Case("seq_0", P(0), [(0, 0, b"", None)]),
    Case("seq_max", P(U64_MAX), [(U64_MAX, 0, b"", None)]),
    Case("msg_and_blob", P(2, 0, b"msg", b"blob"), [(2, 0, b"msg", b"blob")]),
    Case("blob_only", P(2, 0, b"", b"\0"), [(2, 0, b"", b"\0")]),
    Case("number_0", P(2, 1), [(2, 1, 0, None)]),
    Case("number_22", P(2, 1, msg_len=22), [(2, 1, 22, None)]),
    Case("number_max", P(2, 1, msg_len=U32_MAX), [(2, 1, U32_MAX, None)]),
    Case("number_then_frame", P(2, 1, msg_len=9) + GOOD_P, [(2, 1, 9, None), GOOD_P_OUT]),
    Case("number_with_blob", P(2, 1, blob_len=1), [], "number with 1 bytes"),
    Case("number_with_negative_blob", P(2, 1, blob_len=-1), [], "number"),
    Case("error_bytes", P(2, 2, b"", b"bad"), [(2, 2, b"", b"bad")]),
    Case("error_bytes_empty", P(2, 2), [(2, 2, b"", None)]),
    Case("error_bytes_not_utf8", P(2, 2, b"", b"\xff"), [(2, 2, b"", b"\xff")]),
    Case("error_bytes_at_limit", P(2, 2, b"", b"e" * 100), [(2, 2, b"", b"e" * 100)]),
    Case("error_bytes_over_limit", P(2, 2, b"", b"e" * 101), [], "error bytes of 101 bytes"),
    Case("error_bytes_huge", P(2, 2, blob_len=I32_MAX), [], "error bytes of"),
    Case("error_bytes_negative", P(2, 2, blob_len=-1), [], "error bytes of -1"),
    Case("error_bytes_with_msg", P(2, 2, b"m", b"bad"), [], "message of 1 bytes"),
    *[
        Case(f"flag_{flag}", P(2, flag), [], f"flag {flag} ")
        for flag in (3, 4, 7, 8, 16, 32, 64, 127, 128, 254, 255)
    ],
    Case("msg_at_limit", P(1, 0, b"m" * 100), [(1, 0, b"m" * 100, None)]),
    Case("msg_over_limit", P(1, 0, b"m" * 101), [], "max_msg_bytes"),
    Case("msg_announced_max", P(msg_len=U32_MAX), [], "max_msg_bytes"),
    Case("blob_at_limit", P(1, 0, b"", b"b" * 200), [(1, 0, b"", b"b" * 200)]),
    Case("blob_over_limit", P(1, 0, b"", b"b" * 201), [], "max_blob_bytes"),
    Case("blob_negative", P(blob_len=-1), [], "a blob of -1 bytes"),
    Case("blob_most_negative", P(blob_len=-(2**31)), [], "a blob of -2147483648 bytes"),
    Case("blob_announced_max", P(blob_len=I32_MAX), [], "max_blob_bytes"),
    Case("negative_blob_hides_msg", P(1, 0, b"mmm", blob_len=-3), [], "a blob of -3"),
    Case("magic_first_byte", P(magic=MAGIC ^ 0x80), [], "magic"),
    Case("magic_second_byte", P(magic=MAGIC ^ 0x8000), [], "magic"),
    Case("version_0", P(ver=0), [], "version 0"),
    Case("version_2", P(ver=2), [], "version 2"),
    Case("version_255", P(ver=255), [], "version 255"),
    Case("one_byte", GOOD_P[:1], [], PARTIAL),
    Case("head_less_one", P()[:19], [], PARTIAL),
    Case("number_less_one", P(2, 1, msg_len=7)[:19], [], PARTIAL),
    Case("head_alone", GOOD_P[:20], [], PARTIAL),
    Case("body_less_one", GOOD_P[:-1], [], PARTIAL),
    Case("good_then_partial", GOOD_P + GOOD_P[:3], [GOOD_P_OUT], PARTIAL),
    Case("good_then_garbage", GOOD_P + b"\xff" * 20, [GOOD_P_OUT], "magic"),
    Case("good_then_flag", GOOD_P + P(2, 3), [GOOD_P_OUT], "flag 3"),
    Case("nothing_after_an_error", P(2, 3) + GOOD_P, [], "flag 3"),
    Case("first_error_stays", P(2, 3) + P(ver=9), [], "flag 3"),
]

Parser = type[FrameParser]


def plain(frame: tuple[Any, ...]) -> tuple[Any, ...]:
    """Buffers as bytes, whichever kind the parser chose for their size."""
    return tuple(
        bytes(part) if isinstance(part, (bytes, bytearray, memoryview)) else part for part in frame
    )


def parse(parser: FrameParser, pieces: list[bytes]) -> tuple[list[Any], Optional[str]]:
    frames = [plain(frame) for piece in pieces for frame in parser.feed(piece)]
    assert parser.error is None or type(parser.error) is RemoteProtocolError
    return frames, None if parser.error is None else str(parser.error)
