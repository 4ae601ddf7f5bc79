"""A peer that keeps Nagle's delay on and sends a head and its blob one after the other, as Rust does."""

from __future__ import annotations

import socket
import sys
from time import monotonic
from typing import Any

import gevent.socket
import pytest

import razorg
from razorg.wire.heads import MAGIC, REQUEST_HEAD, RESPONSE_HEAD

COUNT = 40
#: The kernel lets 40 ms pass before it acknowledges by itself; the first sixteen or so it does at once.
SECONDS = 0.5
BLOB = b"b" * 10_000

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "TCP_QUICKACK"), reason=f"{sys.platform} has no TCP_QUICKACK"
)


class Size(razorg.Dispatch):
    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        respond.ok(len(request.blob or b""))


def receive(sock: Any, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += sock.recv(size - len(data))
    return data


def test_a_server_does_not_wait_for_the_blobs_of_such_a_client() -> None:
    with razorg.RpcServer("tcp://127.0.0.1:0", dispatch=Size()) as server:
        host, port = server.addresses[0].removeprefix("tcp://").split(":")
        with gevent.socket.create_connection((host, int(port))) as sock:
            started = monotonic()
            for seq in range(1, COUNT + 1):
                sock.sendall(REQUEST_HEAD.pack(MAGIC, 1, 0, 5, seq, 0, 0, len(BLOB)))
                sock.sendall(BLOB)
                assert receive(sock, RESPONSE_HEAD.size + 3)[-3:] == b"\xcd\x27\x10"
            assert monotonic() - started < SECONDS


def test_a_client_does_not_wait_for_the_blobs_of_such_a_server() -> None:
    listener = gevent.socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()

    def serve() -> None:
        sock, _ = listener.accept()
        with sock:
            for seq in range(1, COUNT + 1):
                receive(sock, REQUEST_HEAD.size)
                sock.sendall(RESPONSE_HEAD.pack(MAGIC, 1, 0, 0, seq, len(BLOB)))
                sock.sendall(BLOB)
            sock.recv(1)

    serving = gevent.spawn(serve)
    with listener:
        stream = razorg.ClientStream(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        started = monotonic()
        for _ in range(COUNT):
            assert stream.send(5).get().blob == BLOB
        assert monotonic() - started < SECONDS
        stream.close()
    serving.join(2)
