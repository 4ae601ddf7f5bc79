"""Frames on their way from many greenlets to the one that writes."""

from __future__ import annotations

from time import monotonic
from typing import Any

from gevent.event import Event
from gevent.queue import SimpleQueue


class Outbox:
    """A channel of batches.

    The first item of a batch puts the open list on the channel, the next ones join it there, and
    the writer closes it by taking it: so a burst costs one hand-off, and one write.
    """

    def __init__(self) -> None:
        self._channel: SimpleQueue[list[Any] | None] = SimpleQueue()
        self._open: list[Any] | None = None
        self._batches_put = 0
        self._batches_written = 0
        self._written = Event()
        self.is_closed = False

    @property
    def is_idle(self) -> bool:
        """Everything that was put has been written."""
        return self._batches_written == self._batches_put

    def put(self, item: Any) -> None:
        """Queue an item; never blocks."""
        batch = self._open
        if batch is None:
            self._open = batch = [item]
            self._batches_put += 1
            self._channel.put(batch)
        else:
            batch.append(item)

    def take(self) -> list[Any] | None:
        """The next batch; blocks the writer; None when closed and all batches are taken."""
        batch: list[Any] | None = self._channel.get()
        if batch is self._open:
            self._open = None
        return batch

    def wrote(self) -> None:
        """The writer is done with the batch it took."""
        self._batches_written += 1
        self._written.set()
        self._written.clear()

    def wait_written(self, timeout: float | None = None) -> None:
        """Block until all that is queued now was written, the outbox was closed, or time is up."""
        target = self._batches_put
        deadline = None if timeout is None else monotonic() + timeout
        while self._batches_written < target and not self.is_closed:
            left = None if deadline is None else deadline - monotonic()
            if left is not None and left <= 0:
                return
            self._written.wait(left)

    def close(self) -> None:
        """Nothing more will be put; the writer ends when it has taken the rest."""
        if not self.is_closed:
            self.is_closed = True
            self._open = None
            self._channel.put(None)
            self._written.set()
