"""The raw ping-pong for any workload of one caller: the bytes of a call and of its answer, nothing decoded."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gevent
from gevent import socket

from benchlib import raw
from benchlib.bare_io import listen, open_socket
from benchlib.contestants import Client
from benchlib.workloads import Workload

HEAD = b"h" * 24
"""What stands for a message without a payload."""


def serve(announce: Callable[[str], None], workload: Workload) -> None:
    """Answer so many bytes with so many; never returns."""
    if not workload.payload:
        raw.serve(announce)
    listener = listen(announce)
    while True:
        sock, _ = listener.accept()
        gevent.spawn(_answer, sock, workload)


def _sizes(workload: Workload) -> tuple[int, int]:
    up = workload.payload if workload.way != "down" else len(HEAD)
    return up, workload.payload if workload.way != "up" else len(HEAD)


def _answer(sock: socket.socket, workload: Workload) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    receive = receiver(sock, _sizes(workload)[0])
    fixed = {"up": HEAD, "down": bytes(workload.payload)}.get(workload.way)
    while True:
        data = receive()
        sock.sendall(data if fixed is None else fixed)


def receiver(sock: socket.socket, size: int) -> Callable[[], Any]:
    """A function that receives exactly so many bytes, always into the same buffer."""
    buffer = bytearray(size)
    whole = memoryview(buffer)
    recv_into = sock.recv_into

    def receive() -> memoryview:
        got = recv_into(whole)
        while got < size:
            more = recv_into(whole[got:])
            if not more:
                raise EOFError("the other side has closed the connection")
            got += more
        return whole

    return receive


def connect(address: str, workload: Workload) -> Client:
    """Connect; the payload's methods."""
    if not workload.payload:
        return raw.connect(address, workload)
    sock = open_socket(address)
    receive = receiver(sock, _sizes(workload)[1])

    def both(data: bytes) -> Any:
        sock.sendall(data)
        return receive()

    def up(data: bytes) -> int:
        sock.sendall(data)
        receive()
        return len(data)

    def down(size: int) -> Any:
        sock.sendall(HEAD)
        return receive()

    return Client([SimpleNamespace(both=both, up=up, down=down)])
