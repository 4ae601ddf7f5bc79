"""What both sides of the bare loop share: the writer greenlet and how sockets are made."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import gevent
from gevent import socket

RECEIVE_BYTES = 64 * 1024


def listen(announce: Callable[[str], None]) -> socket.socket:
    """A listening gevent socket on a free loopback port, announced (`socket.create_server` makes blocking ones)."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    host, port = listener.getsockname()
    announce(f"tcp://{host}:{port}")
    return listener


def open_socket(address: str) -> socket.socket:
    """A connected gevent socket without Nagle's delay, to `tcp://host:port`."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    sock = socket.create_connection((host, int(port)), timeout=5)
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def start_writer(sock: socket.socket, outbox: deque[bytes]) -> Callable[[], None]:
    """Start the greenlet that sends whatever is in `outbox`, a batch in one `send`; return its wake-up.

    Whoever puts a frame in an empty outbox gives the wake-up to `run_callback`. It does nothing while the writer
    is inside `send`: the writer looks at the outbox again before it rests.
    """
    rest = gevent.get_hub().switch
    send = sock.send
    idle = False

    def write() -> None:
        nonlocal idle
        while True:
            if not outbox:
                idle = True
                rest()
                idle = False
            data = b"".join(outbox)
            outbox.clear()
            sent = send(data)
            while sent < len(data):
                data = data[sent:]
                sent = send(data)

    resume = gevent.spawn(write).switch

    def wake() -> None:
        if idle:
            resume()

    return wake
