"""JSON over HTTP: gevent's pywsgi, and a requests.Session (a kept connection) for each caller.

Payloads travel as bodies of bytes, without JSON.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import requests
from gevent.pywsgi import WSGIServer

from benchlib.contestants import Client
from benchlib.workloads import Workload


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """`/add` takes {"a", "b"} and answers {"value"}; `/echo` answers the body."""
    body = environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/add":
        arguments = json.loads(body)
        body = json.dumps({"value": arguments["a"] + arguments["b"]}).encode()
        kind = "application/json"
    else:
        kind = "application/octet-stream"
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


def serve(announce: Callable[[str], None], workload: Workload) -> None:
    """Serve for ever."""
    server = WSGIServer(("127.0.0.1", 0), application, log=None)
    server.start()
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted ones inherit it on Linux
    announce(f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()


def connect(address: str, workload: Workload) -> Client:
    """A session for each caller."""
    return Client([_service(address, requests.Session()) for _ in range(workload.callers)])


def _service(address: str, session: requests.Session) -> Any:
    def add(a: int, b: int) -> Any:
        return session.post(f"{address}/add", json={"a": a, "b": b}).json()["value"]

    def both(data: bytes) -> bytes:
        return session.post(f"{address}/echo", data=data).content

    return SimpleNamespace(add=add, both=both)
