"""The bare loop's server for payloads: the handler runs inline in the reader, a writer greenlet sends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from gevent import socket
from msgpack import Packer, unpackb

from benchlib.bare_blob_io import Parse, frames_by_recv, start_big_writer
from benchlib.bare_io import listen
from benchlib.frames import (
    ECHO,
    ECHO_BYTES,
    GET,
    MAGIC,
    OK,
    REQUEST_HEAD_BYTES,
    VERSION,
    pack_response,
    parse_blob_request,
)


def serve(announce: Callable[[str], None], frames: Any = frames_by_recv, start_writer: Any = start_big_writer) -> None:
    """Listen on a free port and serve every connection in a greenlet of its own; never returns."""
    listener = listen(announce)
    while True:
        sock, _ = listener.accept()
        gevent.spawn(read, sock, frames, start_writer)


def lengths(data: Any, position: int) -> tuple[int, int]:
    """(bytes of a request's head, bytes of its body)."""
    _, _, msg_len, blob_len = parse_blob_request(data, position)
    return REQUEST_HEAD_BYTES, msg_len + blob_len


_: Parse = lengths


def read(sock: socket.socket, frames: Any, start_writer: Any) -> None:
    """The reader of one connection."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    outbox: deque[Any] = deque()
    put = outbox.append
    wake = start_writer(sock, outbox)
    run_callback = gevent.get_hub().loop.run_callback
    pack = Packer().pack
    for data, start, end in frames(sock, REQUEST_HEAD_BYTES, lengths):
        action, seq, msg_len, _blob_len = parse_blob_request(data, start)
        msg_start = start + REQUEST_HEAD_BYTES
        view = memoryview(data)
        msg: Any = b""
        blob: Any = b""
        if action == ECHO:
            blob = view[msg_start + msg_len : end]
        elif action == ECHO_BYTES:
            msg = pack(unpackb(view[msg_start:end]))
        elif action == GET:
            blob = bytes(unpackb(view[msg_start:end]))
        if not outbox:
            run_callback(wake)
        put(pack_response(MAGIC, VERSION, OK, len(msg), seq, len(blob)))
        if msg:
            put(msg)
        if blob:
            put(blob)
