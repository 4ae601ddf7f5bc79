"""The bare loop's client for payloads: a reader that wakes the callers, a writer that sends for them."""

from __future__ import annotations

import itertools
from collections import deque
from types import SimpleNamespace
from typing import Any

import gevent
from greenlet import getcurrent
from msgpack import Packer, unpackb

from benchlib.bare_blob_io import frames_by_recv, start_big_writer
from benchlib.bare_io import open_socket
from benchlib.contestants import Client
from benchlib.frames import (
    ECHO,
    ECHO_BYTES,
    GET,
    MAGIC,
    PUT,
    RESPONSE_HEAD_BYTES,
    VERSION,
    pack_blob_request,
    parse_blob_response,
)
from benchlib.workloads import Workload


def lengths(data: Any, position: int) -> tuple[int, int]:
    """(bytes of a response's head, bytes of its body)."""
    msg_len, _, blob_len = parse_blob_response(data, position)
    return RESPONSE_HEAD_BYTES, msg_len + blob_len


def connect_blobs(
    address: str, workload: Workload, frames: Any = frames_by_recv, start_writer: Any = start_big_writer
) -> Client:
    """Connect and start reader and writer."""
    sock = open_socket(address)
    waiting: dict[int, Any] = {}
    outbox: deque[Any] = deque()
    put = outbox.append
    wake = start_writer(sock, outbox)
    hub = gevent.get_hub()
    run_callback, pause = hub.loop.run_callback, hub.switch
    pack = Packer().pack
    next_seq = itertools.count(1).__next__

    def read() -> None:
        for data, start, end in frames(sock, RESPONSE_HEAD_BYTES, lengths):
            msg_len, seq, _ = parse_blob_response(data, start)
            body = memoryview(data)[start + RESPONSE_HEAD_BYTES : end]
            run_callback(waiting.pop(seq).switch, unpackb(body) if msg_len else body)
        raise EOFError("the server has closed the connection")

    def call(action: int, msg: bytes, blob: bytes) -> Any:
        seq = next_seq()
        waiting[seq] = getcurrent()
        if not outbox:
            run_callback(wake)
        put(pack_blob_request(MAGIC, VERSION, 0, action, seq, 0, len(msg), len(blob)))
        if msg:
            put(msg)
        if blob:
            put(blob)
        return pause()

    def up(data: bytes) -> int:
        call(PUT, b"", data)
        return len(data)

    gevent.spawn(read)
    if workload.form == "bytes":
        return Client([SimpleNamespace(both=lambda data: call(ECHO_BYTES, pack(data), b""))])
    service = SimpleNamespace(both=lambda data: call(ECHO, b"", data), up=up, down=lambda n: call(GET, pack(n), b""))
    return Client([service])
