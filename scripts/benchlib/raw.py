"""The raw ping-pong: the very bytes of one call and its answer over gevent sockets, nothing decoded (W1)."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import gevent
from gevent import socket
from msgpack import packb

from benchlib.bare_io import listen, open_socket
from benchlib.contestants import Client
from benchlib.frames import ACTION, ACTION_WORD, MAGIC, OK, VERSION, pack_request, pack_response
from benchlib.workloads import Workload

_ARGUMENTS, _SUM = packb((1, 2)), packb(3)
REQUEST = pack_request(MAGIC, VERSION, 0, ACTION_WORD, 1, 0, len(_ARGUMENTS), 0, ACTION) + _ARGUMENTS
RESPONSE = pack_response(MAGIC, VERSION, OK, len(_SUM), 1, 0) + _SUM


def serve(announce: Callable[[str], None]) -> None:
    """Answer every request's worth of bytes with the response's bytes; never returns."""
    listener = listen(announce)
    while True:
        sock, _ = listener.accept()
        gevent.spawn(_answer, sock)


def _answer(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    got = b""
    while True:
        data = sock.recv(4096)
        if not data:
            return
        got += data
        while len(got) >= len(REQUEST):
            got = got[len(REQUEST) :]
            sock.send(RESPONSE)


def connect(address: str, workload: Workload) -> Client:
    """Connect; `add` sends the one request and returns 3 when the one response came back."""
    sock = open_socket(address)

    def add(a: int, b: int) -> int:
        sock.send(REQUEST)
        data = sock.recv(4096)
        while len(data) < len(RESPONSE):
            more = sock.recv(4096)
            if not more:
                raise EOFError("the server has closed the connection")
            data += more
        return 3 if data == RESPONSE else 0

    return Client([SimpleNamespace(add=add)])
