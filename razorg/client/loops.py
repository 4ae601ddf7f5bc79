"""The two greenlets of a stream.  They hold it weakly, and only while they have work for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol
from weakref import ref

from razorg.client.calls import Call
from razorg.errors import RemoteProtocolError
from razorg.link.outbox import Outbox
from razorg.link.reading import FrameReader
from razorg.link.writing import FrameWriter
from razorg.wire.heads import Frame, ResponseFields


class Stream(Protocol):
    """What the greenlets know of their stream."""

    def received(self, frames: Sequence[ResponseFields]) -> None:
        """Settle the calls that the responses answer; RemoteProtocolError."""

    def lose(self, error: BaseException) -> None:
        """The connection is of no more use."""


class Remainder:
    """Bytes that must leave and belong to no call: the rest of a frame, a ping."""

    __slots__ = ("frame",)

    def __init__(self, frame: Frame) -> None:
        self.frame: Frame | None = frame


def read_loop(stream_ref: ref[Stream], reader: FrameReader[ResponseFields]) -> None:
    """Settle calls as their responses arrive, until the connection ends."""
    ended: BaseException = ConnectionError("the peer closed the connection")
    try:
        while True:
            frames = reader.read()
            stream = stream_ref()
            if frames is None or stream is None:
                break
            stream.received(frames)
            del stream, frames
    except (OSError, RemoteProtocolError) as error:
        ended = error
    finally:
        stream = stream_ref()
        if stream is not None:
            stream.lose(ended)


def write_loop(
    stream_ref: ref[Stream], outbox: Outbox[Call | Remainder], writer: FrameWriter
) -> None:
    """Write the batches of the outbox until it is closed or the connection fails."""
    ended: BaseException = ConnectionError("the writer was stopped")
    try:
        while (batch := outbox.take()) is not None:
            taken: list[tuple[Call | Remainder, Frame]] = []
            try:
                writer.write(_take_frames(batch, taken))
            except OSError:
                for item, frame in taken[len(taken) - writer.unsent_frames :]:
                    item.frame = frame  # not a byte of it left: its call may say so
                raise
            outbox.wrote()
            del batch, taken
        return
    except OSError as error:
        ended = error
    finally:
        stream = stream_ref()
        if stream is not None and not outbox.is_closed:
            stream.lose(ended)


def _take_frames(
    batch: list[Call | Remainder], taken: list[tuple[Call | Remainder, Frame]]
) -> Iterator[Frame]:
    """The frames of a batch, each taken from its call at the last moment; cancelled ones not."""
    for item in batch:
        frame = item.frame
        if frame is not None:
            item.frame = None
            taken.append((item, frame))
            yield frame
