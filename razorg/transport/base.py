"""The Transport plug: what a scheme has to offer.  Each is run through one conformance suite.

A connection's reads and writes never block; ``wait_readable`` and ``wait_writable`` block the
calling greenlet.  So the layer above decides where a greenlet may stop, and knows for every byte
whether it was handed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from razorg.transport.address import Address
from razorg.wire.heads import Buffer


class Connection(Protocol):
    """One full-duplex byte stream, of one reader greenlet and one writer greenlet.

    Every method raises OSError when the connection has failed or was closed here; a greenlet
    that waits while another closes gets it too.
    """

    peer: str
    """The other end, for logs: ``tcp://10.0.0.7:50412``."""

    def read(self, max_bytes: int) -> bytes | None:
        """What has arrived; ``b""`` at the end of the stream, None when nothing is there now."""

    def read_into(self, buffer: memoryview) -> int | None:
        """As ``read``, into a buffer; returns how many bytes, 0 at the end of the stream."""

    def write(self, data: Buffer) -> int:
        """Hand over as much as is taken now; returns how many bytes, 0 when there is no room.

        After a part of it was taken the next write begins with the rest.  An OSError says that
        not a byte of it was handed over: so the caller knows what may have reached the peer.
        """
        ...

    def write_pieces(self, pieces: Sequence[Buffer]) -> int:
        """As ``write``, for several buffers in one go."""
        ...

    def wait_readable(self) -> None:
        """Block this greenlet until a read would return something else than None."""

    def wait_writable(self) -> None:
        """Block this greenlet until a write would take something."""

    def stop_waiting_to_read(self) -> None:
        """Make a greenlet that is in ``wait_readable`` return; it reads again, or not."""

    # A transport may have more:
    # - ``acknowledge()`` is called when all that came has been read and it ends inside a frame, so
    #   that a peer which waits for that sends the rest;
    # - ``handshake()`` is called in the greenlet that serves an accepted connection, before
    #   anything else; it blocks, and ``certificate()`` then tells who is there;
    # - ``credentials()`` tells which process is at the other end.

    def end_of_stream(self) -> bool:
        """Whether the peer has ended, or the connection failed, while nobody was reading."""
        ...

    def shutdown_write(self) -> None:
        """Tell the peer that nothing more will come."""

    def close(self) -> None:
        """Close, at once and for good; greenlets that wait get OSError.  Never blocks or raises."""


class Listener(Protocol):
    """A place where connections arrive, of one accepting greenlet."""

    address: Address

    def accept(self) -> Connection:
        """The next connection; blocks this greenlet.  OSError when closed or out of resources."""
        ...

    def fileno(self) -> int:
        """The listening descriptor; -1 where there is none."""
        ...

    def close(self) -> None:
        """Stop listening; a greenlet in ``accept`` gets OSError.  Never blocks or raises."""


class Transport(Protocol):
    """How to connect to, and listen at, the addresses of one scheme."""

    def connect(self, address: Address, timeout: float) -> Connection:
        """A connection to the address; blocks at most ``timeout`` seconds, else OSError."""
        ...

    def listen(self, address: Address) -> Listener:
        """Listen at the address; OSError when it is in use or not ours."""
        ...
