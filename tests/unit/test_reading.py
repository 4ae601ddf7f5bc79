"""How much a FrameReader asks for at once."""

from __future__ import annotations

from typing import Any, Optional

from razorg.config import Limits
from razorg.link.reading import (
    BACKLOG_MAX_BYTES,
    BACKLOG_SHIFT,
    FRAMES_AT_ONCE,
    READ_BYTES,
    FrameReader,
)
from razorg.wire.encoder import response_frame
from razorg.wire.parser import ResponseParser


class Line:
    """A connection that has some bytes, and notes how many it was asked for."""

    def __init__(self, data: bytes, per_wait: Optional[int] = None) -> None:
        self.asked: list[int] = []
        self.waited = 0
        self._data = data
        self._per_wait = per_wait
        self._here = 0

    def wait_readable(self) -> None:
        self.waited += 1
        self._here = self._per_wait or len(self._data)

    def read(self, max_bytes: int) -> Optional[bytes]:
        self.asked.append(max_bytes)
        if not self._here and self._data:
            return None
        return self._take(max_bytes)

    def read_into(self, buffer: memoryview) -> Optional[int]:
        self.asked.append(len(buffer))
        if not self._here and self._data:
            return None
        data = self._take(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _take(self, count: int) -> bytes:
        data = self._data[: min(count, self._here)]
        self._data = self._data[len(data) :]
        self._here -= len(data)
        return data


def read_all(line: Line) -> list[Any]:
    reader = FrameReader(line, ResponseParser(Limits()))  # type: ignore[arg-type]
    frames: list[Any] = []
    while (more := reader.read()) is not None:
        frames += more
    return frames


def joined(*sizes: int) -> bytes:
    pieces = [response_frame(seq, b"m" * size) for seq, size in enumerate(sizes, 1)]
    return b"".join(piece if isinstance(piece, bytes) else b"".join(piece) for piece in pieces)


def test_small_frames_are_read_in_small_portions() -> None:
    line = Line(joined(*[1] * 2000), per_wait=READ_BYTES // 2)
    assert [frame[0] for frame in read_all(line)] == list(range(1, 2001))
    # Never more than the rest of a frame beyond the portion: there was no backlog.
    assert set(line.asked) == {READ_BYTES}


def test_of_a_backlog_more_is_read_at_once_but_not_without_end() -> None:
    count = 16 * BACKLOG_MAX_BYTES  # bytes, in frames of 21
    line = Line(joined(*[1] * (count // 21)))
    assert len(read_all(line)) == count // 21
    assert line.asked[: 1 << BACKLOG_SHIFT] == [READ_BYTES] * (1 << BACKLOG_SHIFT)
    grown = [asked for asked in line.asked if asked > READ_BYTES]
    assert grown == sorted(grown)
    assert max(line.asked) == BACKLOG_MAX_BYTES
    assert len(line.asked) < 80  # 256 portions of the first size


def test_its_end_makes_the_portions_small_again() -> None:
    line = Line(joined(*[1] * 10_000), per_wait=50_000)
    read_all(line)
    ends = [at for at, asked in enumerate(line.asked) if asked > READ_BYTES]
    assert ends  # it grew
    assert READ_BYTES in line.asked[ends[0] :]


def test_of_larger_frames_some_are_read_at_once() -> None:
    size = 10_000
    line = Line(joined(*[size] * 50), per_wait=(size + 20) * 8)
    assert [len(frame[2]) for frame in read_all(line)] == [size] * 50
    assert line.asked[-1] == (size + 20) * FRAMES_AT_ONCE


def test_very_large_frames_are_received_into_buffers_of_their_own() -> None:
    size = 1_000_000
    line = Line(joined(*[size] * 4))
    assert [len(frame[2]) for frame in read_all(line)] == [size] * 4
    # The start of each, the rest in as few pieces as memory that is not yet earned allows.
    assert line.asked.count(READ_BYTES) >= 4
    assert line.asked[-2] == size + 20 - READ_BYTES


class CarefulLine(Line):
    """One that notes, too, what was missing when the start of a frame was acknowledged."""

    def __init__(self, data: bytes, per_wait: Optional[int] = None) -> None:
        super().__init__(data, per_wait)
        self.missing: list[int] = []

    def acknowledge(self) -> None:
        self.missing.append(len(self._data))


def test_a_frame_that_is_cut_is_acknowledged_when_nothing_more_is_there() -> None:
    data = joined(100, 100)
    line = CarefulLine(data, per_wait=50)
    assert len(read_all(line)) == 2
    # At 50, 100, 150 and 200 of 240; each frame has 120.
    assert line.missing == [190, 140, 90, 40]
    whole = CarefulLine(data, per_wait=120)
    assert len(read_all(whole)) == 2
    assert whole.missing == []
    portions = CarefulLine(joined(*[1] * 500))  # cut by our own portions, and all there
    read_all(portions)
    assert portions.missing == []
