"""The bare loop's server: the handler runs inline in the reader, a writer greenlet flushes batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import gevent
from gevent import socket
from msgpack import Packer, unpackb

from benchlib.bare_io import RECEIVE_BYTES, listen, start_writer
from benchlib.frames import (
    ACTION,
    ACTION_LEN_MASK,
    MAGIC,
    OK,
    REQUEST_HEAD_BYTES,
    VERSION,
    pack_response,
    parse_request,
)


def add(a: int, b: int) -> int:
    """The handler."""
    return a + b


def serve(announce: Callable[[str], None]) -> None:
    """Listen on a free port and serve every connection in a greenlet of its own; never returns."""
    listener = listen(announce)
    while True:
        sock, _ = listener.accept()
        gevent.spawn(read, sock)


def read(sock: socket.socket) -> None:
    """The reader of one connection: parse what one `recv` brought, answer it, wake the writer once."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    handlers = {ACTION: add}
    outbox: deque[bytes] = deque()
    put = outbox.append
    wake = start_writer(sock, outbox)
    run_callback = gevent.get_hub().loop.run_callback
    pack = Packer().pack
    recv = sock.recv
    rest = b""
    while True:
        data = recv(RECEIVE_BYTES)
        if not data:
            return
        if rest:
            data = rest + data
        position = 0
        last_start = len(data) - REQUEST_HEAD_BYTES
        while position <= last_start:
            action, seq, msg_len = parse_request(data, position)
            head_end = position + REQUEST_HEAD_BYTES
            msg_start = head_end + (action & ACTION_LEN_MASK)
            msg_end = msg_start + msg_len
            if msg_end > len(data):
                break
            a, b = unpackb(data[msg_start:msg_end])
            msg = pack(handlers[data[head_end:msg_start]](a, b))
            put(pack_response(MAGIC, VERSION, OK, len(msg), seq, 0) + msg)
            position = msg_end
        rest = data[position:]
        if outbox:
            run_callback(wake)
