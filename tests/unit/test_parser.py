"""Both parsers against what wire.md allows and refuses, whole and in every portion."""

from __future__ import annotations

from typing import Any

import pytest
from parser_cases import (
    GOOD_P,
    GOOD_P_OUT,
    GOOD_Q,
    LIMITS,
    PARTIAL,
    REQUESTS,
    RESPONSES,
    Case,
    P,
    Parser,
    Q,
    parse,
)

from razorg.wire.parser import FrameParser, RequestParser, ResponseParser

TABLE = [
    pytest.param(parser, case, id=f"{side}-{case.name}")
    for side, parser, cases in (
        ("request", RequestParser, REQUESTS),
        ("response", ResponseParser, RESPONSES),
    )
    for case in cases
]


def check(parser: FrameParser, case: Case, pieces: list[bytes]) -> None:
    frames, error = parse(parser, pieces)
    assert frames == case.frames
    if isinstance(case.ending, str):
        assert error is not None
        assert case.ending in error
        assert list(parser.feed(GOOD_Q + GOOD_P)) == []
        assert str(parser.error) == error
    else:
        assert error is None
        assert parser.is_partial is (case.ending is PARTIAL)


def test_table_is_long_and_its_names_are_unique() -> None:
    names = [param.id for param in TABLE]
    assert len(names) == len(set(names)) >= 60


@pytest.mark.parametrize(("kind", "case"), TABLE)
def test_whole(kind: Parser, case: Case) -> None:
    check(kind(LIMITS), case, [case.data])


@pytest.mark.parametrize(("kind", "case"), TABLE)
def test_byte_by_byte(kind: Parser, case: Case) -> None:
    check(kind(LIMITS), case, [bytes([byte]) for byte in case.data])


@pytest.mark.parametrize(("kind", "case"), TABLE)
def test_every_split_in_two(kind: Parser, case: Case) -> None:
    for at in range(len(case.data) + 1):
        check(kind(LIMITS), case, [case.data[:at], b"", case.data[at:]])


@pytest.mark.parametrize(
    ("kind", "data", "frames"),
    [
        (
            RequestParser,
            Q() + Q(b"a", 2, msg=b"m"),
            [(1, 1, 0, b"", None), (2, "a", 0, b"m", None)],
        ),
        (ResponseParser, P(1, 1, msg_len=5) + GOOD_P, [(1, 1, 5, None), GOOD_P_OUT]),
    ],
    ids=["request", "response"],
)
def test_every_split_in_three(kind: Parser, data: bytes, frames: list[Any]) -> None:
    for first in range(len(data) + 1):
        for second in range(first, len(data) + 1):
            pieces = [data[:first], data[first:second], data[second:]]
            assert parse(kind(LIMITS), pieces) == (frames, None)
