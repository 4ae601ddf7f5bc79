"""The bare loop with payloads: how big frames are read and written, for both sides and both ways to receive."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import gevent
from gevent import socket

RECEIVE_BYTES = 256 * 1024
SMALL_RECEIVE_BYTES = 64 * 1024
MOST_PARTS = 64

Parse = Callable[[Any, int], tuple[int, int]]
"""(data, start of a frame) → (bytes of its head, bytes of its body)."""


def start_big_writer(sock: socket.socket, outbox: deque[Any]) -> Callable[[], None]:
    """As `bare_io.start_writer`, with `sendmsg`: what is queued goes to the kernel without being joined."""
    rest = gevent.get_hub().switch
    sendmsg, send = sock.sendmsg, sock.send
    idle = False

    def write() -> None:
        nonlocal idle
        while True:
            if not outbox:
                idle = True
                rest()
                idle = False
            parts = [outbox.popleft() for _ in range(min(len(outbox), MOST_PARTS))]
            sent = sendmsg(parts)
            for part in parts:
                if sent >= len(part):
                    sent -= len(part)
                    continue
                left = memoryview(part)[sent:]
                sent = 0
                while left:
                    left = left[send(left) :]

    resume = gevent.spawn(write).switch

    def wake() -> None:
        if idle:
            resume()

    return wake


def frames_by_recv(sock: socket.socket, head_bytes: int, lengths: Parse) -> Iterator[tuple[Any, int, int]]:
    """(data, start of a frame, its end) for each frame; big `recv`s, joined once when a frame needs several."""
    recv = sock.recv
    rest = b""
    while True:
        data = recv(RECEIVE_BYTES)
        if not data:
            return
        if rest:
            data = rest + data
        position = 0
        while len(data) - position >= head_bytes:
            head, body = lengths(data, position)
            end = position + head + body
            if end > len(data):
                parts = [data[position:]]
                missing = end - len(data)
                while missing > 0:
                    more = recv(RECEIVE_BYTES)
                    if not more:
                        return
                    parts.append(more)
                    missing -= len(more)
                data = b"".join(parts)
                end -= position
                position = 0
            yield data, position, end
            position = end
        rest = data[position:]


def frames_by_joining(sock: socket.socket, head_bytes: int, lengths: Parse) -> Iterator[tuple[Any, int, int]]:
    """The same as the reader of the small calls does it: what is incomplete is joined with the next `recv`."""
    recv = sock.recv
    rest = b""
    while True:
        data = recv(SMALL_RECEIVE_BYTES)
        if not data:
            return
        if rest:
            data = rest + data
        position = 0
        while len(data) - position >= head_bytes:
            head, body = lengths(data, position)
            end = position + head + body
            if end > len(data):
                break
            yield data, position, end
            position = end
        rest = data[position:]


def frames_by_recv_into(sock: socket.socket, head_bytes: int, lengths: Parse) -> Iterator[tuple[Any, int, int]]:
    """The same, except that what is missing of a frame is received where it shall be."""
    recv, recv_into = sock.recv, sock.recv_into
    rest = b""
    while True:
        data: Any = recv(SMALL_RECEIVE_BYTES)
        if not data:
            return
        if rest:
            data = rest + data
        position = 0
        while len(data) - position >= head_bytes:
            head, body = lengths(data, position)
            end = position + head + body
            if end > len(data):
                whole = bytearray(head + body)
                have = len(data) - position
                whole[:have] = memoryview(data)[position:]
                view = memoryview(whole)[have:]
                while view:
                    got = recv_into(view)
                    if not got:
                        return
                    view = view[got:]
                yield whole, 0, len(whole)
                data = b""
                position = 0
                break
            yield data, position, end
            position = end
        rest = data[position:]
