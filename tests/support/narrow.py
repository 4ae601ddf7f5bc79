"""A transport whose connections take and give a few bytes at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from razorg.transport.address import Address
from razorg.transport.base import Connection, Listener, Transport
from razorg.wire.heads import Buffer


class Narrow:
    """Around another transport.  ``room()`` says how many bytes the next read or write may have;
    a write that may have none waits, as for a peer that does not read."""

    def __init__(self, inner: Transport, room: Callable[[], int]) -> None:
        self._inner = inner
        self._room = room

    def connect(self, address: Address, timeout: float) -> Connection:
        return self._narrowed(self._inner.connect(address, timeout))

    def listen(self, address: Address) -> Listener:
        listener: Any = self._inner.listen(address)
        accept = listener.accept
        listener.accept = lambda: self._narrowed(accept())
        return listener  # type: ignore[no-any-return]

    def _narrowed(self, inner: Any) -> Any:
        write, read, read_into, room = inner.write, inner.read, inner.read_into, self._room

        def write_some(data: Buffer) -> int:
            view = memoryview(data)[: room()]
            return write(view) if len(view) else 0  # type: ignore[no-any-return]

        def write_pieces_some(pieces: Sequence[Buffer]) -> int:
            return write_some(next((piece for piece in pieces if len(piece)), b""))

        inner.write = write_some
        inner.write_pieces = write_pieces_some
        inner.read = lambda max_bytes: read(min(max_bytes, max(room(), 1)))
        inner.read_into = lambda buffer: read_into(buffer[: max(room(), 1)])
        return inner
