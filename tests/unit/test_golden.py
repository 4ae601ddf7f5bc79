"""The bytes recorded between the real Rust client and server, read and written by razorg."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from razorg.codec.msgpack import MsgpackCodec
from razorg.config import Limits
from razorg.wire import encoder
from razorg.wire.parser import FrameParser, RequestParser, ResponseParser

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "golden.json").read_text())
FRAMES = [entry for entry in GOLDEN if entry["direction"] != "event"]
PARSERS: dict[str, type[FrameParser]] = {
    "request": RequestParser,
    "response": ResponseParser,
}
LIMITS = Limits()
CODEC = MsgpackCodec()


def raw(entry: dict[str, Any]) -> bytes:
    return bytes.fromhex(entry["hex"])


def parser_for(direction: str) -> FrameParser:
    return PARSERS[direction](LIMITS)


def msg_bytes(entry: dict[str, Any]) -> bytes:
    """The encoded message, cut out of the frame as wire.md lays it out."""
    fields = entry["fields"]
    if entry["direction"] == "request":
        action = fields["action_raw"]
        start = 32 + (action & 0x7FFFFFFF if action >> 31 else 0)
        return raw(entry)[start : start + fields["msg_len"]]
    length = fields["msg_len_or_errno"] if fields["flag"] == 0 else 0
    return raw(entry)[20 : 20 + length]


def expected(entry: dict[str, Any]) -> tuple[Any, ...]:
    fields = entry["fields"]
    msg = msg_bytes(entry)
    blob = bytes.fromhex(fields.get("blob_hex") or "") or None
    if entry["direction"] == "request":
        return fields["seq"], fields["action"], fields["client_id"], msg, blob
    if fields["flag"] == 1:
        return fields["seq"], 1, fields["errno"], None
    if fields["flag"] == 2:
        return fields["seq"], 2, b"", bytes.fromhex(fields["error_bytes_hex"]) or None
    return fields["seq"], 0, msg, blob


def revived(value: Any) -> Any:
    """The recording's JSON with its stand-ins for bytes and floats undone."""
    if isinstance(value, dict):
        if "__bin__" in value:
            return bytes.fromhex(value["__bin__"])
        if "__float__" in value:
            return float(value["__float__"])
        return {key: revived(part) for key, part in value.items()}
    return [revived(part) for part in value] if isinstance(value, list) else value


def is_same(one: Any, two: Any) -> bool:
    if isinstance(one, float) and isinstance(two, float) and math.isnan(one):
        return math.isnan(two)
    if isinstance(one, dict) and isinstance(two, dict):
        # the recording is JSON: its keys are all text
        two = {str(key): part for key, part in two.items()}
        return one.keys() == two.keys() and all(is_same(one[key], two[key]) for key in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(is_same, one, two))
    return type(one) is type(two) and bool(one == two)


def joined(frame: Any) -> bytes:
    return frame if isinstance(frame, bytes) else b"".join(frame)


def ids(entry: dict[str, Any]) -> str:
    return f"{entry['name']}-{entry['direction']}"


def test_recording_is_complete() -> None:
    assert len(FRAMES) == 126
    assert {entry["direction"] for entry in FRAMES} == {"request", "response"}


@pytest.mark.parametrize("entry", FRAMES, ids=ids)
def test_decodes_to_the_recorded_fields(entry: dict[str, Any]) -> None:
    parser = parser_for(entry["direction"])
    assert list(parser.feed(raw(entry))) == [expected(entry)]
    assert parser.error is None
    assert not parser.is_partial


@pytest.mark.parametrize("entry", FRAMES, ids=ids)
def test_encodes_byte_for_byte(entry: dict[str, Any]) -> None:
    if entry["direction"] == "request":
        seq, action, client_id, msg, blob = expected(entry)
        field = encoder.encode_action(action, LIMITS)
        frame = encoder.request_frame(field, seq, client_id, msg, blob)
    else:
        seq, flag, msg, blob = expected(entry)
        if flag == 1:
            frame = encoder.number_frame(seq, msg)
        elif flag == 2:
            frame = encoder.error_frame(seq, blob or b"")
        else:
            frame = encoder.response_frame(seq, msg, blob)
    assert joined(frame) == raw(entry)


MESSAGES = [entry for entry in FRAMES if msg_bytes(entry)]


@pytest.mark.parametrize("entry", MESSAGES, ids=ids)
def test_message_decodes_and_encodes(entry: dict[str, Any]) -> None:
    data = msg_bytes(entry)
    value = CODEC.decode(data)
    assert is_same(revived(entry["fields"]["msg"]), value)
    encoded = CODEC.encode(value)
    if "floats" in entry["name"] or "nested" in entry["name"]:
        # f32 comes back as f64, and the order of a HashMap is its own affair
        assert is_same(revived(entry["fields"]["msg"]), CODEC.decode(encoded))
    else:
        assert encoded == data


@pytest.mark.parametrize("entry", FRAMES, ids=ids)
def test_truncated_anywhere_is_partial(entry: dict[str, Any]) -> None:
    data = raw(entry)
    for end in range(len(data)):
        parser = parser_for(entry["direction"])
        assert list(parser.feed(data[:end])) == []
        assert parser.error is None
        assert parser.is_partial is (end > 0)
        assert list(parser.feed(data[end:])) == [expected(entry)]
        assert not parser.is_partial


@pytest.mark.parametrize("direction", PARSERS)
@pytest.mark.parametrize("part", ["stream", "api"])
def test_conversation_whole_and_byte_by_byte(part: str, direction: str) -> None:
    entries = [
        entry
        for entry in FRAMES
        if entry["direction"] == direction and entry["name"].startswith(part + ".")
    ]
    data = b"".join(raw(entry) for entry in entries)
    frames = [expected(entry) for entry in entries]
    whole = parser_for(direction)
    assert list(whole.feed(data)) == frames
    single = parser_for(direction)
    assert [frame for byte in data for frame in single.feed(bytes([byte]))] == frames
    assert whole.error is single.error is None
    assert not whole.is_partial
    assert not single.is_partial
