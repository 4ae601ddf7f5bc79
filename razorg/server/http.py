"""What somebody is told who speaks HTTP to a server of razorg."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

STATUS = "426 Upgrade Required"
BODY = (
    b"This server speaks razorg RPC (the razor-rpc protocol), not HTTP: "
    b'call it with razorg.connect("tcp://host:port").\n'
    b"Under gunicorn it is started with: gunicorn -k razorg.gunicorn.Worker module:server\n"
)
HEADERS = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(BODY)))]
#: These are for the connection; a WSGI server refuses them from its application, or drops them.
CONNECTION_HEADERS = [("Upgrade", "razor-rpc"), ("Connection", "close, Upgrade")]
METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT")
#: The longest of these and the space behind it.
START_BYTES = 8


def refuse(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The WSGI application that answers every request with 426 and how to do it right."""
    start_response(STATUS, list(HEADERS))
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [BODY]


def refusal(start: bytes) -> bytes | None:
    """The whole response for a connection that began so; None when that is not HTTP.

    ``START_BYTES`` are enough to tell.
    """
    method, space, _ = start.partition(b" ")
    if not space or method not in METHODS:
        return None
    lines = [f"HTTP/1.1 {STATUS}"]
    lines += [f"{name}: {value}" for name, value in HEADERS + CONNECTION_HEADERS]
    head = "\r\n".join([*lines, "", ""]).encode()
    return head if method == b"HEAD" else head + BODY
