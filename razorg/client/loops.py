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
from razorg.transport.base import Connection
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


def read_loop(stream_ref: ref[Stream], reader: FrameReader) -> None:
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


class BatchWriter(FrameWriter):
    """Writes the frames of a batch, each taken from its call at the last moment.

    So ``call.frame`` says at any time whether something of the request may have been sent.
    """

    def __init__(self, conn: Connection) -> None:
        super().__init__(conn)
        self._taken: list[tuple[Call | Remainder, Frame]] = []

    def write_batch(self, batch: list[Call | Remainder]) -> None:
        """Hand over what the batch still has to send; blocks while there is no room.  OSError."""
        self.unsent_frames = 0
        self.write(self._frames(batch))
        self._taken.clear()

    def put_back(self) -> None:
        """The connection has failed: give the frames of which not a byte left to their calls."""
        taken, self._taken = self._taken, []
        for item, frame in taken[len(taken) - self.unsent_frames :]:
            item.frame = frame

    def _frames(self, batch: list[Call | Remainder]) -> Iterator[Frame]:
        for item in batch:
            frame = item.frame
            if frame is not None:
                item.frame = None
                self._taken.append((item, frame))
                yield frame


def write_loop(stream_ref: ref[Stream], outbox: Outbox, writer: BatchWriter) -> None:
    """Write the batches of the outbox until it is closed or the connection fails.

    A stream closes it when the connection is gone: what is left there may go elsewhere by then.
    """
    ended: BaseException = ConnectionError("the writer was stopped")
    try:
        while (batch := outbox.take()) is not None and not outbox.is_closed:
            writer.write_batch(batch)
            outbox.wrote()
            del batch
        return
    except OSError as error:
        ended = error
    finally:
        stream = stream_ref()
        if stream is not None and not outbox.is_closed:
            stream.lose(ended)
