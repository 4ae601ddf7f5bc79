"""The polite end of a connection."""

from __future__ import annotations

from gevent import Timeout

from razorg.transport.base import Connection

_READ_BYTES = 64 * 1024


def linger(conn: Connection, seconds: float) -> None:
    """Say that all was said, and let the peer read it; blocks until it closes, at most so long.

    Closing with unread input would make the kernel throw away what is still on the way.
    """
    conn.shutdown_write()
    with Timeout(seconds, False):  # pyright: ignore[reportArgumentType]
        while conn.read(_READ_BYTES) != b"":
            conn.wait_readable()  # each time: whoever floods must not keep the hub
