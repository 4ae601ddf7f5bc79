"""Frames on their way from many greenlets to the one that writes."""

from __future__ import annotations

from time import monotonic
from typing import Any

from gevent.event import Event
from gevent.queue import SimpleQueue

#: So many items that nobody wants any more may wait for the writer with the others.
_UNWANTED_MAX = 1000


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
        self._unwanted = 0  # since those that wait were looked through
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

    def unwanted(self) -> None:
        """An item that may wait in here has lost its ``frame``: nobody wants it to be written.

        Calls can end by the thousand while the writer is held up by one frame.
        """
        self._unwanted += 1
        if self._unwanted > _UNWANTED_MAX:
            self._unwanted = 0
            if self._open is not None:
                self._open[:] = [item for item in self._open if item.frame is not None]

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

    def wait_written(self, timeout: float | None = None) -> bool:
        """Block until all that is queued now was written, the outbox was closed, or time is up;
        whether it was written."""
        target = self._batches_put
        deadline = None if timeout is None else monotonic() + timeout
        while self._batches_written < target and not self.is_closed:
            left = None if deadline is None else deadline - monotonic()
            if left is not None and left <= 0:
                break
            self._written.wait(left)
        return self._batches_written >= target

    def close(self) -> None:
        """Nothing more will be put; the writer ends when it has taken the rest."""
        if not self.is_closed:
            self.is_closed = True
            self._open = None
            self._channel.put(None)
            self._written.set()
