"""Several buffers, written one after the other."""

from __future__ import annotations

from typing import Any

import pytest

from razorg.transport.pieces import write_in_turn


def writing(room: int, after: int) -> Any:
    """A write that has room for so many bytes, and takes nothing or fails when it is over."""

    def write(data: Any) -> int:
        nonlocal room
        if not room and after:
            raise ConnectionResetError(after, "reset")
        taken = min(room, len(data))
        room -= taken
        return taken

    return write


@pytest.mark.parametrize("after", [0, 104])
@pytest.mark.parametrize("room", range(1, 11))
def test_what_was_taken_is_told_also_when_the_rest_fails(room: int, after: int) -> None:
    assert write_in_turn(writing(room, after), [b"head", b"", memoryview(b"message")]) == room


def test_when_the_first_piece_fails_nothing_was_taken() -> None:
    with pytest.raises(ConnectionResetError):
        write_in_turn(writing(0, 104), [b"", b"head", b"message"])
    assert write_in_turn(writing(0, 0), [b"head", b"message"]) == 0
